import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HostFacts } from "../../../planning/index.ts";
import { allocatePins } from "../../../planning/pins.ts";
import { briefly, config, findingsOf, goodFacts, planned } from "./lab.ts";

const cpus = fc
  .integer({ min: 1, max: 32 })
  .map((count) => Array.from({ length: count }, (_, id) => ({ id, numaNode: id < count / 2 ? 0 : 1 })));
const requests = fc
  .array(fc.integer({ min: 1, max: 8 }), { maxLength: 8 })
  .map((sizes) => sizes.map((vcpus, index) => ({ name: `n${index}`, vcpus })));
const someCpus = fc.uniqueArray(fc.nat(31), { maxLength: 12 });

describe("pins", () => {
  it("never share a CPU, never touch a taken one, and fit each machine exactly or not at all", () => {
    fc.assert(
      fc.property(cpus, someCpus, requests, someCpus, (host, taken, wanted, held) => {
        const { pins, failed } = allocatePins(host, new Set(taken), wanted, { n1: held });
        const used = [...pins.values()].flat();
        expect(new Set(used).size).toBe(used.length);
        for (const id of used) {
          expect(taken).not.toContain(id);
          expect(host.map((cpu) => cpu.id)).toContain(id);
        }
        for (const { name, vcpus } of wanted) {
          if (failed.includes(name)) expect(pins.has(name)).toBe(false);
          else expect(pins.get(name)).toHaveLength(vcpus);
        }
      }),
    );
  });

  it("of machines that stay do not move when others come and go", () => {
    fc.assert(
      fc.property(cpus, requests, fc.nat(), (host, wanted, pick) => {
        const before = allocatePins(host, new Set(), wanted, {});
        const held = Object.fromEntries(before.pins);
        const gone = wanted[pick % Math.max(1, wanted.length)];
        const rest = [...wanted.filter((request) => request !== gone), { name: "new", vcpus: 1 }];
        const after = allocatePins(host, new Set(), rest, held);
        for (const { name } of rest) {
          const old = before.pins.get(name);
          if (old !== undefined) expect(after.pins.get(name)).toEqual(old);
        }
      }),
    );
  });

  it("stay on one NUMA node where one has room, preferring the fuller", () => {
    const host = Array.from({ length: 8 }, (_, id) => ({ id, numaNode: id < 4 ? 0 : 1 }));
    const { pins } = allocatePins(
      host,
      new Set([0]),
      [
        { name: "a", vcpus: 3 },
        { name: "b", vcpus: 4 },
      ],
      {},
    );
    expect(Object.fromEntries(pins)).toEqual({ a: [1, 2, 3], b: [4, 5, 6, 7] });
  });

  it("reach the machines, or are an error", () => {
    const parts = { hpc: "hardware: { acceleration: { performance: { cpu_pinning: true } } }" };
    const lab = config(parts);
    const pins = planned(lab).computeNodes.map((node) => node.domain.cpuPins?.map((pin) => pin.cpuset));
    expect(pins).toEqual([
      ["2", "3"],
      ["4", "5"],
    ]);
    const few: HostFacts["cpus"] = { known: true, value: [{ id: 0, numaNode: 0 }] };
    const path = "clusters.hpc.hardware.acceleration.performance.cpu_pinning";
    expect(briefly(findingsOf(lab, goodFacts(lab, { cpus: few })))).toEqual([
      `error pinning-exceeded ${path}`,
    ]);
    const unknown = { known: false, why: "no connection" } as const;
    expect(briefly(findingsOf(lab, goodFacts(lab, { cpus: unknown })))).toEqual([
      `error pinning-unknown ${path}`,
    ]);
  });
});
