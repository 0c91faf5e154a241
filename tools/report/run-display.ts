import { duration } from "./duration.ts";
import type { EngineEvent, Operation, ResourceStep } from "./engine-events.ts";

/** A line that stays on the screen. */
export interface DisplayLine {
  tone: "good" | "bad" | "warning" | "plain";
  text: string;
}

const PROGRESSIVE: Partial<Record<Operation, [doing: string, done: string]>> = {
  create: ["creating", "created"],
  update: ["updating", "updated"],
  delete: ["deleting", "deleted"],
  "create-replacement": ["creating anew", "created anew"],
  "delete-replaced": ["deleting the old", "deleted the old"],
  import: ["importing", "imported"],
  refresh: ["refreshing", "refreshed"],
  read: ["reading", "read"],
};

/** Operations that change nothing. */
const QUIET: ReadonlySet<Operation> = new Set(["same", "refresh", "read"]);

/** Messages of the engine that are no news: hyperlab itself arranged what they warn of. */
const EXPECTED = [
  /^using pulumi-(language-nodejs|resource-command) from \$PATH/,
  // The interrupt was passed on by us, and there is no key to press again at the engine itself.
  /^\^C received; cancelling/,
];

/** True for a message that hyperlab itself brings about. */
export const isExpected = (message: string): boolean => EXPECTED.some((pattern) => pattern.test(message));

/** How many running steps the status line names. */
const NAMED = 3;

/** Turns the engine's events into lines that stay and a status of what runs now. Pure but for its own memory. */
export class RunDisplay {
  readonly #running = new Map<string, { step: ResourceStep; since: number; status: string }>();
  readonly #told: ReadonlySet<string>;
  /** Errors that were shown; empty where the engine failed without any. */
  readonly errors: string[] = [];
  changes: Record<string, number> = {};

  /** @param options.told Notes and warnings that were shown before and are not repeated. */
  constructor(options: { told?: ReadonlySet<string> } = {}) {
    this.#told = options.told ?? new Set();
  }

  /** Takes an event that was received at `nowMs`. */
  take(event: EngineEvent, nowMs: number): DisplayLine[] {
    switch (event.kind) {
      case "start":
        if (this.#isShown(event.step)) {
          this.#running.set(event.step.urn, { step: event.step, since: nowMs, status: "" });
        }
        return [];
      case "end":
        return this.#ended(event.step, nowMs);
      case "failed":
        return this.#failed(event.step, nowMs);
      case "message":
        return this.#message(event);
      case "output":
        return event.text.trim() === "" ? [] : [{ tone: "plain", text: event.text.trimEnd() }];
      case "summary":
        this.changes = event.changes;
        return [];
      default:
        return event satisfies never;
    }
  }

  /** What runs now, in one line; empty where nothing does. */
  status(nowMs: number): string {
    const running = [...this.#running.values()];
    const named = running.slice(0, NAMED).map(({ step, since, status }) => {
      const doing = PROGRESSIVE[step.operation]?.[0] ?? step.operation;
      return `${doing} ${step.name} (${duration(nowMs - since)}${status === "" ? "" : `, ${status}`})`;
    });
    const more = running.length > NAMED ? [`${running.length - NAMED} more`] : [];
    return [...named, ...more].join(", ");
  }

  #isShown(step: ResourceStep): boolean {
    return step.custom && !step.type.startsWith("pulumi:") && !QUIET.has(step.operation);
  }

  #ended(step: ResourceStep, nowMs: number): DisplayLine[] {
    const started = this.#running.get(step.urn);
    this.#running.delete(step.urn);
    const done = PROGRESSIVE[step.operation]?.[1];
    if (!this.#isShown(step) || done === undefined || started === undefined) return [];
    return [
      {
        tone: "good",
        text: `${done} ${shortType(step.type)} ${step.name} (${duration(nowMs - started.since)})`,
      },
    ];
  }

  #failed(step: ResourceStep, nowMs: number): DisplayLine[] {
    const started = this.#running.get(step.urn);
    this.#running.delete(step.urn);
    const doing = PROGRESSIVE[step.operation]?.[0] ?? step.operation;
    const after = started === undefined ? "" : ` after ${duration(nowMs - started.since)}`;
    return [{ tone: "bad", text: `${doing} ${shortType(step.type)} ${step.name} failed${after}` }];
  }

  #message(event: EngineEvent & { kind: "message" }): DisplayLine[] {
    if (event.ephemeral) {
      const running = this.#running.get(event.urn);
      if (running) running.status = event.text.split("\n").at(-1)?.trim() ?? "";
      return [];
    }
    if (isExpected(event.text)) return [];
    if (event.severity !== "error" && this.#told.has(event.text)) return [];
    if (event.severity === "error") this.errors.push(event.text);
    const tone = { info: "plain", warning: "warning", error: "bad" } as const;
    const prefix = event.severity === "info" ? "" : `${event.severity}: `;
    return event.text.split("\n").map((line, index) => ({
      tone: tone[event.severity],
      text: index === 0 ? `${prefix}${line}` : `  ${line}`,
    }));
  }
}

/** `libvirt:index:Domain` reads as `Domain`. */
export function shortType(type: string): string {
  return type.split(":").at(-1) ?? type;
}
