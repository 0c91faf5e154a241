/** An interrupt ends the step under way and cleans up, instead of leaving daemons and folders behind. */
const controller = new AbortController();

/** Aborted by the first interrupt. */
export const interrupted: AbortSignal = controller.signal;

/** From now on signals abort `interrupted` and do not end the process. */
export function catchInterrupts(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => controller.abort(new Error("interrupted")));
  }
}
