import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkChange, checkDomain } from "../../../providers/libvirt/resources/domain/check.ts";
import { toProperties } from "../../../providers/libvirt/resources/domain/properties.ts";
import { type PropertyMap, Unknown } from "../../../providers/plugin/index.ts";
import { domainInputs } from "./generators.ts";

const base: PropertyMap = { name: "lab-compute-01", vcpus: 2, memoryMiB: 2048 };
const check = (over: PropertyMap) =>
  checkDomain({ ...base, ...over }, { identitySecret: true }).map(
    ({ property, reason }) => `${property}: ${reason}`,
  );
const nic = (over: PropertyMap): PropertyMap => ({ network: "lab", mac: "52:54:00:00:00:01", ...over });

describe("checkDomain", () => {
  it("accepts what the generators make: they are valid inputs", () => {
    fc.assert(
      fc.property(domainInputs, (inputs) => {
        const agentless =
          inputs.guestAgent === false ? { quiesce: { hook: "never" }, ready: { wait: "none" } } : {};
        expect(checkDomain({ ...toProperties(inputs), ...agentless }, { identitySecret: true })).toEqual([]);
      }),
    );
  });

  const wrong: readonly [string, PropertyMap, string][] = [
    ["maxima", { maxVcpus: 1 }, "maxVcpus: 1 is less than vcpus, 2"],
    ["memory limit", { maxMemoryMiB: 1024 }, "maxMemoryMiB: 1024 is less than memoryMiB, 2048"],
    [
      "topology",
      { cpu: { mode: "maximum", topology: { sockets: 1, cores: 2, threads: 2 } } },
      "cpu.topology: 1 sockets × 1 dies × 2 cores × 2 threads are 4 CPUs, but maxVcpus (or vcpus) is 2; make them equal",
    ],
    ["model", { cpu: { mode: "custom" } }, "cpu.model: is required with mode custom"],
    [
      "pin",
      { cpuPins: [{ vcpu: 2, cpuset: "0" }] },
      "cpuPins[0].vcpu: there is no virtual CPU 2; the guest has 0 to 1",
    ],
    [
      "pin set",
      { cpuPins: [{ vcpu: 1, cpuset: "3-1" }] },
      'cpuPins[0].cpuset: "3-1" is not a set of numbers, for example 4-5,8',
    ],
    [
      "cells",
      { cpu: { mode: "maximum", numaCells: [{ cpus: "0-1", memoryMiB: 1024 }] } },
      "cpu.numaCells: the cells have 1024 MiB together, but maxMemoryMiB (or memoryMiB) is 2048; make them equal",
    ],
    [
      "virtiofs memory",
      { filesystems: [{ tag: "a", hostPath: "/a" }], memoryBacking: { access: "private" } },
      "memoryBacking.access: must be shared (or absent) with file systems: virtiofsd maps the guest's memory",
    ],
    [
      "secure boot",
      { firmware: { type: "efi", secureBoot: true }, machine: "pc" },
      "firmware.secureBoot: needs machine q35, not pc",
    ],
    [
      "root disk's place",
      {
        rootDisk: { pool: "p", image: "i", sizeMiB: 1 },
        disks: [{ pool: "p", volume: "v", target: "vda" }],
      },
      "disks[0].target: vda is the root disk; use vdb or a later one",
    ],
    [
      "image as disk",
      { rootDisk: { pool: "p", image: "i", sizeMiB: 1 }, disks: [{ pool: "p", volume: "i", target: "vdb" }] },
      "disks[0].volume: p/i is used by rootDisk.image already",
    ],
    [
      "a seed that can be written",
      { disks: [{ pool: "p", volume: "v", target: "vdz", seed: true, readOnly: false }] },
      "disks[0].readOnly: a seed is always read-only; leave it out",
    ],
    [
      "targets",
      {
        disks: [
          { pool: "p", volume: "a", target: "vdb" },
          { pool: "p", volume: "b", target: "vdb" },
        ],
      },
      "disks[1].target: is the same as in disks[0]; every item needs its own",
    ],
    [
      "MACs",
      { interfaces: [nic({}), nic({})] },
      "interfaces[1].mac: is the same as in interfaces[0]; every item needs its own",
    ],
    [
      "group MAC",
      { interfaces: [nic({ mac: "53:54:00:00:00:01" })] },
      "interfaces[0].mac: 53:54:00:00:00:01 is a group address; the first byte must be even",
    ],
    [
      "source",
      { interfaces: [nic({ bridge: "br0" })] },
      "interfaces[0]: needs exactly one of network and bridge",
    ],
    [
      "addresses",
      { interfaces: [nic({ address: "10.0.0.2" }), nic({ mac: "52:54:00:00:00:02", address: "10.0.0.2" })] },
      "interfaces[1].address: 10.0.0.2 is the address of interfaces[0] already",
    ],
    [
      "PCI addresses",
      {
        hostDevices: [
          { address: "0000:41:00.0", guestAddress: "0000:05:00.0" },
          { address: "0000:42:00.0", guestAddress: "0000:05:00.0" },
        ],
      },
      "hostDevices[1].guestAddress: 0000:05:00.0 is the address of hostDevices[0] already",
    ],
    [
      "agent",
      { guestAgent: false },
      "quiesce.hook: the guest cannot be asked without its agent; set guestAgent to true, or quiesce.hook to never",
    ],
  ];
  it.each(wrong)("refuses %s", (_name, over, expected) => {
    expect(check(over)).toContain(expected);
  });

  it("finds all problems at once", () => {
    expect(check({ vcpus: 0, maxMemoryMiB: 1, name: "no/slash" }).length).toBeGreaterThanOrEqual(3);
  });

  it("wants the provider's secret for host keys", () => {
    const failures = checkDomain({ ...base, deriveSshHostKey: true }, { identitySecret: false });
    expect(failures.map((failure) => failure.property)).toEqual(["deriveSshHostKey"]);
    expect(checkDomain({ ...base, sshHostKeyGeneration: 2 }, { identitySecret: true })).toMatchObject([
      { property: "sshHostKeyGeneration", reason: expect.stringContaining("only with deriveSshHostKey") },
    ]);
  });

  it("does not judge what is not known yet", () => {
    const unknown = new Unknown();
    expect(
      check({
        vcpus: unknown,
        cpu: { mode: "maximum", topology: { sockets: 1, cores: 2, threads: 2 } },
        rootDisk: { pool: unknown, image: unknown, sizeMiB: 10 },
        interfaces: [nic({ address: unknown })],
      }),
    ).toEqual([]);
  });

  it("takes any value without a crash", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()), (inputs) => {
        expect(Array.isArray(checkDomain(toProperties(inputs), { identitySecret: false }))).toBe(true);
      }),
    );
  });
});

const fields = [
  "name",
  "vcpus",
  "cpu",
  "cpuPins",
  "disks",
  "interfaces",
  "hostDevices",
  "firmware",
  "rootDisk",
  "memoryBacking",
  "quiesce",
];

describe("checkChange", () => {
  const disk = (sizeMiB: number, pool = "p"): PropertyMap => ({
    ...base,
    rootDisk: { pool, image: "i", sizeMiB },
  });

  it("refuses to shrink the root disk, with the way out", () => {
    expect(checkChange(disk(2000), disk(1000))).toEqual([
      {
        property: "rootDisk.sizeMiB",
        reason: "a root disk cannot shrink; keep the size, or give the machine a new name to make it anew",
      },
    ]);
    expect(checkChange(disk(1000), disk(2000))).toEqual([]);
  });

  it("allows it where the machine is made anew", () => {
    expect(checkChange(disk(2000), { ...disk(1000), name: "other" })).toEqual([]);
    expect(checkChange(disk(2000), disk(1000, "other"))).toEqual([]);
  });
});
