import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Facts, recordedFacts } from "../../../providers/libvirt/resources/domain/plan/facts.ts";
import { createLine, deleteLine } from "../../../providers/libvirt/resources/domain/plan/line.ts";
import { isHeavier, planDomain } from "../../../providers/libvirt/resources/domain/plan/plan.ts";
import { toProperties } from "../../../providers/libvirt/resources/domain/properties.ts";
import { type PropertyMap, Secret, Unknown } from "../../../providers/plugin/index.ts";
import { domainInputs } from "./generators.ts";

const base: PropertyMap = {
  name: "lab-compute-01",
  vcpus: 2,
  memoryMiB: 2048,
  rootDisk: { pool: "lab", image: "debian-a", sizeMiB: 20480 },
  disks: [{ pool: "lab", volume: "seed-a", target: "vdz", seed: true }],
  interfaces: [{ network: "lab", mac: "52:54:00:00:00:01", address: "10.50.0.11" }],
};
const running: Facts = {
  power: "running",
  rootDiskMissing: false,
  entriesMissing: false,
  pending: undefined,
  quiesceHook: undefined,
  unmanaged: [],
};
const line = (news: PropertyMap, facts: Partial<Facts> = {}, olds: PropertyMap = {}) =>
  planDomain({ ...base, ...olds }, { ...base, ...news }, { ...running, ...facts }).line;

describe("the line of a machine", () => {
  const lines: readonly [PropertyMap, Partial<Facts>, string][] = [
    [{}, {}, "nothing"],
    [{ memoryMiB: 3072 }, {}, "restart (memoryMiB 2048 → 3072), quiesce first"],
    [{ memoryMiB: 1024 }, {}, "restart (memoryMiB 2048 → 1024), quiesce first"],
    [{ vcpus: 4, memoryMiB: 4096 }, {}, "restart (vcpus 2 → 4, memoryMiB 2048 → 4096), quiesce first"],
    [{ title: "node" }, {}, "live (title set to node)"],
    [{ ready: { wait: "agent" } }, {}, "no effect on the machine (ready.wait hook → agent)"],
    [
      { rootDisk: { pool: "lab", image: "debian-b", sizeMiB: 20480 } },
      {},
      "rebuild (rootDisk.image debian-a → debian-b), quiesce first, new root disk, the old one is kept until the machine is ready",
    ],
    [
      { disks: [{ pool: "lab", volume: "seed-b", target: "vdz", seed: true }] },
      {},
      "rebuild (disks[vdz].volume seed-a → seed-b), quiesce first, new root disk, the old one is kept until the machine is ready",
    ],
    [
      { rootDisk: { pool: "lab", image: "debian-a", sizeMiB: 30000 } },
      {},
      "live (rootDisk.sizeMiB 20480 → 30000)",
    ],
    [{ running: false }, {}, "stop, quiesce first"],
    [
      { name: "other" },
      {},
      "replace (name lab-compute-01 → other): deleted first, then made anew, quiesce first",
    ],
    [{}, { power: "off" }, "start: should run and is shut off"],
    [{}, { power: "crashed" }, "start: should run and has crashed"],
    [{}, { power: "paused" }, "resume: should run and is paused"],
    [{ running: false }, { power: "off" }, "nothing"],
    [{ memoryMiB: 3072 }, { power: "off" }, "change while it is off (memoryMiB 2048 → 3072), then start"],
    [{}, { live: { memoryMiB: 1024 } }, "live (memoryMiB 1024 → 2048)"],
    [{}, { live: { vcpus: 1 } }, "live (vcpus 1 → 2)"],
    [{ memoryMiB: 3072 }, { live: { memoryMiB: 1024 } }, "restart (memoryMiB 2048 → 3072), quiesce first"],
    [{}, { power: "off", live: { memoryMiB: 1024 } }, "start: should run and is shut off"],
    [{}, { entriesMissing: true }, "live (reservation and DNS entry made again)"],
    [{}, { pending: "ready" }, "wait until ready: an earlier run ended before it was"],
    [{}, { power: "undefined" }, "define again on its own disk: the definition is gone, then start"],
    [
      {},
      { power: "undefined", rootDiskMissing: true },
      "make again: the definition and the root disk are gone, then start",
    ],
    [{}, { power: "off", rootDiskMissing: true }, "rebuild: the root disk is gone"],
    [
      { memoryMiB: 3072 },
      { unmanaged: ["sound", "disk sdb (disk on bus scsi)"] },
      "restart (memoryMiB 2048 → 3072), quiesce first, drops what is not declared: sound, disk sdb (disk on bus scsi)",
    ],
    [
      {
        disks: [
          ...(Array.isArray(base.disks) ? base.disks : []),
          { pool: "lab", volume: "d", target: "vdb" },
        ],
      },
      {},
      "live (disks[vdb] added)",
    ],
    [{ interfaces: [] }, {}, "restart (interfaces[52:54:00:00:00:01] removed), quiesce first"],
  ];
  it.each(lines)("%o with %o", (news, facts, expected) => {
    const name = typeof news.name === "string" ? news.name : "lab-compute-01";
    expect(line(news, facts)).toBe(`${name}: ${expected}`);
  });

  it("says how the guest is emptied", () => {
    const policy = (hook: string) => ({ memoryMiB: 3072, quiesce: { hook } });
    const old = (hook: string) => ({ quiesce: { hook } });
    expect(line(policy("never"), {}, old("never"))).toContain(", stop without quiesce");
    expect(line(policy("ifPresent"), {}, old("ifPresent"))).toContain(
      ", quiesce first if the guest has a hook",
    );
    expect(line(policy("ifPresent"), { quiesceHook: false }, old("ifPresent"))).toContain(
      ", no hook known: will stop without quiesce",
    );
    expect(line(policy("ifPresent"), { quiesceHook: true }, old("ifPresent"))).toMatch(/, quiesce first$/);
  });

  it("exists for machines that are made and removed", () => {
    expect(createLine(base)).toBe("lab-compute-01: create");
    expect(createLine({ ...base, running: false })).toBe("lab-compute-01: create, not started");
    expect(deleteLine(base, running)).toBe("lab-compute-01: delete, quiesce first");
    expect(deleteLine(base, { ...running, power: "off" })).toBe("lab-compute-01: delete");
  });
});

describe("limits", () => {
  it("changes within them are live, at them a restart", () => {
    const wide = { maxVcpus: 8, maxMemoryMiB: 8192 };
    const plan = (news: PropertyMap) =>
      planDomain({ ...base, ...wide }, { ...base, ...wide, ...news }, running).action;
    expect(plan({ vcpus: 8, memoryMiB: 8192 })).toBe("live");
    expect(plan({ memoryMiB: 1024 })).toBe("live");
    expect(plan({ vcpus: 1 })).toBe("restart");
    expect(plan({ maxVcpus: 9 })).toBe("restart");
  });

  it("writing a default down is no change", () => {
    const defaults: readonly PropertyMap[] = [
      { maxVcpus: 2, maxMemoryMiB: 2048 },
      { quiesce: { hook: "required" }, ready: { wait: "hook", timeoutSeconds: 900 }, stop: {} },
      { firmware: { type: "bios" } },
      { cpu: { mode: "host-passthrough" } },
      { type: "kvm", machine: "q35", rng: true, hostDevices: [], maxUnavailable: 1, title: "" },
      { disks: [{ pool: "lab", volume: "seed-a", target: "vdz", seed: true, readOnly: true }] },
      // As machines were declared before a disk could be called the seed.
      { disks: [{ pool: "lab", volume: "seed-a", target: "vdz", readOnly: true }] },
    ];
    for (const over of defaults) {
      expect(planDomain(base, { ...base, ...over }, running).line).toBe("lab-compute-01: nothing");
      expect(planDomain({ ...base, ...over }, base, running).line).toBe("lab-compute-01: nothing");
    }
  });
});

describe("planDomain", () => {
  it("does nothing to a machine that is as declared, whatever it is", () => {
    fc.assert(
      fc.property(domainInputs, (inputs) => {
        const properties = toProperties(inputs);
        const facts = recordedFacts({}, properties);
        expect(planDomain(properties, properties, facts)).toMatchObject({ action: "nothing", changes: [] });
      }),
    );
  });

  it("leaves the power of a held machine alone: it is never started, and stopped only to come back", () => {
    const hold = {
      power: "off",
      kind: "manual",
      since: "2026-01-31T09:00:00Z",
      by: "ada@desk",
      reason: "fan",
    } as const;
    const states = fc.constantFrom("running", "off", "crashed", "paused", "ioerror" as const);
    const pendings = fc.constantFrom(undefined, "boot" as const, "ready" as const);
    fc.assert(
      fc.property(
        domainInputs,
        domainInputs,
        states,
        pendings,
        fc.boolean(),
        (a, b, power, pending, missing) => {
          const facts: Facts = { ...running, power, pending, rootDiskMissing: missing, hold };
          const plan = planDomain(toProperties(a), toProperties({ ...b, name: a.name }), facts);
          const off = power === "off" || power === "crashed";
          if (off) expect(plan).toMatchObject({ starts: false, stops: false });
          else if (plan.stops && plan.action !== "replace") expect(plan.starts).toBe(true);
          expect(["start", "resume", "stop", "continue"]).not.toContain(plan.action);
          expect(plan.line).toContain("held off since 2026-01-31T09:00:00Z by ada@desk: fan");
        },
      ),
    );
  });

  it("is pure, names the machine, and stops no guest that is off", () => {
    const powers = fc.constantFrom("running", "off", "crashed", "paused", "ioerror", "undefined" as const);
    fc.assert(
      fc.property(domainInputs, domainInputs, powers, fc.boolean(), (a, b, power, rootDiskMissing) => {
        const [olds, news] = [toProperties({ ...a, name: "n" }), toProperties({ ...b, name: "n" })];
        const facts: Facts = { ...running, power, rootDiskMissing };
        const plan = planDomain(olds, news, facts);
        expect(planDomain(olds, news, facts)).toEqual(plan);
        expect(plan.line.startsWith("n: ")).toBe(true);
        expect(plan.line).not.toContain("\n");
        if (power === "off" || power === "crashed" || power === "undefined") expect(plan.stops).toBe(false);
        if (plan.newRootDisk) expect(plan.defines).toBe(true);
      }),
    );
  });

  it("takes unknown values as changes", () => {
    const news = { ...base, rootDisk: { pool: "lab", image: new Unknown(), sizeMiB: 20480 } };
    expect(planDomain(base, news, running)).toMatchObject({ action: "rebuild" });
  });

  it("shows no value where one is secret", () => {
    const news = { ...base, description: new Secret("hush"), title: "visible", vcpus: 4 };
    const { line } = planDomain(base, news, running);
    expect(line).toBe(
      "lab-compute-01: restart (title added, description added, vcpus changed), quiesce first",
    );
  });

  it("orders what is heavier", () => {
    const of = (news: PropertyMap, facts: Partial<Facts> = {}) =>
      planDomain(base, { ...base, ...news }, { ...running, ...facts });
    const restart = of({ memoryMiB: 1024 });
    const start = of({}, { power: "off" });
    expect(isHeavier(restart, start)).toBe(true);
    expect(isHeavier(start, restart)).toBe(false);
    expect(isHeavier(restart, restart)).toBe(false);
  });
});
