import { describe, expect, it } from "vitest";
import type { HostFacts } from "../../../../planning/index.ts";
import { hasErrors, planLab } from "../../../../planning/index.ts";
import { briefly, config, findingsOf, goodFacts, hpcOf, planned } from "../lab.ts";
import { acceleration, foreign, found, known } from "./parts.ts";

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
