import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ComputeNodeConfig, LabConfig } from "../../../config/index.ts";
import { planLab } from "../../../planning/index.ts";
import { formatIpv4, parseIpv4, parseSubnet } from "../../../planning/ipv4.ts";
import { renderSlurmConf } from "../../../planning/slurm/render.ts";
import { config, goodFacts, hpcOf, planned } from "./lab.ts";

const BASE = parseIpv4("10.50.0.0") ?? 0;

/** Nodes with planned and with distinct static addresses inside and outside the range, some numbers left out. */
const clusters = fc
  .record({
    count: fc.integer({ min: 1, max: 60 }),
    holes: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 10 }),
    statics: fc.uniqueArray(fc.integer({ min: 3, max: 254 }), { maxLength: 12 }),
    places: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 12, maxLength: 12 }),
    size: fc.record({ cpuCores: fc.integer({ min: 1, max: 8 }), memoryGb: fc.integer({ min: 1, max: 64 }) }),
  })
  .map(({ count, holes, statics, places, size }) => {
    const fixed = new Map(statics.map((host, index) => [places[index], formatIpv4(BASE + host)]));
    const nodes = Array.from({ length: count }, (_, index): ComputeNodeConfig => {
      const number = index + 1;
      return { number, ip: fixed.get(number) ?? "DHCP", autoStart: true, diskGb: 10, ...size };
    }).filter(({ number }) => !holes.includes(number));
    return withNodes(nodes);
  })
  .filter((lab) => hpcOf(lab).computeNodes.nodes.length > 0);

function withNodes(nodes: ComputeNodeConfig[]): LabConfig {
  const lab = config();
  hpcOf(lab).computeNodes = { form: "array", nodes };
  return lab;
}

const machines = (lab: LabConfig) => {
  const plan = planned(lab);
  return [plan.controller, ...plan.computeNodes];
};

describe("every plan", () => {
  it("gives no name, address or MAC twice, and only host addresses that are not the gateway's", () => {
    fc.assert(
      fc.property(clusters, (lab) => {
        const list = machines(lab);
        for (const field of ["name", "address", "mac", "instanceId"] as const) {
          expect(new Set(list.map((machine) => machine[field])).size).toBe(list.length);
        }
        for (const { address } of list) {
          expect(parseSubnet(`${address}/24`)?.network).toBe(BASE);
          expect(["10.50.0.0", "10.50.0.1", "10.50.0.255"]).not.toContain(address);
        }
      }),
    );
  });

  it("gives a static address to the node that asks for it", () => {
    fc.assert(
      fc.property(clusters, (lab) => {
        const addresses = new Map(machines(lab).map((machine) => [machine.number, machine.address]));
        for (const { number, ip } of hpcOf(lab).computeNodes.nodes) {
          if (ip !== "DHCP") expect(addresses.get(number)).toBe(ip);
        }
      }),
    );
  });

  it("stays the same for all others when a node is added or removed", () => {
    fc.assert(
      fc.property(clusters, fc.nat(), (lab, pick) => {
        const { nodes } = hpcOf(lab).computeNodes;
        const dynamic = nodes.filter((node) => node.ip === "DHCP");
        const gone = dynamic[pick % Math.max(1, dynamic.length)];
        const rest = nodes.filter((node) => node !== gone);
        if (gone === undefined || rest.length === 0) return;
        const before = new Map(machines(lab).map((machine) => [machine.name, machine]));
        for (const machine of machines(withNodes(rest))) {
          expect(machine).toEqual(before.get(machine.name));
        }
      }),
    );
  });

  it("stays the same for all others when a node is appended", () => {
    fc.assert(
      fc.property(clusters, (lab) => {
        const { nodes } = hpcOf(lab).computeNodes;
        const last = nodes.at(-1);
        if (last === undefined) return;
        const more = withNodes([...nodes, { ...last, number: last.number + 1, ip: "DHCP" }]);
        const after = new Map(machines(more).map((machine) => [machine.name, machine]));
        for (const machine of machines(lab)) expect(after.get(machine.name)).toEqual(machine);
      }),
    );
  });

  it("does not depend on the order of maps, users, files and facts", () => {
    const text = {
      hpc: `users:
  - { name: ada, groups: [b, a], ssh_keys: ["ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"] }
  - { name: bob, uid: 2003, ssh_keys: ["ssh-ed25519 CCCC c"] }
  - { name: eve, ssh_keys: ["ssh-ed25519 DDDD d"] }
image: { packages: [zsh, atop], files: [{ path: /b, content: b }, { path: /a, content: a }] }`,
      network: "static_leases: { compute-01: 10.50.0.77, compute-02: 10.50.0.66 }",
      slurm: "KillWait: 10\nSchedulerParameters: defer",
    };
    const lab = config(text);
    const host = {
      domains: {
        known: true,
        value: ["x", "y", "z"].map((name) => ({
          name,
          owned: false,
          running: true,
          memoryMiB: 10,
          vcpus: 1,
          macs: [],
          pinnedCpus: [],
        })),
      },
    } as const;
    const expected = planLab(lab, goodFacts(lab, host));
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const mixed = shuffled(lab, seed);
        const facts = goodFacts(lab, { domains: { known: true, value: [...host.domains.value].reverse() } });
        expect(planLab(mixed, facts)).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });
});

/** The same configuration with lists that have no order and all maps in another order. */
function shuffled(lab: LabConfig, seed: number): LabConfig {
  const hpc = hpcOf(lab);
  const turn = <T>(list: readonly T[]): T[] => {
    const cut = Math.abs(seed) % Math.max(1, list.length);
    const turned = [...list.slice(cut), ...list.slice(0, cut)];
    return seed % 2 === 0 ? turned : turned.reverse();
  };
  const map = <T extends object>(value: T): T =>
    Object.assign(Object.create(null), Object.fromEntries(turn(Object.entries(value))));
  return {
    ...lab,
    hpc: map({
      ...hpc,
      users: turn(hpc.users ?? []).map((user) => ({
        ...user,
        groups: turn(user.groups),
        sshKeys: turn(user.sshKeys),
      })),
      image: { ...hpc.image, packages: turn(hpc.image.packages), files: turn(hpc.image.files) },
      network: { ...hpc.network, staticLeases: map(hpc.network.staticLeases) },
      slurm: { ...hpc.slurm, extra: map(hpc.slurm.extra) },
    }),
  };
}

describe("a large cluster", () => {
  const ofSize = (count: number) => {
    const nodes = `compute_nodes: { count: ${count}, cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }`;
    const lab = config({ nodes });
    hpcOf(lab).network.subnet = "10.50.0.0/16";
    return lab;
  };

  it("takes few lines of slurm.conf", () => {
    const { slurm } = planned(ofSize(10_000));
    const lines = renderSlurmConf(slurm).match(/^NodeName=.*$/gm) ?? [];
    expect(slurm.nodes).toHaveLength(10_000);
    expect(lines.length).toBeLessThan(50);
  });
});
