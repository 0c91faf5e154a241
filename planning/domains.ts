import type { AccelerationConfig, HpcConfig, NodeSizeConfig } from "../config/model.ts";
import { loginInterface } from "./access.ts";
import { ACCELERATION, type CpuContext, planCpu } from "./cpu.ts";
import type { LabFacts } from "./facts.ts";
import { type Findings, HPC } from "./findings.ts";
import { generationOf, imageKey } from "./images.ts";
import { formatIpv4 } from "./ipv4.ts";
import { instanceId, smbiosSerial } from "./names.ts";
import type { ResolvedNetwork } from "./network.ts";
import type { AccessPlan, DomainPlan, ImagePlan, NodePlan, NodeRole } from "./plan.ts";
import { slurmTiming } from "./slurm/timing.ts";

/** Serial number by which the controller finds its state disk. */
export const STATE_SERIAL = "hyperlab-state";

/** Serial number by which a cloud image finds the disk with the guest software. */
export const GUEST_SERIAL = "hyperlab-guest";

/** libvirt's filter that lets a guest use its own MAC and address only. */
export const GUEST_FILTER = "clean-traffic";

/** What all machines of a cluster share. */
export interface ClusterContext {
  config: HpcConfig;
  facts: LabFacts;
  description: string;
  cpu: CpuContext;
  network: ResolvedNetwork;
  access: AccessPlan;
  images: ReadonlyMap<string, ImagePlan>;
  /** Name of the volume with the guest software; only where a machine's image lacks it. */
  guestVolume?: string;
  pool: string;
  stateVolume: string;
  /** Machines that are stopped for a time by a hold on the host. */
  held: ReadonlySet<string>;
}

/** What makes one machine. */
export interface MachineSpec {
  name: string;
  role: NodeRole;
  number: number;
  address: number;
  mac: string;
  seed: string;
  size: NodeSizeConfig;
  running: boolean;
  restartTrigger: string | undefined;
  pins: readonly number[] | undefined;
  /** Path in the file, for findings. */
  path: string;
}

/** The complete plan of one machine. */
export function planMachine(context: ClusterContext, spec: MachineSpec, findings: Findings): NodePlan {
  const key = imageKey(context.config, spec.size);
  const id = instanceId(spec.name, generationOf(context.config, key, context.facts.images));
  return {
    name: spec.name,
    role: spec.role,
    number: spec.number,
    address: formatIpv4(spec.address),
    mac: spec.mac,
    image: key,
    seed: spec.seed,
    instanceId: id,
    ...(context.held.has(spec.name) ? { held: true as const } : {}),
    domain: domain(context, spec, key, id, findings),
  };
}

/** Machines that somebody stopped for a time; nothing is known of a host that cannot be asked. */
export function heldMachines({ host: { domains } }: LabFacts): ReadonlySet<string> {
  const held = domains.known ? domains.value.filter((found) => found.owned && found.held === true) : [];
  return new Set(held.map(({ name }) => name));
}

function domain(
  context: ClusterContext,
  spec: MachineSpec,
  image: string,
  id: string,
  findings: Findings,
): DomainPlan {
  const { config, cpu } = context;
  const vcpus = spec.size.cpuCores;
  const memoryMiB = spec.size.memoryGb * 1024;
  const timing = slurmTiming(cpu.hypervisor, 0);
  const backing = memoryBacking(config.acceleration);
  const golden = context.images.get(image)?.golden ?? true;
  return {
    name: spec.name,
    title: `${spec.role === "controller" ? "SLURM controller" : "SLURM compute node"} of ${config.name}`,
    description: context.description,
    type: cpu.hypervisor,
    machine: "q35",
    firmware: { type: "efi" },
    vcpus,
    memoryMiB,
    cpu: planCpu(cpu, { vcpus, memoryMiB, path: spec.path }, findings),
    ...(spec.pins === undefined
      ? {}
      : { cpuPins: spec.pins.map((cpuId, vcpu) => ({ vcpu, cpuset: String(cpuId) })) }),
    ...(backing === undefined ? {} : { memoryBacking: backing }),
    smbiosSerial: smbiosSerial(spec.name, id),
    rootDisk: {
      pool: context.pool,
      image: context.images.get(image)?.volume ?? "",
      sizeMiB: spec.size.diskGb * 1024,
    },
    disks: disks(context, spec.role, golden),
    interfaces: interfaces(context, spec),
    autostart: spec.running,
    running: spec.running,
    ...(spec.restartTrigger === undefined ? {} : { restartTrigger: spec.restartTrigger }),
    deriveSshHostKey: true,
    stop: { timeoutSeconds: Math.max(300, 2 * timing.bootClassSeconds), onTimeout: "fail" },
    // A user's cloud image has the hooks only after its first boot went well.
    quiesce: quiesce(config, spec.role, golden),
    ready: { wait: "hook", timeoutSeconds: readySeconds(config, timing.bootClassSeconds, golden) },
    rolloutGroup: config.name,
    // Compute nodes do not get ready without their controller: it goes alone.
    maxUnavailable: spec.role === "controller" ? 1 : config.rollout.maxUnavailable,
  };
}

/** How a machine is emptied. Only compute nodes have jobs. */
function quiesce(config: HpcConfig, role: NodeRole, golden: boolean): DomainPlan["quiesce"] {
  const { onTimeout = "fail", waitMinutes } = config.drain;
  return {
    hook: golden ? "required" : "ifPresent",
    timeoutSeconds: waitMinutes * 60,
    ...(role === "compute" && onTimeout !== "fail" ? { onTimeout } : {}),
  };
}

/** How long a machine may take until it is ready. A cloud image installs packages at its first boot. */
function readySeconds(config: HpcConfig, bootSeconds: number, golden: boolean): number {
  if (config.rollout.readyMinutes !== undefined) return config.rollout.readyMinutes * 60;
  return Math.max(900, 6 * bootSeconds) * (golden ? 1 : 2);
}

/** Every disk but root and seed. */
function disks(context: ClusterContext, role: NodeRole, golden: boolean): DomainPlan["disks"] {
  const { pool, stateVolume, guestVolume } = context;
  const state = { pool, volume: stateVolume, target: "vdb", serial: STATE_SERIAL };
  const guest =
    golden || guestVolume === undefined
      ? []
      : [{ pool, volume: guestVolume, target: "vdy", serial: GUEST_SERIAL, readOnly: true }];
  return [...(role === "controller" ? [state] : []), ...guest];
}

function interfaces(context: ClusterContext, spec: MachineSpec): DomainPlan["interfaces"] {
  const { access, facts, network } = context;
  const address = formatIpv4(spec.address);
  const filters = facts.host.networkFilters;
  // Not known is not the same as none: what is planned must not depend on whether the host could be asked.
  const has = (filter: string) => !filters.known || filters.value.includes(filter);
  const own = {
    ...(network.plan.kind === "owned"
      ? { network: network.plan.inputs.name, mac: spec.mac, address }
      : { ...network.plan.attach, mac: spec.mac }),
    ...(has(GUEST_FILTER) ? { filter: GUEST_FILTER, filterAddress: address } : {}),
  };
  return spec.role === "controller" && access.kind === "lan" ? [own, loginInterface(access, has)] : [own];
}

/** Whether guests use huge pages: said so, or implied by the kind of backing. */
export function usesHugepages(acceleration: AccelerationConfig): boolean {
  const { enableHugepages, memoryBacking: kind } = acceleration.performance;
  return enableHugepages ?? kind === "hugepages";
}

/** Size of a huge page in KiB. */
export const hugepageKiB = (acceleration: AccelerationConfig): number =>
  acceleration.performance.hugepageSize === "1G" ? 1024 * 1024 : 2048;

function memoryBacking(acceleration: AccelerationConfig): DomainPlan["memoryBacking"] {
  if (usesHugepages(acceleration)) return { hugepageKiB: hugepageKiB(acceleration) };
  return acceleration.performance.memoryBacking === "memfd"
    ? { source: "memfd", access: "shared" }
    : undefined;
}

/** Contradictions of the keys on memory, once per cluster. */
export function checkMemoryBacking(config: HpcConfig, findings: Findings): void {
  const { enableHugepages, hugepageSize, memoryBacking: kind } = config.acceleration.performance;
  const path = `${ACCELERATION}.performance`;
  if (enableHugepages === false && kind === "hugepages") {
    const text = "memory_backing hugepages contradicts enable_hugepages false";
    findings.error(
      "hugepages-contradiction",
      `${path}.enable_hugepages`,
      text,
      "Remove one of the two keys.",
    );
  }
  if (enableHugepages === true && kind === "memfd") {
    const text = "memory_backing memfd contradicts enable_hugepages true: a machine has one backing";
    findings.error("hugepages-contradiction", `${path}.memory_backing`, text, "Remove one of the two keys.");
  }
  if (!usesHugepages(config.acceleration)) {
    if (hugepageSize !== "2M") {
      const text = `hugepage_size ${hugepageSize} is not applied, because huge pages are off`;
      findings.warning("key-without-effect", `${path}.hugepage_size`, text, "Set enable_hugepages to true.");
    }
    return;
  }
  const page = hugepageKiB(config.acceleration) / 1024;
  const cells = config.acceleration.numaTopology?.nodes ?? 1;
  for (const memoryGb of new Set(
    [config.controller, ...config.computeNodes.nodes].map((node) => node.memoryGb),
  )) {
    if ((memoryGb * 1024) % (page * cells) === 0) continue;
    const text = `${memoryGb} GB in ${cells} NUMA cells is no multiple of the huge page of ${hugepageSize}`;
    findings.error("hugepages-divisible", `${path}.hugepage_size`, text, "Use 2M, or change memory_gb.");
  }
}

/** The domain type: as asked for; by itself KVM where it was proven to work. */
export function chooseHypervisor(config: HpcConfig, facts: LabFacts, findings: Findings): "kvm" | "qemu" {
  const { kvm } = facts.host;
  const path = `${HPC}.hypervisor`;
  if (!config.acceleration.enableKvm) {
    if (config.hypervisor === "kvm") {
      const text = "enable_kvm false contradicts hypervisor kvm";
      findings.error(
        "hypervisor-contradiction",
        `${ACCELERATION}.enable_kvm`,
        text,
        "Remove one of the two keys.",
      );
    }
    return "qemu";
  }
  if (config.hypervisor === "qemu") return "qemu";
  if (config.hypervisor === "kvm") {
    if (!kvm.known) {
      findings.unknown(
        "kvm-unknown",
        path,
        `whether KVM works is not known: ${kvm.why}`,
        "It shows when a machine starts.",
      );
    } else if (!kvm.value) {
      const remedy = "Enable virtualisation in the host's firmware, or set hypervisor to qemu.";
      findings.error("kvm-unusable", path, "KVM does not work on the host", remedy);
    }
    return "kvm";
  }
  if (kvm.known) {
    if (!kvm.value) {
      const text =
        "KVM does not work on the host; QEMU's emulation is used and everything takes some ten times as long";
      findings.note("emulation", path, text, "Enable virtualisation in the host's firmware for real work.");
    }
    return kvm.value ? "kvm" : "qemu";
  }
  const text = `whether KVM works is not known: ${kvm.why}; qemu is planned`;
  findings.unknown("kvm-unknown", path, text, "Set hypervisor to kvm or qemu to decide it yourself.");
  return "qemu";
}
