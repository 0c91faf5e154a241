/** What happened to the machines of a rolling update, and whether it was right. */

/**
 * `asked`, `granted`, `refused`, `released` and `failed` are the permit's; `quiesce`, `down`, `up` and `ready` the
 * machine's.
 */
export type Step =
  | "asked"
  | "granted"
  | "refused"
  | "quiesce"
  | "down"
  | "up"
  | "ready"
  | "failed"
  | "released";

export interface TraceEvent {
  readonly machine: string;
  readonly step: Step;
}

export interface Rollout {
  /** All machines of the group that have to change. */
  readonly machines: readonly string[];
  readonly maxUnavailable: number;
}

/** What may come next for one machine. */
const next: Readonly<Record<Step | "nothing", readonly Step[]>> = {
  nothing: ["asked"],
  asked: ["granted", "refused"],
  granted: ["quiesce", "failed"],
  quiesce: ["down", "failed"],
  down: ["up", "failed"],
  up: ["ready", "failed"],
  ready: ["released"],
  released: [],
  failed: [],
  refused: [],
};

/** In these a machine serves nobody: it is being emptied, is off, boots, or has failed. */
const unavailable: ReadonlySet<Step> = new Set(["granted", "quiesce", "down", "up", "failed"]);

/** The largest number of machines that served nobody at the same time. */
export function mostUnavailable(trace: readonly TraceEvent[]): number {
  const last = new Map<string, Step>();
  let most = 0;
  for (const { machine, step } of trace) {
    last.set(machine, step);
    most = Math.max(most, [...last.values()].filter((one) => unavailable.has(one)).length);
  }
  return most;
}

/**
 * What is wrong with a rollout; empty if nothing is. At most `maxUnavailable` machines serve nobody; each has its turn
 * once, in order and to the end; after the first failure nobody's turn begins, and who had none is told so.
 */
export function checkRollout(trace: readonly TraceEvent[], rollout: Rollout): string[] {
  const last = new Map<string, Step>();
  const wrong: string[] = [];
  let failed: string | undefined;
  for (const [index, { machine, step }] of trace.entries()) {
    const at = `event ${index}, ${machine} ${step}`;
    const before = last.get(machine) ?? "nothing";
    if (!rollout.machines.includes(machine)) wrong.push(`${at}: no machine of the group`);
    if (!next[before].includes(step)) wrong.push(`${at}: comes after ${before}`);
    if (step === "granted" && failed !== undefined) wrong.push(`${at}: begins after ${failed} failed`);
    if (step === "refused" && failed === undefined) wrong.push(`${at}: nobody failed`);
    if (step === "failed") failed ??= machine;
    last.set(machine, step);
    const out = [...last.values()].filter((one) => unavailable.has(one)).length;
    if (out > rollout.maxUnavailable) wrong.push(`${at}: ${out} machines serve nobody`);
  }
  for (const machine of rollout.machines) {
    const end = last.get(machine) ?? "nothing";
    if (next[end].length > 0) wrong.push(`${machine} ends with ${end}`);
  }
  return wrong;
}
