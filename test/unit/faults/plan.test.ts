import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  faultPairs,
  faultPlan,
  faults,
  momentsFor,
  type Phase,
  phases,
  type Trace,
} from "../../faults/plan.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const calls = ["domain create", "domain shutdown", "domain defineXml", "volume createXml", "volume content"];
const traces: fc.Arbitrary<Trace> = fc
  .tuple(...calls.map(() => fc.integer({ min: 1, max: 40 })))
  .map((times) => new Map(calls.map((call, index) => [call, times[index] ?? 1])));
const allTraces = fc.record({
  create: traces,
  scale: traces,
  rebuild: traces,
  resize: traces,
  destroy: traces,
});
const reversed = (trace: Trace): Trace => new Map([...trace].reverse());

describe("the plan of a campaign", () => {
  it("depends on the seed and on what a run without faults calls, not on the order in which it came", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 0, max: 70 }), allTraces, (seed, count, recorded) => {
        const again = {
          create: reversed(recorded.create),
          scale: reversed(recorded.scale),
          rebuild: reversed(recorded.rebuild),
          resize: reversed(recorded.resize),
          destroy: reversed(recorded.destroy),
        };
        expect(faultPlan(seed, count, again)).toEqual(faultPlan(seed, count, recorded));
      }),
    );
  });

  it("begins with the plan for fewer points, so that a point keeps its number", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 70 }), allTraces, (seed, count, recorded) => {
        const all = faultPlan(seed, 70, recorded);
        expect(faultPlan(seed, count, recorded)).toEqual(all.slice(0, count));
        expect(all.map(({ number }) => number)).toEqual(all.map((_, index) => index + 1));
      }),
    );
  });

  it("has each phase with each fault once before one comes again, and all faults in the first six", () => {
    const every = phases.flatMap((phase) => faults.map((fault) => `${phase}: ${fault}`)).sort();
    fc.assert(
      fc.property(seeds, (seed) => {
        const pairs = faultPairs(seed, every.length * 2).map(({ phase, fault }) => `${phase}: ${fault}`);
        expect(pairs.slice(0, every.length).sort()).toEqual(every);
        expect(pairs.slice(every.length).sort()).toEqual(every);
        const first = faultPairs(seed, faults.length).map(({ fault }) => fault);
        expect([...first].sort()).toEqual([...faults].sort());
      }),
    );
  });

  it("goes through the phases as the life cycle does", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const order: readonly Phase[] = faultPairs(seed, 10).map(({ phase }) => phase);
        expect(order).toEqual([...phases, ...phases]);
      }),
    );
  });

  it("draws moments that the phase has, and another one each time until all were there", () => {
    fc.assert(
      fc.property(seeds, allTraces, (seed, recorded) => {
        const drawn = new Map<string, string[]>();
        for (const { fault, phase, when } of faultPlan(seed, 90, recorded)) {
          expect(when.nth).toBeLessThanOrEqual(recorded[phase].get(when.call) ?? 0);
          const pair = `${phase}: ${fault}`;
          drawn.set(pair, [...(drawn.get(pair) ?? []), JSON.stringify(when)]);
          const moments = drawn.get(pair) ?? [];
          if (moments.length <= momentsFor(fault, recorded[phase]).length) {
            expect(new Set(moments).size).toBe(moments.length);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it("keeps the order of moments where a run had one more", () => {
    fc.assert(
      fc.property(seeds, allTraces, (seed, recorded) => {
        const more = { ...recorded, create: new Map([...recorded.create, ["network update", 1]]) };
        const ofCreate = (traced: typeof recorded, count: number) =>
          faultPlan(seed, count, traced)
            .filter(({ phase, fault }) => phase === "create" && fault === "cut ssh")
            .map(({ when }) => when);
        const moments = momentsFor("cut ssh", recorded.create).length;
        const kept = ofCreate(more, 30 * (moments + 2)).filter(({ call }) => call !== "network update");
        expect(kept).toEqual(ofCreate(recorded, 30 * moments));
      }),
      { numRuns: 10 },
    );
  });

  it("pauses a guest only while it is waited for", () => {
    fc.assert(
      fc.property(traces, (trace) => {
        for (const { call, side } of momentsFor("pause guest", trace)) {
          expect(["domain create done", "domain shutdown asked", "domain shutdown done"]).toContain(
            `${call} ${side}`,
          );
        }
      }),
    );
  });

  it("is refused where a phase has no moment for a fault", () => {
    const none: Trace = new Map();
    const recorded = { create: none, scale: none, rebuild: none, resize: none, destroy: none };
    expect(() => faultPlan(1, 1, recorded)).toThrow(
      /^create: .*: a run without a fault has no moment for it$/,
    );
  });
});
