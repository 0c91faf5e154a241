import type { HpcConfig } from "../../config/model.ts";
import { type Findings, HPC } from "../findings.ts";
import type { NodePlan, SlurmNodePlan, SlurmPartitionPlan, SlurmPlan } from "../plan.ts";
import { slurmParameters } from "./extras.ts";
import { slurmTiming } from "./timing.ts";

/** Kept back from jobs on every node, in MiB, for the guest's own programs. */
export const MEMORY_RESERVE_MIB = 128;

/**
 * RealMemory of a node: `floor(memory × 0.95) − 128` MiB.
 *
 * It must be below what the guest registers, else the node becomes invalid. The guest's total is the machine's memory
 * less firmware, kernel and page tables: measured with Debian 13 on q35 with UEFI, 2048 MiB show as about 1960
 * (4.3 % less), larger machines lose less than 2 %. At 1024 MiB, the smallest machine, the loss of about 75 MiB
 * stands against 51 + 128 MiB kept back.
 */
export function realMemoryMiB(vmMemoryMiB: number): number {
  return Math.floor(vmMemoryMiB * 0.95) - MEMORY_RESERVE_MIB;
}

/** SLURM's view of the machines that were planned. */
export function planSlurm(
  config: HpcConfig,
  controller: { name: string; address: string },
  computeNodes: readonly NodePlan[],
  situation: { hypervisor: "kvm" | "qemu"; strict: boolean },
  findings: Findings,
): SlurmPlan {
  const nodes = computeNodes.map(slurmNode);
  const parameters = slurmParameters(config.slurm.extra, situation.strict, findings);
  return {
    clusterName: config.name,
    controller,
    nodes,
    partitions: partitions(config, findings),
    timing: slurmTiming(situation.hypervisor, 0),
    defMemPerCpuMiB: leastMemoryPerCpu(nodes),
    parameters,
  };
}

function slurmNode(node: NodePlan): SlurmNodePlan {
  const { domain } = node;
  return {
    name: node.name,
    address: node.address,
    running: domain.running && node.held !== true,
    cpus: domain.vcpus,
    sockets: domain.cpu.topology.sockets,
    coresPerSocket: domain.cpu.topology.cores,
    threadsPerCore: domain.cpu.topology.threads,
    realMemoryMiB: realMemoryMiB(domain.memoryMiB),
    vmMemoryMiB: domain.memoryMiB,
  };
}

/** A job that takes every CPU of a node must fit its memory, on the node with the least memory per CPU. */
function leastMemoryPerCpu(nodes: readonly SlurmNodePlan[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (const node of nodes) least = Math.min(least, Math.floor(node.realMemoryMiB / node.cpus));
  return Number.isFinite(least) ? Math.max(1, least) : 1;
}

function partitions(config: HpcConfig, findings: Findings): SlurmPartitionPlan[] {
  const { slurm } = config;
  const seen = new Set<string>();
  for (const [index, name] of slurm.partitions.entries()) {
    const path = `${HPC}.slurm_config.partitions[${index}]`;
    if (seen.has(name)) findings.error("partition-twice", path, `${name} is listed twice`, "Remove one.");
    seen.add(name);
  }
  if (!seen.has(slurm.defaultPartition)) {
    findings.error(
      "default-partition-unknown",
      `${HPC}.slurm_config.default_partition`,
      `${slurm.defaultPartition} is not one of the partitions: ${[...seen].join(", ")}`,
      "Name one of them, or add it to partitions.",
    );
  }
  const maxTime = slurm.maxJobTime?.toUpperCase() ?? "UNLIMITED";
  return [...seen].map((name) => ({ name, isDefault: name === slurm.defaultPartition, maxTime }));
}
