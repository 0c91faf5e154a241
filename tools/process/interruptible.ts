const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** How work ended that a person may stop. */
export type Outcome<T> = { readonly interrupted: true } | { readonly interrupted: false; readonly result: T };

/** Runs work that an interrupt of this process stops: it gets a signal, tidies up and ends. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<Outcome<T>> {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  for (const name of SIGNALS) process.on(name, stop);
  try {
    return { interrupted: false, result: await work(controller.signal) };
  } catch (error) {
    if (controller.signal.aborted) return { interrupted: true };
    throw error;
  } finally {
    for (const name of SIGNALS) process.off(name, stop);
  }
}
