import { describe, expect, it } from "vitest";
import { briefly, config, findingsOf, goodFacts, hpcOf, planned } from "../lab.ts";
import { foreign, found, known, list, type Parts } from "./parts.ts";

describe("a good lab on a good host", () => {
  it("has no findings", () => {
    expect(found({})).toEqual([]);
  });
});

describe("the network", () => {
  it.each([
    ["nat", "nat"],
    ["routed", "route"],
    ["isolated", "isolated"],
  ])("of mode %s is one of our own: %s", (mode, own) => {
    const { network, computeNodes } = planned(config({ network: `mode: ${mode}` }));
    expect(network).toEqual({
      kind: "owned",
      subnet: "10.50.0.0/24",
      gateway: "10.50.0.1",
      inputs: {
        name: "lab-network",
        mode: own,
        bridge: "hlab-test0",
        domain: "lab.local",
        address: "10.50.0.1/24",
        dhcpRange: { start: "10.50.0.10", end: "10.50.0.254" },
        dnsForwarders: ["8.8.8.8", "1.1.1.1"],
        autostart: true,
      },
    });
    const [first] = computeNodes;
    expect(first?.domain.interfaces).toMatchObject([
      { network: "lab-network", mac: first?.mac, address: first?.address },
    ]);
  });

  it("of a remote host is reached through it, except where the site reaches it itself", () => {
    const jump = (mode: string) => {
      const parts = { network: `mode: ${mode}`, hpc: "host: { uri: qemu+ssh://root@metal:2222/system }" };
      return planned(config(parts)).ssh.proxyJump;
    };
    expect(["nat", "isolated", "routed"].map(jump)).toEqual([
      "root@metal:2222",
      "root@metal:2222",
      undefined,
    ]);
  });
});

describe("addresses", () => {
  const network = "clusters.hpc.network";
  it.each<[string, Parts, string]>([
    [
      "outside the subnet",
      { nodes: list("10.51.0.9") },
      "address-outside-subnet clusters.hpc.compute_nodes[0].ip",
    ],
    [
      "of the network",
      { nodes: list("10.50.0.0") },
      "address-outside-subnet clusters.hpc.compute_nodes[0].ip",
    ],
    [
      "of broadcast",
      { nodes: list("10.50.0.255") },
      "address-outside-subnet clusters.hpc.compute_nodes[0].ip",
    ],
    ["of the gateway", { nodes: list("10.50.0.1") }, "address-is-gateway clusters.hpc.compute_nodes[0].ip"],
    ["twice", { nodes: list("10.50.0.9", "10.50.0.9") }, "address-twice clusters.hpc.compute_nodes[1].ip"],
    ["of the controller", { nodes: list("10.50.0.2") }, "address-twice clusters.hpc.compute_nodes[0].ip"],
    [
      "of a gateway outside",
      { network: "gateway_ip: 10.9.0.1" },
      `address-outside-subnet ${network}.gateway_ip`,
    ],
    [
      "of a range outside",
      { network: "dhcp_start: 10.9.0.1" },
      `address-outside-subnet ${network}.dhcp_start`,
    ],
    [
      "in a reversed range",
      { network: "dhcp_start: 10.50.0.9\ndhcp_end: 10.50.0.5" },
      `dhcp-range-reversed ${network}.dhcp_start`,
    ],
    [
      "in a short range",
      { network: "dhcp_start: 10.50.0.9\ndhcp_end: 10.50.0.9" },
      `dhcp-range-exhausted ${network}.dhcp_end`,
    ],
    [
      "of nobody",
      { network: "static_leases: { compute-07: 10.50.0.9 }" },
      `node-unknown ${network}.static_leases.compute-07`,
    ],
    [
      "listed twice",
      { network: "static_leases: { compute-1: 10.50.0.9, compute-01: 10.50.0.8 }" },
      `node-twice ${network}.static_leases.compute-1`,
    ],
    [
      "contradicting",
      { network: "static_leases: { controller: 10.50.0.9 }" },
      `address-contradiction ${network}.static_leases.controller`,
    ],
  ])("%s are refused", (_, parts, expected) => {
    expect(found(parts)).toContain(`error ${expected}`);
  });

  it("from static_leases win over DHCP, under every name of a machine", () => {
    const leases = "static_leases: { lab-compute-01: 10.50.0.77, compute2: 10.50.0.66 }";
    const plan = planned(config({ network: leases }));
    expect(plan.computeNodes.map((node) => node.address)).toEqual(["10.50.0.77", "10.50.0.66"]);
  });

  it("inside the range become reservations that DHCP goes around", () => {
    const plan = planned(config({ nodes: list("DHCP", "10.50.0.10", "DHCP", "10.50.0.12") }));
    expect(plan.computeNodes.map((node) => node.domain.interfaces[0]?.address)).toEqual([
      "10.50.0.254",
      "10.50.0.10",
      "10.50.0.253",
      "10.50.0.12",
    ]);
  });

  it("of an existing network must be static and arrive by the seed", () => {
    const existing = "mode: existing";
    expect(
      found({ network: existing }, { interfaces: known([{ name: "hlab-test0", owned: false }]) }),
    ).toContain("error dhcp-on-existing clusters.hpc.compute_nodes");
    const lab = config({ network: existing, nodes: list("10.50.0.9") });
    const facts = goodFacts(lab, { interfaces: known([{ name: "hlab-test0", owned: false }]) });
    const plan = planned(lab, facts);
    expect(plan.network).toMatchObject({ kind: "existing", attach: { bridge: "hlab-test0" } });
    expect(plan.computeNodes[0]?.domain.interfaces[0]).toEqual({
      bridge: "hlab-test0",
      mac: plan.computeNodes[0]?.mac,
      filter: "clean-traffic",
      filterAddress: "10.50.0.9",
    });
    expect(plan.seeds.map((seed) => seed.name)).toEqual(["lab-seed-compute-01", "lab-seed-controller"]);
    expect(plan.seeds[0]?.networkConfig).toContain("10.50.0.9/24");
  });

  it("of a subnet with host bits are those of the network, with a note", () => {
    const lab = config();
    hpcOf(lab).network.subnet = "10.50.0.7/24";
    expect(briefly(findingsOf(lab))).toEqual(["note subnet-host-bits clusters.hpc.network.subnet"]);
    expect(planned(lab).network.subnet).toBe("10.50.0.0/24");
  });

  it("need a subnet that can hold a cluster", () => {
    for (const subnet of ["10.50.0.0/29", "10.0.0.0/7", "nonsense"]) {
      const lab = config();
      hpcOf(lab).network.subnet = subnet;
      expect(briefly(findingsOf(lab))).toEqual(["error subnet-unusable clusters.hpc.network.subnet"]);
    }
  });
});

describe("peers", () => {
  const peers = (mode: string, entries: string, more = "") =>
    found({ network: `mode: ${mode}\npeers: [${entries}]\n${more}` });
  const path = "clusters.hpc.network.peers[0]";

  it.each<[string, string, string, string]>([
    [
      "nobody gets into a network of mode nat",
      "nat",
      "services: [jobs]",
      `peer-unreachable ${path}.services`,
    ],
    ["an isolated network has no way out", "isolated", "services: [jobs]", `peer-unreachable ${path}`],
    ["the cluster itself", "routed", "subnet: 10.50.0.0/25", `peer-is-own ${path}.subnet`],
    ["the whole internet", "routed", "subnet: 0.0.0.0/0", `peer-unusable ${path}.subnet`],
  ])("are refused: %s", (_, mode, entry, expected) => {
    const subnet = entry.startsWith("subnet") ? "" : "subnet: 10.60.0.0/24, ";
    expect(peers(mode, `{ ${subnet}${entry} }`)).toContain(`error ${expected}`);
  });

  it("are refused twice", () => {
    const both = "{ subnet: 10.60.0.0/24, services: [jobs] }, { subnet: 10.60.0.9/24, services: [ssh] }";
    expect(peers("routed", both)).toEqual([
      "error peer-twice clusters.hpc.network.peers[1].subnet",
      "note subnet-host-bits clusters.hpc.network.peers[1].subnet",
    ]);
  });

  it("that change nothing are reported; behind a network of mode nat they are a way out", () => {
    const entry = "{ subnet: 10.60.0.0/24 }";
    expect(peers("nat", entry)).toEqual([`warning key-without-effect ${path}`]);
    expect(peers("nat", entry, "egress: none")).toEqual([]);
  });

  it("on a network of the site may be a part of it, and are planned as written", () => {
    const network = "mode: existing\npeers: [{ subnet: 10.50.0.128/25, services: [jobs, jobs] }]";
    const lab = config({ network, nodes: list("10.50.0.9") });
    const facts = goodFacts(lab, { interfaces: known([{ name: "hlab-test0", owned: false }]) });
    expect(planned(lab, facts).policy.peers).toEqual([{ subnet: "10.50.0.128/25", services: ["jobs"] }]);
  });
});

describe("MAC addresses", () => {
  it("come from the name: local, unicast, as always", () => {
    const plan = planned(config());
    expect(plan.controller.mac).toBe("9e:c7:bf:27:15:91");
    expect(plan.computeNodes.map((node) => node.mac)).toEqual(["66:54:e0:93:ae:4a", "b2:d0:8a:84:64:01"]);
  });

  it.each<[string, string]>([
    ["vm_macs: { controller: 03:00:00:00:00:01 }", "mac-multicast clusters.hpc.network.vm_macs.controller"],
    [
      "vm_macs: { controller: 02:00:00:00:00:01, compute-01: 02:00:00:00:00:01 }",
      "mac-twice clusters.hpc.network.vm_macs.compute-01",
    ],
    ["vm_macs: { nobody: 02:00:00:00:00:01 }", "node-unknown clusters.hpc.network.vm_macs.nobody"],
  ])("%s is refused", (network, expected) => {
    expect(found({ network })).toContain(`error ${expected}`);
  });

  it("of other machines of the host are not taken again", () => {
    const lab = config({ network: "vm_macs: { controller: 02:AA:00:00:00:01 }" });
    const domains = known([foreign({ macs: ["02:aa:00:00:00:01"] })]);
    expect(briefly(findingsOf(lab, goodFacts(lab, { domains })))).toEqual([
      "error mac-twice clusters.hpc.network.vm_macs.controller",
    ]);
  });
});
