import type { AccelerationConfig } from "../config/model.ts";
import type { HostFacts } from "./facts.ts";
import { type Findings, HPC } from "./findings.ts";
import { byText } from "./names.ts";
import type { CpuPlan } from "./plan.ts";

/** Path of the block in the file. */
export const ACCELERATION = `${HPC}.hardware.acceleration`;

type Topology = CpuPlan["topology"];

/**
 * Sockets, cores and threads whose product is the number of virtual CPUs: the given topology where it fits; else
 * sockets and threads kept and cores recomputed; else one socket, one thread.
 */
export function fitTopology(
  wanted: Topology | undefined,
  vcpus: number,
): { topology: Topology; adjusted: "no" | "cores" | "flat" } {
  const flat = { sockets: 1, cores: vcpus, threads: 1 };
  if (wanted === undefined) return { topology: flat, adjusted: "no" };
  const { sockets, cores, threads } = wanted;
  if (sockets * cores * threads === vcpus) return { topology: { sockets, cores, threads }, adjusted: "no" };
  if (vcpus % (sockets * threads) === 0) {
    return { topology: { sockets, cores: vcpus / (sockets * threads), threads }, adjusted: "cores" };
  }
  return { topology: flat, adjusted: "flat" };
}

/** Cells with contiguous CPUs; sizes differ by at most one CPU, memory is as given or split evenly in whole MiB. */
export function numaCells(
  numa: NonNullable<AccelerationConfig["numaTopology"]>,
  vcpus: number,
  memoryMiB: number,
): { cells: { cpus: string; memoryMiB: number }[]; split: boolean } {
  const split = numa.nodes * numa.memoryPerNodeMiB !== memoryMiB;
  const cells = Array.from({ length: numa.nodes }, (_, cell) => {
    const first = Math.floor((cell * vcpus) / numa.nodes);
    const last = Math.floor(((cell + 1) * vcpus) / numa.nodes) - 1;
    const even = Math.floor(memoryMiB / numa.nodes) + (cell < memoryMiB % numa.nodes ? 1 : 0);
    return {
      cpus: first === last ? String(first) : `${first}-${last}`,
      memoryMiB: split ? even : numa.memoryPerNodeMiB,
    };
  });
  return { cells, split };
}

/** What the CPUs of all machines depend on. */
export interface CpuContext {
  acceleration: AccelerationConfig;
  hypervisor: "kvm" | "qemu";
  host: HostFacts;
  strict: boolean;
}

/** The CPU of one machine. `path` names the machine in findings. */
export function planCpu(
  context: CpuContext,
  size: { vcpus: number; memoryMiB: number; path: string },
  findings: Findings,
): CpuPlan {
  const { acceleration, strict } = context;
  const { vcpus, memoryMiB, path } = size;
  const { topology, adjusted } = fitTopology(acceleration.cpuTopology, vcpus);
  if (adjusted !== "no") {
    const { sockets, cores, threads } = topology;
    findings.adjusted(
      strict,
      "cpu-topology-adjusted",
      `${path}.cpu_cores`,
      `cpu_topology does not give ${vcpus} CPUs; ${sockets} × ${cores} × ${threads} is used`,
      "Change cpu_topology or cpu_cores so that sockets × cores × threads is cpu_cores.",
    );
  }
  const features = cpuFeatures(context);
  const cells = planCells(acceleration, vcpus, memoryMiB, path, findings, strict);
  return {
    ...cpuModel(context),
    ...(features.length === 0 ? {} : { features }),
    topology,
    ...(cells === undefined ? {} : { numaCells: cells }),
  };
}

function planCells(
  acceleration: AccelerationConfig,
  vcpus: number,
  memoryMiB: number,
  path: string,
  findings: Findings,
  strict: boolean,
): CpuPlan["numaCells"] {
  const numa = acceleration.numaTopology;
  if (numa === null) return undefined;
  if (numa.nodes > vcpus) {
    const text = `${numa.nodes} NUMA cells need as many CPUs; the machine has ${vcpus}`;
    findings.error(
      "numa-cells-exceed-cpus",
      `${path}.cpu_cores`,
      text,
      "Lower numa_topology.nodes or raise cpu_cores.",
    );
    return undefined;
  }
  const { cells, split } = numaCells(numa, vcpus, memoryMiB);
  if (split) {
    findings.adjusted(
      strict,
      "numa-memory-split",
      `${path}.memory_gb`,
      `${numa.nodes} cells of ${numa.memoryPerNodeMiB} MiB are not the machine's ${memoryMiB} MiB; it is split evenly`,
      `Set memory_per_node to ${Math.floor(memoryMiB / numa.nodes)}.`,
    );
  }
  return cells;
}

/** Under emulation there is no host CPU to pass on; `maximum` is what QEMU's emulation can do. */
function cpuModel(context: CpuContext): Pick<CpuPlan, "mode" | "model"> {
  const { cpuModel: model } = context.acceleration;
  if (model === "qemu64") return { mode: "custom", model: "qemu64" };
  return { mode: context.hypervisor === "qemu" ? "maximum" : model };
}

function cpuFeatures(context: CpuContext): NonNullable<CpuPlan["features"]> {
  const features = new Map<string, "require" | "disable">();
  for (const written of context.acceleration.cpuFeatures) {
    features.set(written.replace(/^[+-]/, ""), written.startsWith("-") ? "disable" : "require");
  }
  const nested = nestedFeature(context);
  if (nested !== undefined) features.set(nested, "require");
  return [...features].sort((a, b) => byText(a[0], b[0])).map(([name, policy]) => ({ name, policy }));
}

/** `vmx` or `svm` by the host's vendor; QEMU's emulation knows `svm` only. */
function nestedFeature(context: CpuContext): "vmx" | "svm" | undefined {
  if (!context.acceleration.enableNested) return undefined;
  if (context.hypervisor === "qemu") return "svm";
  const { cpuVendor } = context.host;
  if (!cpuVendor.known) return undefined;
  return cpuVendor.value === "intel" ? "vmx" : cpuVendor.value === "amd" ? "svm" : undefined;
}

/** Checks of the block as a whole, once per cluster. */
export function checkCpu(context: CpuContext, findings: Findings): void {
  checkNested(context, findings);
  checkFeatures(context, findings);
}

function checkNested(context: CpuContext, findings: Findings): void {
  const { acceleration, hypervisor, host } = context;
  const path = `${ACCELERATION}.enable_nested`;
  if (!acceleration.enableNested || hypervisor === "qemu") return;
  if (!host.cpuVendor.known || !host.nested.known) {
    const why = !host.cpuVendor.known ? host.cpuVendor.why : host.nested.known ? "" : host.nested.why;
    const text = `whether the host allows nested virtualisation is not known: ${why}`;
    findings.unknown("nested-unknown", path, text, "It shows when a machine starts.");
  } else if (host.cpuVendor.value === "other") {
    const text = "the host's CPU is neither from Intel nor from AMD";
    findings.error("nested-impossible", path, text, "Set enable_nested to false.");
  } else if (!host.nested.value) {
    const module = host.cpuVendor.value === "intel" ? "kvm_intel" : "kvm_amd";
    const remedy = `On the host: echo options ${module} nested=1 > /etc/modprobe.d/kvm-nested.conf, then reboot.`;
    findings.error("nested-off", path, `the host's module ${module} does not allow nested guests`, remedy);
  }
}

function checkFeatures(context: CpuContext, findings: Findings): void {
  const { acceleration, host } = context;
  const signs = new Map<string, boolean>();
  for (const [index, written] of acceleration.cpuFeatures.entries()) {
    const path = `${ACCELERATION}.cpu_features[${index}]`;
    const name = written.replace(/^[+-]/, "");
    const on = !written.startsWith("-");
    if (signs.get(name) === !on) {
      findings.error(
        "cpu-feature-contradiction",
        path,
        `${name} is required and switched off`,
        "Keep one of the two.",
      );
    }
    signs.set(name, on);
    if (!on) continue;
    if (!host.cpuFeatures.known) {
      const text = `whether guests can have ${name} is not known: ${host.cpuFeatures.why}`;
      findings.unknown("cpu-feature-unknown", path, text, "It shows when a machine starts.");
    } else if (!host.cpuFeatures.value.includes(name)) {
      const text = `the host cannot give ${name} to guests`;
      findings.error("cpu-feature-missing", path, text, `Remove ${name}, or use a host whose CPU has it.`);
    }
  }
}
