import { stringify } from "yaml";

/** What the scenarios change in the cluster file. */
export interface ClusterShape {
  /** Number of the count group. */
  count: number;
  /** Numbers of the group that are left out. */
  except?: number[];
  /** Memory of compute nodes that differ from 1 GB, by number. */
  memoryGb?: Record<number, number>;
  /** Raised to ask for another image. */
  imageRevision?: number;
  /** Files that the image gets. */
  imageFiles?: { path: string; content: string; mode: string }[];
}

export const SUBNET = "10.58.0";
export const USER = "ada";

/** The cluster file of the scenarios, as its user would write it. */
export function clusterFile(name: string, publicKey: string, shape: ClusterShape): string {
  const except = shape.except ?? [];
  const numbers = Array.from({ length: shape.count }, (_, index) => index + 1);
  const size = { cpu_cores: 2, disk_gb: 10 };
  const group = {
    count: shape.count,
    ...size,
    memory_gb: 1,
    ip: "DHCP",
    ...(except.length === 0 ? {} : { except }),
  };
  const list = numbers.map((number) => ({
    ...size,
    memory_gb: shape.memoryGb?.[number] ?? 1,
    ip: "DHCP",
  }));
  return stringify({
    version: "1.0",
    metadata: { name, description: "Scenarios on real machines" },
    clusters: {
      hpc: {
        name,
        network: { subnet: `${SUBNET}.0/24`, bridge: "hlab-e2e0" },
        controller: { cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip_address: `${SUBNET}.2` },
        compute_nodes: shape.memoryGb === undefined ? group : list,
        slurm_config: { partitions: ["main"], default_partition: "main", max_job_time: "01:00:00" },
        users: [{ name: USER, ssh_keys: [publicKey] }],
        image: {
          revision: shape.imageRevision ?? 1,
          ...(shape.imageFiles === undefined ? {} : { files: shape.imageFiles }),
        },
        drain: { wait_minutes: 15 },
        state_disk_gb: 5,
        protect_state: false,
      },
    },
  });
}
