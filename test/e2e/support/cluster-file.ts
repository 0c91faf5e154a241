import { stringify } from "yaml";

/** A person with an account. */
export interface Person {
  name: string;
  ssh_keys: string[];
  admin?: boolean;
}

/** What the scenarios change in the cluster file. */
export interface ClusterShape {
  /** Numbers of the compute nodes. Together with the largest they make `count` and `except`. */
  nodes: readonly number[];
  /** Memory of compute nodes that differ from 1 GB, by number. */
  memoryGb?: Readonly<Record<number, number>>;
  /** Image of the compute nodes instead of the cluster's: a file of the user's own. */
  nodeImage?: string;
  /** Moment of Debian's archive that the image is built from. */
  snapshot?: string;
  /** Debian packages that the image gets. */
  imagePackages?: readonly string[];
  /** Files that the image gets. */
  imageFiles?: readonly { path: string; content: string; mode: string }[];
  /** Longest run time of a job. */
  maxJobTime?: string;
  /** People beside the first two. */
  people?: readonly Person[];
  /** How machines are emptied. */
  drain?: { waitMinutes: number; end: "fail" | "requeue" };
  /** Minutes until a machine must be ready. */
  readyMinutes?: number;
  /** How users reach the login machine. */
  access?: { lan: { bridge: string; address: string } } | { forward: { port: number; listen: string } };
}

export const SUBNET = "10.58.0";
/** The ordinary user. */
export const USER = "ada";
/** The administrator. */
export const ADMINISTRATOR = "grace";

/**
 * One core: QEMU's emulation on two can lose a patch that a kernel makes to its own code, and the guest panics. It keeps
 * four machines from asking a small host for eight processors, too.
 */
const size = { cpu_cores: 1, disk_gb: 10 };

/** The cluster file of the scenarios, as its user would write it. */
export function clusterFile(name: string, publicKey: string, shape: ClusterShape): string {
  return stringify({
    version: "1.0",
    metadata: { name, description: "Scenarios on real machines" },
    clusters: {
      hpc: {
        name,
        network: { subnet: `${SUBNET}.0/24`, bridge: "hlab-e2e0" },
        controller: { ...size, memory_gb: 2, ip_address: `${SUBNET}.2` },
        compute_nodes: computeNodes(shape),
        slurm_config: {
          partitions: ["main"],
          default_partition: "main",
          max_job_time: shape.maxJobTime ?? "01:00:00",
        },
        users: [
          { name: USER, ssh_keys: [publicKey] },
          { name: ADMINISTRATOR, ssh_keys: [publicKey], admin: true },
          ...(shape.people ?? []),
        ],
        ...(shape.access === undefined ? {} : { access: shape.access }),
        ...image(shape),
        ...(shape.drain === undefined ? {} : { drain: drain(shape.drain) }),
        ...(shape.readyMinutes === undefined ? {} : { rollout: { ready_minutes: shape.readyMinutes } }),
        state_disk_gb: 5,
        protect_state: false,
      },
    },
  });
}

function image({ imageFiles: files, imagePackages: packages, snapshot }: ClusterShape): object {
  const wishes = {
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(packages === undefined ? {} : { packages }),
    ...(files === undefined ? {} : { files }),
  };
  return Object.keys(wishes).length === 0 ? {} : { image: wishes };
}

const drain = ({ end, waitMinutes }: { waitMinutes: number; end: string }) => ({
  wait_minutes: waitMinutes,
  // biome-ignore lint/suspicious/noThenProperty: a key of the cluster file; nothing awaits it.
  then: end,
});

/** A group's machines are alike: where memory differs, the file lists the nodes, which leaves no holes. */
function computeNodes({ memoryGb, nodeImage, nodes }: ClusterShape): unknown {
  const count = Math.max(...nodes);
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const except = numbers.filter((number) => !nodes.includes(number));
  const node = { ...size, ip: "DHCP", ...(nodeImage === undefined ? {} : { base_image_path: nodeImage }) };
  return memoryGb === undefined
    ? { count, ...node, memory_gb: 1, ...(except.length === 0 ? {} : { except }) }
    : numbers.map((number) => ({ ...node, memory_gb: memoryGb[number] ?? 1 }));
}
