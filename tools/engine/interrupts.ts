/** A second interrupt within this time is the same key press, passed on by npm or the shell. */
const SAME_INTERRUPT_MS = 2_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Passes interrupts of this process on as SIGINT, each key press once. The engine brings what has begun to an end at the
 * first, and stops at once at the second.
 * @param say tells the person what follows
 */
export function passInterrupts(
  pass: (signal: NodeJS.Signals) => void,
  say: (text: string) => void,
  now: () => number = Date.now,
): { count(): number; stop(): void } {
  let count = 0;
  let last = Number.NEGATIVE_INFINITY;
  const onSignal = (): void => {
    if (now() - last < SAME_INTERRUPT_MS) return;
    last = now();
    count += 1;
    say(
      count === 1
        ? "Interrupted: what has begun is brought to an end. Interrupt again to stop at once (the next run repairs the state)."
        : "Stopping at once.",
    );
    pass("SIGINT");
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    count: () => count,
    stop: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
