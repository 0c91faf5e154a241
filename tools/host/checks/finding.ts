/** What one check of a host found. `unknown` says that it could not be made, which is never the same as passed. */
export interface HostFinding {
  /** Name of the check, stable. */
  readonly id: string;
  readonly state: "passed" | "warning" | "error" | "unknown";
  /** What is so. */
  readonly what: string;
  /** Why it matters; empty where the check passed. */
  readonly why: string;
  /** What to do; empty where the check passed. */
  readonly remedy: string;
}

/** A check that found nothing wrong. */
export const passed = (id: string, what: string): HostFinding => ({
  id,
  state: "passed",
  what,
  why: "",
  remedy: "",
});

/** What settings of the host can mend. */
export const PREPARE = "hyperlab host prepare";

/** A number of seconds as people read it. */
export function seconds(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "no limit";
  if (value < 120) return `${Math.round(value)} s`;
  const minutes = value / 60;
  return minutes < 120 ? `${Math.round(minutes)} min` : `${Math.round(value / 3600)} h`;
}
