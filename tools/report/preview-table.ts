import type { EngineEvent, Operation, ResourceStep } from "./engine-events.ts";
import { shortType } from "./run-display.ts";
import { textTable } from "./table.ts";

/** What happens to a machine, as the provider's effects table calls it, and creation and removal. */
export type MachineEffect =
  | "none"
  | "live"
  | "restart"
  | "rebuild"
  | "replace"
  | "forbidden"
  | "create"
  | "remove"
  | "update";

export interface MachineRow {
  name: string;
  urn: string;
  effect: MachineEffect;
  /** Changed fields with old and new value where they may be shown; empty where nothing changes. */
  why: string;
  /** What else belongs to it, for example whether the machine is emptied first. */
  note: string;
}

export interface OtherRow {
  name: string;
  type: string;
  urn: string;
  operation: Operation;
  changed: string[];
}

export interface PreviewSummary {
  machines: MachineRow[];
  /** Every other resource that changes. */
  others: OtherRow[];
  warnings: string[];
  errors: string[];
}

const MACHINE_TYPE = "libvirt:index:Domain";
const EFFECTS = ["none", "live", "restart", "rebuild", "replace", "forbidden"] as const;

/** The provider's line about a machine, for example `lab-compute-01: restart (memoryMiB 2048 → 3072), quiesce first`. */
export function parseEffectLine(
  text: string,
): { name: string; effect: MachineEffect; why: string; note: string } | undefined {
  const match = /^(\S+): (none|live|restart|rebuild|replace|forbidden)\b(.*)$/s.exec(text.trim());
  const effect = EFFECTS.find((known) => known === match?.[2]);
  if (!match || !effect) return undefined;
  const { why, rest } = splitParentheses((match[3] ?? "").trim());
  return { name: match[1] ?? "", effect, why, note: rest.replace(/^[,:;]\s*/, "").trim() };
}

/** `(a (b) c), rest` into what the first parentheses hold, nested ones included, and what follows. */
function splitParentheses(text: string): { why: string; rest: string } {
  if (!text.startsWith("(")) return { why: "", rest: text };
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    if (text[index] === "(") depth += 1;
    if (text[index] === ")") depth -= 1;
    if (depth === 0) return { why: text.slice(1, index), rest: text.slice(index + 1) };
  }
  return { why: text.slice(1), rest: "" };
}

const BY_OPERATION: Partial<Record<Operation, MachineEffect>> = {
  create: "create",
  import: "create",
  delete: "remove",
  replace: "replace",
  "create-replacement": "replace",
  "delete-replaced": "replace",
  update: "update",
  same: "none",
  discard: "remove",
};

/** One row per machine and one per other resource that changes, from the events of a preview. */
export function summarisePreview(events: readonly EngineEvent[]): PreviewSummary {
  const steps = new Map<string, ResourceStep>();
  const lines = new Map<string, string>();
  const summary: PreviewSummary = { machines: [], others: [], warnings: [], errors: [] };
  for (const event of events) {
    if (event.kind === "start" || event.kind === "end") remember(steps, event.step);
    if (event.kind !== "message" || event.ephemeral) continue;
    if (event.severity === "error") summary.errors.push(event.text);
    else if (event.severity === "warning") summary.warnings.push(event.text);
    else if (parseEffectLine(event.text)) lines.set(event.urn, event.text);
  }
  for (const step of steps.values()) {
    if (step.type === MACHINE_TYPE) summary.machines.push(machineRow(step, lines.get(step.urn)));
    else if (step.type.startsWith("pulumi:providers:")) continue;
    else if (step.custom && !["same", "read", "refresh", "other"].includes(step.operation)) {
      const { changed, name, operation, type, urn } = step;
      summary.others.push({ name, type, urn, operation, changed });
    }
  }
  const byName = (a: { name: string }, b: { name: string }): number =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  summary.machines.sort(byName);
  summary.others.sort(byName);
  return summary;
}

/** A replacement is three steps of one resource; a refresh before an update is one more. */
function remember(steps: Map<string, ResourceStep>, step: ResourceStep): void {
  const before = steps.get(step.urn);
  const weight: Partial<Record<Operation, number>> = {
    refresh: 0,
    read: 0,
    same: 1,
    "delete-replaced": 2,
    replace: 4,
  };
  const rank = (candidate: ResourceStep): number => weight[candidate.operation] ?? 3;
  if (!before || rank(step) >= rank(before)) steps.set(step.urn, step);
}

function machineRow(step: ResourceStep, line: string | undefined): MachineRow {
  const said = line === undefined ? undefined : parseEffectLine(line);
  const effect = BY_OPERATION[step.operation] ?? "none";
  if (!said) {
    const why = effect === "update" || effect === "replace" ? step.changed.join(", ") : "";
    return { name: step.name, urn: step.urn, effect, why, note: "" };
  }
  // The engine decides on creation, removal and replacement; the provider on what an update means.
  const decided = effect === "update" || effect === "none" ? said.effect : effect;
  return { name: step.name, urn: step.urn, effect: decided, why: said.why, note: said.note };
}

/** The preview as text. */
export function renderPreview(summary: PreviewSummary, width: number): string[] {
  const lines: string[] = [];
  if (summary.machines.length > 0) {
    const rows = summary.machines.map(({ effect, name, note, why }) => [
      name,
      effect,
      [why, note].filter((part) => part !== "").join("; "),
    ]);
    lines.push(...textTable(["machine", "effect", "why"], rows, width), "");
  }
  if (summary.others.length > 0) {
    const rows = summary.others.map(({ changed, name, operation, type }) => [
      name,
      shortType(type),
      operation,
      changed.join(", "),
    ]);
    lines.push(...textTable(["resource", "type", "change", "fields"], rows, width), "");
  }
  const touched = summary.machines.filter((machine) => machine.effect !== "none").length;
  const total = summary.machines.length;
  const others = summary.others.length;
  lines.push(
    touched === 0 && others === 0
      ? "Nothing changes."
      : `${touched} of ${total} machine${total === 1 ? "" : "s"} and ${others} other resource${others === 1 ? "" : "s"} change.`,
  );
  return lines;
}
