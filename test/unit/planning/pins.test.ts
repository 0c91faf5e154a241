import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LabConfig } from "../../../config/index.ts";
import type { HostDomain } from "../../../planning/facts.ts";
import type { HostFacts } from "../../../planning/index.ts";
import { allocatePins } from "../../../planning/pins.ts";
import { briefly, config, findingsOf, goodFacts, hpcOf, planned } from "./lab.ts";

const cpus = fc
  .integer({ min: 1, max: 32 })
  .map((count) => Array.from({ length: count }, (_, id) => ({ id, numaNode: id < count / 2 ? 0 : 1 })));
const requests = fc
  .array(fc.integer({ min: 1, max: 8 }), { maxLength: 8 })
  .map((sizes) => sizes.map((vcpus, index) => ({ name: `n${index}`, vcpus })));
const someCpus = fc.uniqueArray(fc.nat(31), { maxLength: 12 });

const pinning = { hpc: "hardware: { acceleration: { performance: { cpu_pinning: true } } }" };

function pinned(nodes: readonly { number: number; cpuCores: number }[]): LabConfig {
  const lab = config(pinning);
  hpcOf(lab).computeNodes = {
    form: "array",
    nodes: nodes.map((node) => ({ ip: "DHCP", autoStart: true, diskGb: 10, memoryGb: 2, ...node })),
  };
  return lab;
}

const domain = (name: string, owned: boolean, pinnedCpus: number[]): HostDomain => ({
  name,
  owned,
  running: true,
  memoryMiB: 1024,
  vcpus: pinnedCpus.length,
  macs: [],
  pinnedCpus,
});

/** Host CPUs by machine in a plan for a host with these machines. */
function pinsOf(lab: LabConfig, domains: HostDomain[]): Map<string, number[]> {
  const plan = planned(lab, goodFacts(lab, { domains: { known: true, value: domains } }));
  return new Map(
    [plan.controller, ...plan.computeNodes].map((node) => [
      node.name,
      (node.domain.cpuPins ?? []).map((pin) => Number(pin.cpuset)),
    ]),
  );
}

describe("pins", () => {
  it("never share a CPU, never touch a taken one, and fit each machine exactly or not at all", () => {
    fc.assert(
      fc.property(cpus, someCpus, requests, someCpus, (host, taken, wanted, held) => {
        const { pins, failed } = allocatePins(host, new Set(taken), wanted, new Map([["n1", held]]));
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
        const before = allocatePins(host, new Set(), wanted, new Map());
        const gone = wanted[pick % Math.max(1, wanted.length)];
        const rest = [...wanted.filter((request) => request !== gone), { name: "new", vcpus: 1 }];
        const after = allocatePins(host, new Set(), rest, before.pins);
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
      new Map(),
    );
    expect(Object.fromEntries(pins)).toEqual({ a: [1, 2, 3], b: [4, 5, 6, 7] });
  });

  it("stay when nodes are added, removed or resized, as libvirt tells them", () => {
    const size = fc.integer({ min: 1, max: 4 });
    const nodes = fc
      .uniqueArray(fc.record({ number: fc.integer({ min: 1, max: 9 }), cpuCores: size }), {
        selector: (node) => node.number,
        minLength: 1,
        maxLength: 6,
      })
      .map((list) => list.sort((a, b) => a.number - b.number));
    fc.assert(
      fc.property(nodes, nodes, fc.boolean(), (first, second, foreignToo) => {
        const other = foreignToo ? [domain("other", false, [7, 8, 7])] : [];
        const before = pinsOf(pinned(first), other);
        const running = [...before].map(([name, cpuIds]) => domain(name, true, cpuIds));
        const after = pinsOf(pinned(second), [...other, ...running]);
        for (const [name, cpuIds] of before) {
          if (after.get(name)?.length === cpuIds.length) expect(after.get(name)).toEqual(cpuIds);
        }
        // A machine that goes has its CPUs until it is gone; no CPU is given out twice.
        const leaving = [...before].flatMap(([name, cpuIds]) => (after.has(name) ? [] : cpuIds));
        const used = [...other.flatMap((machine) => [...new Set(machine.pinnedCpus)]), ...leaving];
        const all = [...after.values(), used].flat();
        expect(new Set(all).size).toBe(all.length);
      }),
    );
  });

  it("of a foreign machine that is off are its own as well", () => {
    const lab = pinned([{ number: 1, cpuCores: 2 }]);
    const other = domain("other", false, [0, 1, 2, 3]);
    for (const running of [true, false]) {
      const used = [...pinsOf(lab, [{ ...other, running }]).values()].flat();
      expect(used.filter((id) => id < 4)).toEqual([]);
    }
  });

  it("reach the machines, or are an error", () => {
    const lab = config(pinning);
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
