/** A cluster of any size as data. */

import type { LabConfig } from "../../config/index.ts";
import { loadLabFile, printProblems } from "../../config/index.ts";
import type { LabFacts } from "../../planning/facts.ts";
import { imageRequests, planLab, unknownHost } from "../../planning/index.ts";
import type { HpcClusterPlan } from "../../planning/plan.ts";

/** A cluster file whose nodes are one count group. */
export function countFile(nodes: number): string {
  return clusterFile(`
      count: ${nodes}
      cpu_cores: 4
      memory_gb: 8
      disk_gb: 20
      ip: DHCP
      auto_start: false`);
}

/** A cluster file that lists every node. */
export function arrayFile(nodes: number): string {
  const one = `
      - cpu_cores: 4
        memory_gb: 8
        disk_gb: 20
        ip: DHCP`;
  return clusterFile(one.repeat(nodes));
}

function clusterFile(nodes: string): string {
  return `version: "1.0"
metadata:
  name: bench
  description: Cluster of the benchmarks

clusters:
  hpc:
    name: bench
    hypervisor: qemu

    network:
      subnet: 10.96.0.0/16
      bridge: hlab-bench0
      mode: isolated

    protect_state: false

    controller:
      cpu_cores: 4
      memory_gb: 8
      disk_gb: 20
      ip_address: 10.96.0.2

    compute_nodes:${nodes}

    slurm_config:
      partitions: [main, debug]
      default_partition: main
      max_job_time: "2-00:00:00"
`;
}

/** @throws Error with the file's problems. */
export function load(text: string): LabConfig {
  const loaded = loadLabFile(text, "bench.yaml");
  if (!loaded.ok) throw new Error(printProblems(loaded.fileName, loaded.problems));
  return loaded.config;
}

/** Facts as a program has them for a golden image. */
export function factsFor(config: LabConfig, image: { path: string; id: string }): LabFacts {
  const fact = {
    path: image.path,
    identity: { id: image.id },
    format: { known: true, value: "qcow2" },
    virtualSizeMiB: { known: true, value: 1_024 },
  } as const;
  return {
    invoker: { name: "ada", sshKeys: [`ssh-ed25519 ${"A".repeat(68)} ada`] },
    host: { ...unknownHost("benchmark"), kvm: { known: true, value: false } },
    images: Object.fromEntries(imageRequests(config).map((request) => [request.key, fact])),
  };
}

/** @throws Error with the findings that forbid to go on. */
export function planOf(config: LabConfig, facts: LabFacts): HpcClusterPlan {
  const { plan, findings } = planLab(config, facts);
  const errors = findings.filter((finding) => finding.severity === "error");
  if (errors.length > 0 || plan.hpc === undefined) {
    throw new Error(`the cluster of the benchmarks cannot be planned: ${JSON.stringify(errors)}`);
  }
  return plan.hpc;
}
