import { isDeepStrictEqual } from "node:util";

/** Events of the engine, as `--event-log` writes them: one JSON object per line. Only what is shown is read. */

export type Operation =
  | "create"
  | "update"
  | "delete"
  | "replace"
  | "create-replacement"
  | "delete-replaced"
  | "same"
  | "refresh"
  | "read"
  | "import"
  | "discard"
  | "other";

export interface ResourceStep {
  operation: Operation;
  urn: string;
  type: string;
  name: string;
  /** A real resource, not a component. */
  custom: boolean;
  /** Top-level properties that change. */
  changed: string[];
  protect: boolean;
  /** Of a resource that stays the same: the state would hold something else of it, for example its protection. */
  records: boolean;
}

export interface MessageEvent {
  kind: "message";
  severity: "info" | "warning" | "error";
  text: string;
  urn: string;
  ephemeral: boolean;
  /** Of an error: the input of the resource that its provider does not accept, and why. */
  refusal?: { name: string; property: string; reason: string };
}

export type EngineEvent =
  | { kind: "start"; step: ResourceStep; atMs: number }
  | { kind: "end"; step: ResourceStep; atMs: number }
  | { kind: "failed"; step: ResourceStep; atMs: number }
  | MessageEvent
  | { kind: "output"; text: string }
  | { kind: "summary"; seconds: number; changes: Record<string, number> };

const OPERATIONS: Readonly<Record<string, Operation>> = {
  create: "create",
  update: "update",
  delete: "delete",
  replace: "replace",
  "create-replacement": "create-replacement",
  "delete-replaced": "delete-replaced",
  same: "same",
  refresh: "refresh",
  read: "read",
  "read-replacement": "read",
  import: "import",
  "import-replacement": "import",
  discard: "discard",
  "discard-replaced": "discard",
};

/** Reads one line of an event log; undefined for events that nobody is shown and for anything malformed. */
export function parseEvent(line: string): EngineEvent | undefined {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return undefined;
  }
  const atMs = number(member(event, "timestamp")) * 1000;
  const kinds = { resourcePreEvent: "start", resOutputsEvent: "end", resOpFailedEvent: "failed" } as const;
  for (const [key, kind] of Object.entries(kinds)) {
    const step = parseStep(member(member(event, key), "metadata"), kind === "end");
    if (step) return { kind, step, atMs };
  }
  const diagnostic = member(event, "diagnosticEvent");
  if (diagnostic !== undefined) return parseMessage(diagnostic);
  const output = member(event, "stdoutEvent");
  if (output !== undefined) return { kind: "output", text: plain(text(member(output, "message"))) };
  const summary = member(event, "summaryEvent");
  if (summary !== undefined) return parseSummary(summary);
  return undefined;
}

function parseStep(metadata: unknown, ended: boolean): ResourceStep | undefined {
  const urn = text(member(metadata, "urn"));
  if (urn === "") return undefined;
  const state = member(metadata, "new") ?? member(metadata, "old");
  const changed = new Set<string>();
  const detailed = member(metadata, "detailedDiff");
  if (typeof detailed === "object" && detailed !== null) {
    for (const path of Object.keys(detailed)) changed.add(path.split(/[.[]/)[0] ?? path);
  }
  return {
    operation: OPERATIONS[text(member(metadata, "op"))] ?? "other",
    urn,
    type: text(member(metadata, "type")),
    name: urn.split("::").at(-1) ?? urn,
    custom: member(state, "custom") === true,
    changed: [...changed].sort(),
    protect: member(state, "protect") === true,
    records: recordsChange(metadata, ended),
  };
}

/** What the state holds of every resource besides its outputs. */
const RECORDED = ["inputs", "protect", "retainOnDelete", "parent", "provider"] as const;

function recordsChange(metadata: unknown, ended: boolean): boolean {
  if (member(metadata, "op") !== "same") return false;
  const olds = member(metadata, "old");
  const news = member(metadata, "new");
  // The outputs of the stack are there at the end of its step only; those of other resources follow from the inputs.
  const outputs = ended && member(metadata, "type") === "pulumi:pulumi:Stack" ? ["outputs"] : [];
  return [...RECORDED, ...outputs].some((key) => !isDeepStrictEqual(member(olds, key), member(news, key)));
}

function parseMessage(diagnostic: unknown): EngineEvent | undefined {
  const severities = { info: "info", "info#err": "info", warning: "warning", error: "error" } as const;
  const found = Object.entries(severities).find(([key]) => key === text(member(diagnostic, "severity")));
  const message = plain(text(member(diagnostic, "message"))).trimEnd();
  if (!found || message === "") return undefined;
  const refusal = found[1] === "error" ? parseRefusal(message) : undefined;
  return {
    kind: "message",
    severity: found[1],
    text: refusal ? `${refusal.name}: ${refusal.property}: ${refusal.reason}` : message,
    urn: text(member(diagnostic, "urn")),
    ephemeral: member(diagnostic, "ephemeral") === true,
    ...(refusal ? { refusal } : {}),
  };
}

/** The engine's words around what a provider's check says; they end with a value that is empty for inner fields. */
function parseRefusal(message: string): MessageEvent["refusal"] {
  const match = /^\S+ resource '([^']+)': property (\S+) value \{.*?\} has a problem: (.+)$/s.exec(message);
  if (!match) return undefined;
  const [, name = "", property = "", reason = ""] = match;
  return { name, property, reason };
}

function parseSummary(summary: unknown): EngineEvent {
  const changes = member(summary, "resourceChanges");
  const counts = typeof changes === "object" && changes !== null ? Object.entries(changes) : [];
  return {
    kind: "summary",
    seconds: number(member(summary, "durationSeconds")),
    changes: Object.fromEntries(
      counts.filter((entry): entry is [string, number] => typeof entry[1] === "number"),
    ),
  };
}

/** Without the engine's colour marks (`<{%reset%}>`) and terminal sequences. */
export function plain(value: string): string {
  const withoutMarks = value.replaceAll(/<\{%[^%]*%\}>/g, "");
  return withoutMarks.replaceAll(/\p{Cc}\[[0-9;]*[A-Za-z]/gu, "");
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  const found: unknown = Reflect.get(value, name);
  return found ?? undefined;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
