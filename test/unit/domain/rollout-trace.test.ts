import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkRollout, mostUnavailable, type Step, type TraceEvent } from "../../support/rollout-trace.ts";

/** Turn of a machine that succeeds. */
const turn: readonly Step[] = ["asked", "granted", "quiesce", "down", "up", "ready", "released"];
const names = (count: number) => Array.from({ length: count }, (_, index) => `n${index}`);

interface Made {
  readonly count: number;
  readonly maxUnavailable: number;
  /** Machine that fails when it boots. */
  readonly failing: number | undefined;
  /** Who goes on next, again and again. */
  readonly picks: readonly number[];
}

/** A rollout as it should be, in any order that is allowed. */
function goodTrace({ count, maxUnavailable, failing, picks }: Made): TraceEvent[] {
  const trace: TraceEvent[] = [];
  const done = new Map<string, Step[]>(names(count).map((name) => [name, []]));
  let held = 0;
  let failed = false;
  const stepOf = (machine: string): Step | undefined => {
    const steps = done.get(machine) ?? [];
    const planned = turn[steps.length];
    if (["released", "refused", "failed"].includes(steps.at(-1) ?? "")) return undefined;
    if (planned === "granted") return failed ? "refused" : held < maxUnavailable ? "granted" : undefined;
    return planned === "ready" && machine === `n${failing}` ? "failed" : planned;
  };
  for (let round = 0; ; round++) {
    const able = names(count).filter((machine) => stepOf(machine) !== undefined);
    const machine = able[(picks[round % picks.length] ?? 0) % able.length];
    if (machine === undefined) return trace;
    const step = stepOf(machine);
    if (step === undefined) return trace;
    if (step === "granted") held += 1;
    // A machine that has failed stays down, so it keeps its place.
    if (step === "released") held -= 1;
    failed ||= step === "failed";
    done.get(machine)?.push(step);
    trace.push({ machine, step });
  }
}

const made: fc.Arbitrary<Made> = fc.record({
  count: fc.integer({ min: 3, max: 20 }),
  maxUnavailable: fc.integer({ min: 1, max: 5 }),
  failing: fc.option(fc.nat(19), { nil: undefined }),
  picks: fc.array(fc.nat(1000), { minLength: 1, maxLength: 100 }),
});
const wrongs = (trace: readonly TraceEvent[], { count, maxUnavailable }: Made) =>
  checkRollout(trace, { machines: names(count), maxUnavailable });
const whole: fc.Arbitrary<Made> = made.map((one) => ({ ...one, failing: undefined }));
/** Index of one of the events that hold, by number. */
function pick(trace: readonly TraceEvent[], number: number, holds: (event: TraceEvent) => boolean): number {
  const indexes = trace.flatMap((event, index) => (holds(event) ? [index] : []));
  return indexes[number % indexes.length] ?? -1;
}

describe("the judge of a rollout", () => {
  it("accepts every rollout that keeps the rules", () => {
    fc.assert(
      fc.property(made, (one) => {
        const trace = goodTrace(one);
        expect(wrongs(trace, one)).toEqual([]);
        expect(mostUnavailable(trace)).toBeLessThanOrEqual(one.maxUnavailable);
      }),
    );
  });

  it("finds one machine too many", () => {
    fc.assert(
      fc.property(whole, (one) => {
        const trace = goodTrace(one);
        const most = mostUnavailable(trace);
        expect(wrongs(trace, { ...one, maxUnavailable: most - 1 }).join()).toContain(
          `${most} machines serve nobody`,
        );
      }),
    );
  });

  it("finds every step that is left out", () => {
    fc.assert(
      fc.property(made, fc.nat(), (one, number) => {
        const trace = goodTrace(one);
        // A machine may fail at any step: before its failure none is missing.
        const failing = trace.find(({ step }) => step === "failed")?.machine;
        const index = pick(trace, number, ({ machine }) => machine !== failing);
        expect(wrongs(trace.toSpliced(index, 1), one)).not.toEqual([]);
      }),
    );
  });

  it("finds every step that is taken twice", () => {
    fc.assert(
      fc.property(made, fc.nat(), fc.nat(), (one, number, later) => {
        const trace = goodTrace(one);
        const index = number % trace.length;
        const event = trace[index];
        if (event === undefined) throw new Error("the trace is empty");
        const place = index + (later % (trace.length - index)) + 1;
        expect(wrongs(trace.toSpliced(place, 0, event), one).join()).toContain("comes after");
      }),
    );
  });

  it("finds two steps of a machine in the wrong order", () => {
    fc.assert(
      fc.property(made, fc.nat(), (one, number) => {
        const trace = goodTrace(one);
        const first = pick(
          trace,
          number,
          ({ step }) => step !== "released" && step !== "refused" && step !== "failed",
        );
        const second = trace.findIndex(
          (event, index) => index > first && event.machine === trace[first]?.machine,
        );
        const [early, late] = [trace[first], trace[second]];
        if (early === undefined || late === undefined) throw new Error("a turn has several steps");
        const swapped = trace.with(first, late).with(second, early);
        expect(wrongs(swapped, one).join()).toContain("comes after");
      }),
    );
  });

  it("finds a turn that begins after a failure, and one that is refused without", () => {
    fc.assert(
      fc.property(whole, fc.nat(), (one, number) => {
        const trace = goodTrace(one);
        const failed = pick(trace, number, ({ step }) => step === "ready");
        const { machine } = trace[failed] ?? { machine: "" };
        const rest = trace.slice(failed).filter((event) => event.machine !== machine);
        const late = [...trace.slice(0, failed), { machine, step: "failed" as const }, ...rest];
        const begins = rest.some(({ step }) => step === "granted");
        const found = wrongs(late, { ...one, maxUnavailable: one.count }).join();
        expect(found.includes(`begins after ${machine} failed`)).toBe(begins);

        const refused = trace.filter((event) => event.machine !== machine);
        refused.push({ machine, step: "asked" }, { machine, step: "refused" });
        expect(wrongs(refused, one).join()).toContain("nobody failed");
      }),
    );
  });

  it("finds a machine that nobody knows", () => {
    const one: Made = { count: 3, maxUnavailable: 1, failing: undefined, picks: [0] };
    const trace = [...goodTrace(one), ...turn.map((step) => ({ machine: "stranger", step }))];
    expect(wrongs(trace, one).join()).toContain("no machine of the group");
  });
});
