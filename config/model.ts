import type { PEER_SERVICES } from "./schema/network.ts";

/**
 * The configuration in its one canonical form, whatever form the file had. The planner and components that are declared
 * in TypeScript build on these types. Sizes carry their unit in the name; meaning and defaults of each value are those of
 * the key of the same name in the cluster file (`docs/reference/cluster-file.md`).
 */

export interface LabConfig {
  name: string;
  description: string;
  hpc?: HpcConfig;
}

/** A SLURM cluster (`clusters.hpc`). */
export interface HpcConfig {
  name: string;
  host: { uri: string; poolPath?: string };
  hypervisor: "auto" | "kvm" | "qemu";
  image: ImageConfig;
  network: NetworkConfig;
  access: AccessConfig;
  controller: ControllerConfig;
  computeNodes: ComputeNodesConfig;
  slurm: SlurmConfig;
  /** Absent: the person who runs hyperlab. An empty list: nobody. */
  users?: UserConfig[];
  home: { kind: "controller" } | { kind: "nfs"; export: string };
  stateDiskGb: number;
  protectState: boolean;
  drain: DrainConfig;
  rollout: { maxUnavailable: number; readyMinutes: number | undefined };
  acceleration: AccelerationConfig;
}

/** How machines are emptied before they stop (`drain`). */
export interface DrainConfig {
  /** How long a machine may wait for its jobs to end. Not used with `wait`. */
  waitMinutes: number;
  /** What happens to jobs that still run then; `then` in the file. Absent: fail. */
  onTimeout?: "fail" | "requeue" | "wait" | "kill";
  /** Nobody asked for this wait: a host that would not bear it is a warning, not an error. */
  byDefault?: boolean;
}

/** What the machines' disks begin with (`image`, `base_image_path`). */
export interface ImageConfig {
  source: ImageSource;
  packages: string[];
  files: { path: string; content: string; mode: string }[];
  revision: number;
  /** Moment of Debian's archive, such as 20261101T000000Z; absent: the mirror as it is at the build. */
  snapshot?: string;
}

/** Where an image comes from: built from Debian packages, a file on this machine, or a download. */
export type ImageSource =
  | { kind: "golden" }
  | { kind: "file"; path: string; sha256?: string }
  | { kind: "url"; url: string; sha256: string };

/** Another cluster that this one knows (`network.peers`). */
export interface PeerConfig {
  subnet: string;
  /** By their name in the network policy. */
  services: (typeof PEER_SERVICES)[number][];
}

/** Network of the cluster (`network`). */
export interface NetworkConfig {
  mode: "nat" | "routed" | "isolated" | "existing";
  /** What machines are attached to; a libvirt network only in mode existing. */
  attach: { bridge: string } | { libvirtNetwork: string };
  subnet: string;
  gatewayIp?: string;
  dhcpStart?: string;
  dhcpEnd?: string;
  dnsServers?: string[];
  dnsMode: "isolated";
  /** What machines may reach outside their cluster. */
  egress: "open" | "registries" | "none";
  peers: PeerConfig[];
  /** By node: full name, `compute-NN` or `controller`. */
  staticLeases: Record<string, string>;
  vmMacs: Record<string, string>;
}

/** How users reach the login machine (`access`). */
export type AccessConfig =
  | { kind: "proxy-jump" }
  | {
      kind: "lan";
      bridge: string;
      /** With its prefix; absent: from DHCP. */
      address?: string;
      gateway?: string;
    }
  | {
      kind: "forward";
      /** Of the host. */
      port: number;
      /** Address of the host; absent: all of them. */
      listen?: string;
      /** Name or address of the host for users. */
      host?: string;
    };

/** Size of a machine; GB are of 1024 MiB. */
export interface NodeSizeConfig {
  cpuCores: number;
  memoryGb: number;
  diskGb: number;
  /** A cloud image of this node's own. */
  baseImagePath?: string;
}

/** The machine with slurmctld, accounting and homes (`controller`). */
export interface ControllerConfig extends NodeSizeConfig {
  ipAddress: string;
}

/** Compute nodes (`compute_nodes`), a count group written out. */
export interface ComputeNodesConfig {
  /** Form in the file; only paths in messages depend on it. */
  form: "array" | "group";
  /** Ordered by number; numbers of a group's `except` are missing. */
  nodes: ComputeNodeConfig[];
}

/** One compute node. */
export interface ComputeNodeConfig extends NodeSizeConfig {
  /** From 1; the NN of the name. */
  number: number;
  /** IPv4 address or `DHCP`. */
  ip: string;
  autoStart: boolean;
}

/** Partitions and further parameters of slurm.conf (`slurm_config`). */
export interface SlurmConfig {
  partitions: string[];
  defaultPartition: string;
  maxJobTime?: string;
  /** Further keys as written. */
  extra: Record<string, unknown>;
}

/** A person with an account on every machine (`users`). */
export interface UserConfig {
  name: string;
  uid?: number;
  groups: string[];
  sshKeys: string[];
  admin: boolean;
}

/** How guests use the host's CPU and memory (`hardware.acceleration`). */
export interface AccelerationConfig {
  enableKvm: boolean;
  enableNested: boolean;
  cpuModel: "host-passthrough" | "host-model" | "qemu64";
  cpuFeatures: string[];
  numaTopology: { nodes: number; memoryPerNodeMiB: number } | null;
  cpuTopology?: { sockets: number; cores: number; threads: number };
  performance: {
    /** Absent: not said, which differs from false. */
    enableHugepages?: boolean;
    hugepageSize: "2M" | "1G";
    cpuPinning: boolean;
    memoryBacking: "default" | "hugepages" | "memfd";
  };
}
