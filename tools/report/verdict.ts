import type { EngineEvent } from "./engine-events.ts";
import type { MachineEffect, PreviewSummary } from "./preview-table.ts";

/** What `up` does after its preview. */
export type Verdict =
  /** Something is forbidden or wrong: nothing may be touched. */
  | { kind: "refused" }
  /** The update would neither do nor record anything. */
  | { kind: "nothing" }
  /** @property interrupts Names of the machines whose work is interrupted; a person is asked first. */
  | { kind: "apply"; interrupts: string[] };

/**
 * Effects that interrupt what runs on a machine or remove it. `update` is one that the provider did not explain:
 * what is not known does not count as harmless.
 */
const INTERRUPTS: ReadonlySet<MachineEffect> = new Set([
  "restart",
  "rebuild",
  "replace",
  "remove",
  "stop",
  "update",
]);

/**
 * Decides from a preview.
 *
 * @param failed The engine ended the preview with an error.
 * @param unsettled State holds operations that a run left open, which only an update clears.
 */
export function judgePreview(
  summary: PreviewSummary,
  events: readonly EngineEvent[],
  { failed, unsettled }: { failed: boolean; unsettled: boolean },
): Verdict {
  const forbidden = summary.machines.some((machine) => machine.effect === "forbidden");
  if (failed || forbidden || summary.errors.length > 0) return { kind: "refused" };
  // The stack itself has a step in every run: where none could be read, nothing is known.
  const understood = events.some((event) => event.kind === "start" || event.kind === "end");
  if (understood && !unsettled && !events.some(changesState)) return { kind: "nothing" };
  const interrupted = summary.machines.filter((machine) => INTERRUPTS.has(machine.effect));
  return { kind: "apply", interrupts: interrupted.map((machine) => machine.name) };
}

const IDLE: ReadonlySet<string> = new Set(["same", "read", "refresh"]);

/** A step that does something, or after which the state holds something else; or the engine's own count of such. */
function changesState(event: EngineEvent): boolean {
  if (event.kind === "summary") return Object.keys(event.changes).some((operation) => !IDLE.has(operation));
  if (event.kind !== "start" && event.kind !== "end") return false;
  return event.step.records || !IDLE.has(event.step.operation);
}
