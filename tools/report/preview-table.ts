import type { EngineEvent, MessageEvent, Operation, ResourceStep } from "./engine-events.ts";
import { shortType } from "./run-display.ts";
import { textTable } from "./table.ts";

/**
 * What happens to a machine. The classes of the provider's effects table (live, restart, rebuild, replace, forbidden),
 * creation and removal, adoption of what is there already, and what mends a machine that is not as it should be.
 */
export type MachineEffect =
  | "none"
  | "live"
  | "restart"
  | "rebuild"
  | "replace"
  | "forbidden"
  | "create"
  | "adopt"
  | "remove"
  | "start"
  | "stop"
  | "resume"
  | "change"
  | "recover"
  | "wait"
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
  /** `adopt`: what is to be created is on the host already, and is recorded as it is. */
  operation: Operation | "adopt";
  /** Changed fields with their effect as the provider says it, or their names. */
  why: string;
}

export interface PreviewSummary {
  machines: MachineRow[];
  /** Every other resource that changes. */
  others: OtherRow[];
  /** What the program and the provider say beside the machines' effects. */
  notes: string[];
  warnings: string[];
  errors: string[];
}

const MACHINE_TYPE = "libvirt:index:Domain";

/** How the provider's line begins after the machine's name, and what that means. Longer texts first. */
const VERBS: readonly (readonly [text: string, effect: MachineEffect])[] = [
  ["no effect on the machine", "none"],
  ["nothing", "none"],
  ["live", "live"],
  ["wait until ready", "wait"],
  ["start", "start"],
  ["resume", "resume"],
  ["change while it is off", "change"],
  ["make again", "recover"],
  ["define again on its own disk", "recover"],
  ["stop", "stop"],
  ["restart", "restart"],
  ["rebuild", "rebuild"],
  ["replace", "replace"],
  ["refused", "forbidden"],
  ["forbidden", "forbidden"],
  ["create", "create"],
  ["adopt", "adopt"],
  ["delete", "remove"],
];

export interface EffectLine {
  name: string;
  effect: MachineEffect;
  /** Reason and changed fields. */
  why: string;
  note: string;
}

/**
 * The provider's line about a machine, for example `lab-compute-01: restart (memoryMiB 2048 → 3072), quiesce first`;
 * undefined for any other text.
 */
export function parseEffectLine(text: string): EffectLine | undefined {
  const match = /^(\S+): (.*)$/s.exec(text.trim());
  const said = match?.[2] ?? "";
  const verb = VERBS.find(([words]) => said.startsWith(words) && /^($|[ :,])/.test(said.slice(words.length)));
  if (!match || !verb) return undefined;
  const [words, effect] = verb;
  const { rest, why } = takeReasons(said.slice(words.length), effect === "forbidden");
  return { name: match[1] ?? "", effect, why, note: rest.replace(/^[,:;]?\s*/, "").trim() };
}

/** `: reason (fields), note` into reason with fields, and the note. Of what is refused the reasons are the note. */
function takeReasons(text: string, refused: boolean): { why: string; rest: string } {
  const why: string[] = [];
  let rest = text;
  for (;;) {
    if (rest.startsWith(" (")) {
      const end = closingParenthesis(rest, 1);
      why.push(rest.slice(2, end));
      rest = rest.slice(end + 1);
    } else if (rest.startsWith(": ") && !refused && why.length === 0) {
      const end = / \(|, /.exec(rest)?.index ?? rest.length;
      why.push(rest.slice(2, end));
      rest = rest.slice(end);
    } else return { why: why.join("; "), rest };
  }
}

/** Index of the parenthesis that closes the one at `start`; the end of the text where none does. */
function closingParenthesis(text: string, start: number): number {
  let depth = 0;
  for (let index = start; index < text.length; index += 1) {
    if (text[index] === "(") depth += 1;
    if (text[index] === ")") depth -= 1;
    if (depth === 0) return index;
  }
  return text.length;
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
  const refused = new Map<string, MachineRow>();
  const summary: PreviewSummary = { machines: [], others: [], notes: [], warnings: [], errors: [] };
  for (const event of events) {
    if (event.kind === "start" || event.kind === "end") remember(steps, event.step);
    if (event.kind !== "message" || event.ephemeral) continue;
    if (event.severity === "error" && isRefusedMachine(event)) refuse(refused, event);
    else if (event.severity === "error") summary.errors.push(event.text);
    else if (event.severity === "warning") summary.warnings.push(event.text);
    else if (parseEffectLine(event.text)) lines.set(event.urn, event.text);
    else summary.notes.push(event.text);
  }
  for (const step of steps.values()) {
    if (refused.has(step.urn)) continue;
    if (step.type === MACHINE_TYPE) summary.machines.push(machineRow(step, lines.get(step.urn)));
    else if (changesResource(step)) summary.others.push(otherRow(step, lines.get(step.urn)));
  }
  summary.machines.push(...refused.values());
  const byName = (a: { name: string }, b: { name: string }): number =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  summary.machines.sort(byName);
  summary.others.sort(byName);
  return summary;
}

const isRefusedMachine = (event: MessageEvent): boolean =>
  event.refusal !== undefined && event.urn.includes(`${MACHINE_TYPE}::`);

/** What the provider's check refuses has no step; every property is an error of its own. */
function refuse(rows: Map<string, MachineRow>, { refusal, text, urn }: MessageEvent): void {
  const { name, property, reason } = refusal ?? { name: urn, property: "", reason: text };
  const before = rows.get(urn);
  const why = before ? `${before.why}, ${property}` : property;
  const note = before && before.note !== reason ? `${before.note}; ${reason}` : reason;
  rows.set(urn, { name, urn, effect: "forbidden", why, note });
}

function changesResource(step: ResourceStep): boolean {
  if (!step.custom || step.type.startsWith("pulumi:providers:")) return false;
  return !["same", "read", "refresh", "other"].includes(step.operation);
}

function otherRow(step: ResourceStep, line: string | undefined): OtherRow {
  const { changed, name, operation, type, urn } = step;
  const said = line === undefined ? undefined : parseEffectLine(line);
  if (operation === "create" && said?.effect === "adopt") {
    return { name, type, urn, operation: "adopt", why: said.note };
  }
  const why = said
    ? [said.effect, said.why, said.note].filter((part) => part !== "").join("; ")
    : changed.join(", ");
  return { name, type, urn, operation, why };
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
  // The engine decides on creation, removal and replacement; the provider on what an update means, and whether what is
  // to be created is there already.
  const adopted = effect === "create" && said.effect === "adopt";
  const decided = effect === "update" || effect === "none" || adopted ? said.effect : effect;
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
    const rows = summary.others.map(({ name, operation, type, why }) => [
      name,
      shortType(type),
      operation,
      why,
    ]);
    lines.push(...textTable(["resource", "type", "change", "why"], rows, width), "");
  }
  const adopted = [
    ...summary.machines.map(({ effect }) => effect),
    ...summary.others.map(({ operation }) => operation),
  ];
  const count = adopted.filter((what) => what === "adopt").length;
  if (count > 0)
    lines.push(
      `${count} of these ${count === 1 ? "is" : "are"} on the host already and adopted as ${count === 1 ? "it is" : "they are"}.`,
    );
  const touched = summary.machines.filter(({ effect }) => effect !== "none" && effect !== "adopt").length;
  const total = summary.machines.length;
  const others = summary.others.filter(({ operation }) => operation !== "adopt").length;
  lines.push(
    touched === 0 && others === 0 && count === 0
      ? "Nothing changes."
      : `${touched} of ${total} machine${total === 1 ? "" : "s"} and ${others} other resource${others === 1 ? "" : "s"} change.`,
  );
  return lines;
}
