import { describe, expect, it } from "vitest";
import type { HostFacts, LabFacts } from "../../../planning/index.ts";
import { hasErrors, planLab, printFindings, unknownHost } from "../../../planning/index.ts";
import { labText, loaded } from "../config/lab-text.ts";
import { briefly, config, findingsOf, goodFacts, hpcOf, planned } from "./lab.ts";

const known = <T>(value: T) => ({ known: true, value }) as const;
type Parts = Parameters<typeof config>[0];

const found = (parts: Parts, host: Partial<HostFacts> = {}) => {
  const lab = config(parts);
  return briefly(findingsOf(lab, goodFacts(lab, host)));
};
const acceleration = (text: string) => ({ hpc: `hardware: { acceleration: ${text} }` });
const list = (...ips: string[]) =>
  `compute_nodes:\n${ips.map((ip) => `  - { cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: ${ip} }`).join("\n")}`;

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
    expect(first?.domain.interfaces).toEqual([
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

const foreign = (more: object = {}) => ({
  name: "other",
  owned: false,
  running: true,
  memoryMiB: 1024,
  vcpus: 2,
  macs: [],
  pinnedCpus: [],
  ...more,
});

describe("the host", () => {
  const libvirt = (name: string, subnet: string, owned = false) => ({
    name,
    kind: "libvirt" as const,
    subnet,
    owned,
  });

  it.each<[string, Partial<HostFacts>, string]>([
    [
      "a machine of the name",
      { domains: known([foreign({ name: "lab-compute-02" })]) },
      "foreign-domain clusters.hpc.name",
    ],
    [
      "a pool of the name",
      { pools: known([{ name: "lab-pool", owned: false }]) },
      "foreign-pool clusters.hpc.name",
    ],
    [
      "a network of the name",
      { networks: known([libvirt("lab-network", "10.9.0.0/24")]) },
      "foreign-network clusters.hpc.name",
    ],
    [
      "the bridge",
      { interfaces: known([{ name: "hlab-test0", owned: false }]) },
      "bridge-taken clusters.hpc.network.bridge",
    ],
    [
      "a larger network",
      { networks: known([libvirt("x", "10.0.0.0/8")]) },
      "subnet-overlap clusters.hpc.network.subnet",
    ],
    [
      "a smaller network",
      { networks: known([{ ...libvirt("docker0", "10.50.0.128/25"), kind: "interface" }]) },
      "subnet-overlap clusters.hpc.network.subnet",
    ],
    [
      "a route",
      { networks: known([{ ...libvirt("vpn", "10.50.0.0/16"), kind: "route" }]) },
      "subnet-overlap clusters.hpc.network.subnet",
    ],
    ["little memory", { memoryMiB: known(6000) }, "memory-exceeded clusters.hpc.compute_nodes"],
    ["little disk", { poolFreeMiB: known(1000) }, "disk-exceeded clusters.hpc.host.pool_path"],
  ])("that has %s is an error", (_, host, expected) => {
    expect(found({}, host)).toEqual([`error ${expected}`]);
  });

  it("that has them as ours is none", () => {
    const own = { owned: true, running: true, memoryMiB: 2048, vcpus: 2, pinnedCpus: [] };
    const plan = planned(config());
    const domains = [plan.controller, ...plan.computeNodes].map((node) => ({
      name: node.name,
      macs: [node.mac],
      ...own,
    }));
    const host: Partial<HostFacts> = {
      domains: known(domains),
      pools: known([{ name: "lab-pool", owned: true }]),
      networks: known([
        libvirt("lab-network", "10.50.0.0/24", true),
        { name: "default", kind: "route", subnet: "0.0.0.0/0", owned: false },
      ]),
      interfaces: known([{ name: "hlab-test0", owned: true }]),
      memoryMiB: known(7000),
      poolFreeMiB: known(100),
    };
    expect(found({}, host)).toEqual([]);
  });

  it("counts what others of the host run", () => {
    const host = { memoryMiB: known(8000), domains: known([foreign({ memoryMiB: 2000 })]) };
    expect(found({}, host)).toEqual(["error memory-exceeded clusters.hpc.compute_nodes"]);
    expect(found({}, { ...host, domains: known([foreign({ memoryMiB: 2000, running: false })]) })).toEqual(
      [],
    );
  });

  it("does not count machines that are not to run", () => {
    const lab = config({
      nodes:
        "compute_nodes: { count: 2, cpu_cores: 2, memory_gb: 64, disk_gb: 10, ip: DHCP, auto_start: false }",
    });
    const plan = planned(lab, goodFacts(lab, { memoryMiB: known(4000) }));
    expect(plan.computeNodes.map((node) => [node.domain.running, node.domain.autostart])).toEqual([
      [false, false],
      [false, false],
    ]);
    expect(plan.verify.job).toBe(false);
  });

  it("that cannot be asked makes every check unknown, none passed", () => {
    const wanted = acceleration(
      "{ enable_nested: true, cpu_features: [avx2], performance: { enable_hugepages: true } }",
    );
    const lab = config({ hpc: `hypervisor: kvm\n${wanted.hpc}` });
    const facts: LabFacts = { ...goodFacts(lab), host: unknownHost("no connection") };
    const findings = planLab(lab, facts).findings;
    expect(briefly(findings)).toEqual([
      "unknown memory-unknown ",
      "unknown cpu-feature-unknown clusters.hpc.hardware.acceleration.cpu_features[0]",
      "unknown nested-unknown clusters.hpc.hardware.acceleration.enable_nested",
      "unknown hugepages-unknown clusters.hpc.hardware.acceleration.performance.hugepage_size",
      "unknown disk-unknown clusters.hpc.host.pool_path",
      "unknown kvm-unknown clusters.hpc.hypervisor",
      "unknown names-unknown clusters.hpc.name",
      "unknown pool-unknown clusters.hpc.name",
      "unknown bridge-unknown clusters.hpc.network.bridge",
      "unknown subnet-unknown clusters.hpc.network.subnet",
    ]);
    expect(hasErrors(findings)).toBe(false);
    for (const finding of findings) expect(finding.text).toContain("no connection");
  });

  it("whose interfaces are not known may use the subnet: unknown, not passed", () => {
    expect(found({}, { interfaces: { known: false, why: "it is remote" } })).toEqual([
      "unknown bridge-unknown clusters.hpc.network.bridge",
      "unknown subnet-unknown clusters.hpc.network.subnet",
    ]);
  });

  it("whose existing network has another subnet is told", () => {
    const bridged = (subnet: string) =>
      found(
        { network: "mode: existing", nodes: list("10.50.0.9") },
        {
          interfaces: known([{ name: "hlab-test0", owned: false }]),
          networks: known([{ name: "hlab-test0", kind: "interface", subnet, owned: false }]),
        },
      );
    expect(bridged("10.50.0.5/24")).toEqual([]);
    expect(bridged("192.168.1.5/24")).toEqual([
      "warning existing-subnet-differs clusters.hpc.network.subnet",
    ]);
    const text = labText({ network: "mode: existing\nlibvirt_network: default", nodes: list("10.50.0.9") });
    const lab = loaded(text.replace("      bridge: hlab-test0\n", "")).config;
    const facts = goodFacts(lab, { networks: known([libvirt("default", "192.168.122.1/24")]) });
    expect(briefly(findingsOf(lab, facts))).toEqual([
      "error existing-subnet-differs clusters.hpc.network.subnet",
    ]);
  });

  it("whose existing network gives a machine's address to others is told", () => {
    const text = labText({ network: "mode: existing\nlibvirt_network: default", nodes: list("10.50.0.9") });
    const lab = loaded(text.replace("      bridge: hlab-test0\n", "")).config;
    const warned = (start: string) => {
      const dhcpRanges = [{ start, end: "10.50.0.254" }];
      const networks = known([{ ...libvirt("default", "10.50.0.0/24"), dhcpRanges }]);
      return findingsOf(lab, goodFacts(lab, { networks }));
    };
    expect(warned("10.50.0.10")).toEqual([]);
    expect(briefly(warned("10.50.0.9"))).toEqual([
      "warning existing-dhcp-overlaps clusters.hpc.network.libvirt_network",
    ]);
    expect(warned("10.50.0.2")[0]?.text).toContain(
      "lab-controller has 10.50.0.2, lab-compute-01 has 10.50.0.9",
    );
  });

  it("that lacks the existing bridge or network is an error", () => {
    expect(found({ network: "mode: existing", nodes: list("10.50.0.9") })).toEqual([
      "error bridge-missing clusters.hpc.network.bridge",
    ]);
    const text = labText({ network: "mode: existing\nlibvirt_network: default", nodes: list("10.50.0.9") });
    const lab = loaded(text.replace("      bridge: hlab-test0\n", "")).config;
    expect(briefly(findingsOf(lab))).toEqual(["error network-missing clusters.hpc.network.libvirt_network"]);
    const facts = goodFacts(lab, { networks: known([libvirt("default", "10.50.0.0/24")]) });
    expect(planned(lab, facts).computeNodes[0]?.domain.interfaces[0]).toMatchObject({ network: "default" });
  });
});

describe("the hypervisor", () => {
  const type = (parts: Parts, host: Partial<HostFacts>) => {
    const lab = config(parts);
    return planLab(lab, goodFacts(lab, host)).plan.hpc?.hypervisor;
  };
  const unknown = { known: false, why: "x" } as const;

  it("is KVM only where it was shown to work", () => {
    expect(type({}, { kvm: known(true) })).toBe("kvm");
    expect(type({}, { kvm: known(false) })).toBe("qemu");
    expect(type({}, { kvm: unknown })).toBe("qemu");
  });

  it("is what the file says", () => {
    expect(type({ hpc: "hypervisor: qemu" }, {})).toBe("qemu");
    expect(type(acceleration("{ enable_kvm: false }"), {})).toBe("qemu");
    expect(found({ hpc: "hypervisor: kvm" }, { kvm: known(false) })).toEqual([
      "error kvm-unusable clusters.hpc.hypervisor",
    ]);
    expect(found({ hpc: "hypervisor: kvm\nhardware: { acceleration: { enable_kvm: false } }" })).toEqual([
      "error hypervisor-contradiction clusters.hpc.hardware.acceleration.enable_kvm",
    ]);
  });

  it("of emulation has no host CPU to give", () => {
    for (const model of ["host-passthrough", "host-model", "host"]) {
      const lab = config(acceleration(`{ enable_kvm: false, cpu_model: ${model} }`));
      expect(planned(lab).controller.domain).toMatchObject({ type: "qemu", cpu: { mode: "maximum" } });
    }
    const lab = config(acceleration("{ enable_kvm: false, cpu_model: qemu64 }"));
    expect(planned(lab).controller.domain.cpu).toMatchObject({ mode: "custom", model: "qemu64" });
  });
});

describe("images", () => {
  const facts = (change: object) => {
    const lab = config({ hpc: "base_image_path: /srv/a.qcow2" });
    const good = goodFacts(lab);
    const base = good.images.base;
    if (base === undefined) throw new Error("no image");
    return { lab, facts: { ...good, images: { ...good.images, base: { ...base, ...change } } } };
  };
  const check = (change: object) => {
    const { lab, facts: changed } = facts(change);
    return briefly(findingsOf(lab, changed));
  };

  it("that are missing, of another format or too large are errors; what is not known is unknown", () => {
    expect(check({})).toEqual([]);
    expect(check({ format: known("missing") })).toEqual(["error image-missing clusters.hpc.image"]);
    expect(check({ format: known("raw") })).toEqual(["error image-not-qcow2 clusters.hpc.image"]);
    expect(check({ virtualSizeMiB: known(10 * 1024 + 1) })).toEqual([
      "error disk-below-image clusters.hpc.image",
    ]);
    expect(check({ format: { known: false, why: "x" }, virtualSizeMiB: { known: false, why: "x" } })).toEqual(
      ["unknown image-format-unknown clusters.hpc.image", "unknown image-size-unknown clusters.hpc.image"],
    );
    const lab = config();
    expect(briefly(findingsOf(lab, { ...goodFacts(lab), images: {} }))).toEqual([
      "error image-unresolved clusters.hpc.image",
    ]);
  });

  it("of a node's own get a volume of their own; equal paths share one", () => {
    const node = (path: string) =>
      `  - { cpu_cores: 1, memory_gb: 1, disk_gb: 10, ip: DHCP, base_image_path: ${path} }`;
    const nodes = `compute_nodes:\n${["/a.qcow2", "/b.qcow2", "/a.qcow2"].map(node).join("\n")}`;
    const plan = planned(config({ nodes }));
    expect(plan.images).toHaveLength(3);
    const [first, second, third] = plan.computeNodes;
    expect(first?.image).toBe(third?.image);
    expect(first?.image).not.toBe(second?.image);
    expect(first?.domain.quiesce.hook).toBe("ifPresent");
    expect(first?.seed).toBe("lab-seed-compute-cloud-image");
    expect(plan.controller.domain.quiesce.hook).toBe("required");
  });

  it("that lack the guest software get it from one disk that they share; no other machine has it", () => {
    const nodes = `compute_nodes:
  - { cpu_cores: 1, memory_gb: 1, disk_gb: 10, ip: DHCP, base_image_path: /a.qcow2 }
  - { cpu_cores: 1, memory_gb: 1, disk_gb: 10, ip: DHCP }`;
    const mixed = planned(config({ nodes }));
    expect(mixed.guestSoftware).toEqual({
      volume: expect.stringMatching(/^lab-guest-[0-9a-f]{12}\.iso$/),
      source: { path: "/cache/guest.qcow2", id: "guest-1" },
    });
    const disk = {
      pool: "lab-pool",
      volume: mixed.guestSoftware?.volume,
      target: "vdy",
      serial: "hyperlab-guest",
      readOnly: true,
    };
    expect(mixed.computeNodes.map((node) => node.domain.disks)).toEqual([[disk], []]);
    expect(mixed.computeNodes.map((node) => node.domain.ready.timeoutSeconds)).toEqual([1800, 900]);
    expect(mixed.controller.domain.disks.map(({ serial }) => serial)).toEqual(["hyperlab-state"]);
    expect(planned(config())).not.toHaveProperty("guestSoftware");
    const lab = config({ nodes });
    const { guest: _, ...images } = goodFacts(lab).images;
    expect(briefly(findingsOf(lab, { ...goodFacts(lab), images }))).toEqual([
      "error guest-software-unresolved clusters.hpc.image",
    ]);
  });

  it("without the guest software need a mirror, which an isolated network may not reach", () => {
    const network = "mode: isolated";
    const lab = config({ hpc: "image: { path: /srv/x.qcow2 }", network });
    expect(briefly(findingsOf(lab))).toEqual(["warning cloud-image-isolated clusters.hpc.network.mode"]);
    expect(findingsOf(config({ network }))).toEqual([]);
  });

  it("without the guest software make a new instance when it, packages, files or the revision change", () => {
    const ids = (image: string, own: string, guest = "guest-1") => {
      const nodes = `compute_nodes:
  - { cpu_cores: 1, memory_gb: 1, disk_gb: 10, ip: DHCP, base_image_path: ${own} }`;
      const lab = config({ nodes, hpc: `image: ${image}` });
      const good = goodFacts(lab);
      const fact = good.images.guest;
      if (fact === undefined) throw new Error("no guest software");
      const facts = { ...good, images: { ...good.images, guest: { ...fact, identity: { id: guest } } } };
      const plan = planned(lab, facts);
      return [plan.controller.instanceId, plan.computeNodes[0]?.instanceId];
    };
    const [golden, cloud] = ids("{}", "/a.qcow2");
    expect(ids("{}", "/a.qcow2")).toEqual([golden, cloud]);
    // The golden image has them inside: its own identity says it.
    for (const image of [
      "{ packages: [zsh] }",
      "{ revision: 2 }",
      "{ files: [{ path: /etc/motd, content: hi }] }",
    ]) {
      const [controller, node] = ids(image, "/a.qcow2");
      expect(controller).toBe(golden);
      expect(node, image).not.toBe(cloud);
    }
    expect(ids("{}", "/a.qcow2", "guest-2")[0]).toBe(golden);
    expect(ids("{}", "/a.qcow2", "guest-2")[1]).not.toBe(cloud);
  });

  it("give machines a new instance and volume when they change, and keep name, MAC and address", () => {
    const lab = config();
    const good = goodFacts(lab);
    const base = good.images.base;
    if (base === undefined) throw new Error("no image");
    const before = planned(lab, good);
    const after = planned(lab, { ...good, images: { base: { ...base, identity: { id: "recipe-2" } } } });
    expect(after.images[0]?.volume).not.toBe(before.images[0]?.volume);
    for (const [index, node] of after.computeNodes.entries()) {
      const old = before.computeNodes[index];
      expect(node.instanceId).not.toBe(old?.instanceId);
      expect([node.name, node.mac, node.address]).toEqual([old?.name, old?.mac, old?.address]);
    }
  });

  it("tell cloud-init name and instance by the serial", () => {
    const { controller } = planned(config());
    expect(controller.domain.smbiosSerial).toBe(`ds=nocloud;h=lab-controller;i=${controller.instanceId}`);
  });
});

describe("hardware.acceleration", () => {
  const cpu = (text: string, host: Partial<HostFacts> = {}) => {
    const lab = config(acceleration(text));
    return planned(lab, goodFacts(lab, host)).controller.domain;
  };

  it("passes on the topology whose product is the number of CPUs", () => {
    const topology = (cores: number, text: string) => {
      const lab = config(acceleration(`{ cpu_topology: ${text} }`));
      hpcOf(lab).computeNodes.nodes = hpcOf(lab).computeNodes.nodes.map((node) => ({
        ...node,
        cpuCores: cores,
      }));
      const { plan, findings } = planLab(lab, goodFacts(lab));
      const node = plan.hpc?.computeNodes[0];
      const slurm = plan.hpc?.slurm.nodes[0];
      expect([slurm?.sockets, slurm?.coresPerSocket, slurm?.threadsPerCore]).toEqual(
        Object.values(node?.domain.cpu.topology ?? {}),
      );
      return [
        node?.domain.cpu.topology,
        findings.some(({ path }) => path === "clusters.hpc.compute_nodes.cpu_cores"),
      ];
    };
    expect(topology(8, "{ sockets: 2, cores: 2, threads: 2 }")).toEqual([
      { sockets: 2, cores: 2, threads: 2 },
      false,
    ]);
    expect(topology(12, "{ sockets: 2, cores: 2, threads: 2 }")).toEqual([
      { sockets: 2, cores: 3, threads: 2 },
      true,
    ]);
    expect(topology(7, "{ sockets: 2, cores: 2, threads: 2 }")).toEqual([
      { sockets: 1, cores: 7, threads: 1 },
      true,
    ]);
  });

  it("makes an adjusted topology an error in strict mode", () => {
    const lab = config(acceleration("{ cpu_topology: { sockets: 1, cores: 3, threads: 1 } }"));
    expect(hasErrors(findingsOf(lab))).toBe(false);
    expect(hasErrors(findingsOf(lab, goodFacts(lab), { strict: true }))).toBe(true);
  });

  it("splits memory over NUMA cells", () => {
    expect(cpu("{ numa_topology: { nodes: 2, memory_per_node: 1024 } }").cpu.numaCells).toEqual([
      { cpus: "0", memoryMiB: 1024 },
      { cpus: "1", memoryMiB: 1024 },
    ]);
    expect(found(acceleration("{ numa_topology: { nodes: 2, memory_per_node: 2048 } }"))).toContain(
      "warning numa-memory-split clusters.hpc.controller.memory_gb",
    );
    expect(found(acceleration("{ numa_topology: { nodes: 4, memory_per_node: 1024 } }"))).toContain(
      "error numa-cells-exceed-cpus clusters.hpc.controller.cpu_cores",
    );
  });

  it("requires and disables features", () => {
    expect(cpu("{ cpu_features: [-svm, +avx2] }").cpu.features).toEqual([
      { name: "avx2", policy: "require" },
      { name: "svm", policy: "disable" },
    ]);
    expect(found(acceleration("{ cpu_features: [avx9] }"))).toEqual([
      "error cpu-feature-missing clusters.hpc.hardware.acceleration.cpu_features[0]",
    ]);
    expect(found(acceleration("{ cpu_features: [avx2, -avx2] }"))).toEqual([
      "error cpu-feature-contradiction clusters.hpc.hardware.acceleration.cpu_features[1]",
    ]);
  });

  it("nests by the host's vendor, never both", () => {
    const features = (host: Partial<HostFacts>, more = "") =>
      cpu(`{ enable_nested: true${more} }`, host).cpu.features;
    expect(features({ cpuVendor: known("amd") })).toEqual([{ name: "svm", policy: "require" }]);
    expect(features({ cpuVendor: known("intel") })).toEqual([{ name: "vmx", policy: "require" }]);
    expect(features({ cpuVendor: known("intel") }, ", enable_kvm: false")).toEqual([
      { name: "svm", policy: "require" },
    ]);
    expect(found(acceleration("{ enable_nested: true }"), { nested: known(false) })).toEqual([
      "error nested-off clusters.hpc.hardware.acceleration.enable_nested",
    ]);
    expect(found(acceleration("{ enable_nested: true }"), { cpuVendor: known("other") })).toEqual([
      "error nested-impossible clusters.hpc.hardware.acceleration.enable_nested",
    ]);
  });

  it("backs memory", () => {
    expect(cpu("{ performance: { memory_backing: memfd } }").memoryBacking).toEqual({
      source: "memfd",
      access: "shared",
    });
    for (const text of ["memory_backing: hugepages", "enable_hugepages: true"]) {
      expect(cpu(`{ performance: { ${text} } }`).memoryBacking).toEqual({ hugepageKiB: 2048 });
    }
    expect(cpu("{ performance: { enable_hugepages: true, hugepage_size: 1G } }").memoryBacking).toEqual({
      hugepageKiB: 1048576,
    });
  });

  it.each<[string, string]>([
    [
      "enable_hugepages: false, memory_backing: hugepages",
      "error hugepages-contradiction clusters.hpc.hardware.acceleration.performance.enable_hugepages",
    ],
    [
      "enable_hugepages: true, memory_backing: memfd",
      "error hugepages-contradiction clusters.hpc.hardware.acceleration.performance.memory_backing",
    ],
    [
      "hugepage_size: 1G",
      "warning key-without-effect clusters.hpc.hardware.acceleration.performance.hugepage_size",
    ],
  ])("reports %s", (text, expected) => {
    expect(found(acceleration(`{ performance: { ${text} } }`))).toEqual([expected]);
  });

  it("counts huge pages that are free, and not those of machines that run", () => {
    const parts = acceleration("{ performance: { enable_hugepages: true } }");
    const pages = (count: number) => ({ freeHugepages: known([{ sizeKiB: 2048, count }]) });
    expect(found(parts, pages(3 * 1024))).toEqual([]);
    expect(found(parts, pages(3 * 1024 - 1))[0]).toContain("error hugepages-exceeded");
    const running = foreign({ name: "lab-controller", owned: true });
    expect(found(parts, { ...pages(2 * 1024), domains: known([running]) })).toEqual([]);
    const split = acceleration(
      "{ numa_topology: { nodes: 2, memory_per_node: 1024 }, performance: { enable_hugepages: true, hugepage_size: 1G } }",
    );
    expect(found(split)).toEqual([]);
    const three = acceleration(
      "{ numa_topology: { nodes: 2, memory_per_node: 1536 }, performance: { enable_hugepages: true, hugepage_size: 1G } }",
    );
    const lab = config(three);
    hpcOf(lab).controller.memoryGb = 3;
    expect(briefly(findingsOf(lab)).join()).toContain("error hugepages-divisible");
  });
});

describe("findings", () => {
  it("are printed with their place and remedy", () => {
    const file = loaded(labText({ nodes: list("10.50.0.1") }));
    const { findings } = planLab(file.config, goodFacts(file.config));
    expect(printFindings(findings, "lab.yaml", file.locate)).toBe(
      "lab.yaml:11:56  error  clusters.hpc.compute_nodes[0].ip: 10.50.0.1 is the gateway's address\n" +
        "    Choose another address, or another gateway_ip.\n",
    );
  });
});
