/** How a guest is asked to shut down, as a pure function of what happened so far. */

/** A guest that ignored a request gets the next one after this time. */
export const repeatMilliseconds = 15_000;

export type ShutdownWay = "agent" | "acpi";

export interface StopSituation {
  /** Time since the first request was due. */
  readonly elapsedMs: number;
  /** Requests made so far. */
  readonly requests: number;
  /** Time since the last request; undefined before the first. */
  readonly sinceLastMs: number | undefined;
  /** The domain has an agent channel. */
  readonly agent: boolean;
  readonly timeoutSeconds: number;
  readonly onTimeout: "fail" | "powerOff";
}

export type StopStep =
  /** Ask the guest; where the way does not work now, `acpi` follows at once. */
  | { readonly kind: "ask"; readonly way: ShutdownWay }
  | { readonly kind: "wait"; readonly milliseconds: number }
  | { readonly kind: "giveUp" }
  | { readonly kind: "powerOff" };

/** The next thing to do while the guest is still running. */
export function nextStopStep(situation: StopSituation): StopStep {
  const left = situation.timeoutSeconds * 1000 - situation.elapsedMs;
  if (left <= 0) return { kind: situation.onTimeout === "powerOff" ? "powerOff" : "giveUp" };
  const since = situation.sinceLastMs;
  if (since === undefined || since >= repeatMilliseconds) {
    return { kind: "ask", way: situation.agent && situation.requests % 2 === 0 ? "agent" : "acpi" };
  }
  return { kind: "wait", milliseconds: Math.min(repeatMilliseconds - since, left) };
}
