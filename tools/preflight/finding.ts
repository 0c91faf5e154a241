/**
 * What a check found. `error` stops the command; `warning` does not; `unknown` says that a check could not be made,
 * which is never the same as passed.
 */
export interface Finding {
  /** Name of the check, stable. */
  check: string;
  level: "error" | "warning" | "unknown";
  /** What is wrong and what follows from it. */
  problem: string;
  /** What to do, as commands where possible. */
  fix: string;
}
