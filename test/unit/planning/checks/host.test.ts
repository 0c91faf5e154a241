import { describe, expect, it } from "vitest";
import type { HostFacts, LabFacts } from "../../../../planning/index.ts";
import { hasErrors, planLab, unknownHost } from "../../../../planning/index.ts";
import { labText, loaded } from "../../config/lab-text.ts";
import { briefly, config, findingsOf, goodFacts, planned } from "../lab.ts";
import { acceleration, foreign, found, known, list, type Parts } from "./parts.ts";

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
      "unknown drain-limit-unknown clusters.hpc.drain.wait_minutes",
      "unknown cpu-feature-unknown clusters.hpc.hardware.acceleration.cpu_features[0]",
      "unknown nested-unknown clusters.hpc.hardware.acceleration.enable_nested",
      "unknown hugepages-unknown clusters.hpc.hardware.acceleration.performance.hugepage_size",
      "unknown disk-unknown clusters.hpc.host.pool_path",
      "unknown kvm-unknown clusters.hpc.hypervisor",
      "unknown names-unknown clusters.hpc.name",
      "unknown pool-unknown clusters.hpc.name",
      "unknown filter-unknown clusters.hpc.network",
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
