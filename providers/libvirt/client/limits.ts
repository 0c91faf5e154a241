/** Time and signal that bound a wait. */
export interface Limits {
  readonly signal: AbortSignal | undefined;
  /** Milliseconds on the monotonic clock; undefined: no deadline. */
  readonly deadline: number | undefined;
}

export function limitsOf(
  options: { signal?: AbortSignal; timeoutMs?: number },
  defaultTimeoutMs: number,
): Limits {
  const timeout = options.timeoutMs ?? defaultTimeoutMs;
  return { signal: options.signal, deadline: timeout === 0 ? undefined : performance.now() + timeout };
}

/** What an aborted wait rejects with: the signal's own reason. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("aborted", { cause: signal.reason });
}

/**
 * Waits for a promise at most until the limits. The promise itself goes on; its later failure is of no interest. `expired`
 * makes the error of the deadline.
 */
export function withinLimits<T>(promise: Promise<T>, limits: Limits, expired: () => Error): Promise<T> {
  const { signal, deadline } = limits;
  if (signal === undefined && deadline === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const onAbort = () => {
      if (signal !== undefined) settle(() => reject(abortReason(signal)));
    };
    const settle = (finish: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      finish();
    };
    promise.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    );
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort);
    if (deadline !== undefined) {
      timer = setTimeout(() => settle(() => reject(expired())), longestTimer(deadline - performance.now()));
    }
  });
}

/** Node fires timers of more than 2^31-1 ms at once. */
function longestTimer(ms: number): number {
  return Math.min(Math.max(ms, 0), 0x7fff_ffff);
}

/** Resolves after that time, or rejects when the signal fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(abortReason(signal));
    const onAbort = () => {
      clearTimeout(timer);
      reject(abortReason(signal));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
