/**
 * The plan of a lab: everything that hyperlab decides before it creates anything, as plain data that JSON can carry.
 *
 * `planLab` makes it from the configuration and the facts; components turn it into resources without deciding anything
 * more. No Pulumi type and no secret occurs here: a secret is a named slot (`SecretSlot`) that the component fills.
 * Objects called "inputs of the provider" have exactly the shape of `providers/libvirt/resources/inputs.ts`
 * (a test assigns one to the other), so that a component passes them on as they are.
 */

export interface LabPlan {
  format: 1;
  /** `metadata.name` of the cluster file. */
  name: string;
  /** `metadata.description` of the cluster file. */
  description: string;
  /** The SLURM cluster. Absent where the file declares none. */
  hpc?: HpcClusterPlan;
}

/** The plan of a SLURM cluster. */
export interface HpcClusterPlan {
  /** Name of the cluster: prefix of every resource, SLURM's ClusterName. */
  name: string;
  host: HostPlan;
  /** Domain type of every machine: hardware virtualisation or QEMU's own emulation. */
  hypervisor: "kvm" | "qemu";
  pool: PoolPlan;
  network: NetworkPlan;
  policy: PolicyPlan;
  access: AccessPlan;
  /** One per distinct image that a node uses, ordered by key. */
  images: ImagePlan[];
  /** Only where a machine's image lacks the guest software. */
  guestSoftware?: GuestSoftwarePlan;
  /** One per role; on an existing network one per node, because the static address is in it. Ordered by name. */
  seeds: SeedPlan[];
  stateVolume: StateVolumePlan;
  controller: NodePlan;
  /** Ordered by number. Nodes named in `except` are not here. */
  computeNodes: NodePlan[];
  slurm: SlurmPlan;
  /** Ordered by name. */
  users: UserPlan[];
  /** Supplementary groups of the users with the group id that every machine uses. Ordered by name. */
  groups: GroupPlan[];
  home: HomePlan;
  drain: DrainPlan;
  verify: VerifyPlan;
  ssh: SshPlan;
  /** Secrets that the component makes once and keeps. */
  secrets: SecretSlot[];
}

/** What happens to jobs that still run at the end of a drain's time, where it is not an error. */
export type DrainEnd = "requeue" | "wait" | "kill";

/** How nodes that leave the cluster are emptied. */
export interface DrainPlan {
  timeoutSeconds: number;
  /** Absent: jobs that still run then are an error. */
  onTimeout?: DrainEnd;
}

/** The libvirt host that runs the cluster. */
export interface HostPlan {
  /** libvirt connection URI. */
  uri: string;
}

/** Inputs of the provider's `Pool`. */
export interface PoolPlan {
  name: string;
  path: string;
}

/** A network that the lab makes, or one of the site that it only uses and never changes. */
export type NetworkPlan =
  | { kind: "owned"; inputs: OwnedNetworkPlan; subnet: string; gateway: string }
  | { kind: "existing"; attach: { network: string } | { bridge: string }; subnet: string; gateway: string };

/** What machines may reach outside their cluster. */
export type Egress = "open" | "registries" | "none";

/** What the firewalls depend on beside the roles and addresses of the machines. */
export interface PolicyPlan {
  egress: Egress;
  /** The host's address in the network (on an existing network the site's router). */
  gateway: string;
  /** Name servers that machines ask. */
  nameServers: string[];
  /** In the order of the cluster file. */
  peers: PeerPlan[];
}

/** Another cluster that machines may open connections to, and the services of this one that it reaches. */
export interface PeerPlan {
  subnet: string;
  /** By their name in the network policy. */
  services: string[];
}

/** How users reach the login machine: in the cluster's network, at a second interface on a bridge of the host, or at a port of the host. */
export type AccessPlan =
  | { kind: "proxy-jump" }
  | {
      kind: "lan";
      bridge: string;
      mac: string;
      /** With its prefix; absent: from DHCP. */
      address?: string;
      gateway?: string;
    }
  | { kind: "forward"; port: number; listen?: string; host: string };

/** Inputs of the provider's `Network`. */
export interface OwnedNetworkPlan {
  name: string;
  mode: "nat" | "route" | "isolated";
  bridge: string;
  domain: string;
  address: string;
  dhcpRange: { start: string; end: string };
  dnsForwarders?: string[];
  autostart: boolean;
}

/** A volume that disks of machines begin with. */
export interface ImagePlan {
  /** `base`, or `image-NN` for a node's own image. Stable: names the resource `<cluster>-<key>`. */
  key: string;
  /** Name of the volume in the pool. Carries the identity, so that old and new image exist side by side. */
  volume: string;
  /** Content, as the provider's `Volume` takes it. */
  source: { path: string; id: string } | { path: string; sha256: string };
  /** False: a user's cloud image, which gets the guest programs at first boot. */
  golden: boolean;
}

/** A read-only disk with the guest software, which all machines of cloud images share. */
export interface GuestSoftwarePlan {
  /** Name of the volume in the pool. Carries the identity, so that old and new software exist side by side. */
  volume: string;
  /** Content, as the provider's `Volume` takes it. */
  source: { path: string; id: string } | { path: string; sha256: string };
}

/** A cloud-init seed, shared by the machines of a role. */
export interface SeedPlan {
  /** Stable name of the resource: `<cluster>-seed-<role>`, or `<cluster>-seed-<node>` on an existing network. */
  name: string;
  role: NodeRole;
  /** Name of the controller, for the guest's own configuration. */
  controllerName: string;
  controllerAddress: string;
  /** Packages to install at first boot; only with a user's cloud image. */
  packages: string[];
  /** Files of the cluster file's `image.files`; only with a user's cloud image. */
  files: { path: string; content: string; mode: string }[];
  /** The image lacks the guest software: the seed takes it from its disk (`HpcClusterPlan.guestSoftware`). */
  bootstrap: boolean;
  /** NoCloud network configuration, version 2; only on an existing network. */
  networkConfig?: string;
}

/** The disk that outlives the controller: SLURM's state, accounting, homes. */
export interface StateVolumePlan {
  /** Inputs of the provider's `Volume`. */
  inputs: { name: string; pool: string; format: "qcow2"; sizeMiB: number };
  /** The engine's `protect`. */
  protect: boolean;
}

/** What a machine does in the cluster. */
export type NodeRole = "controller" | "compute";

/** One machine. */
export interface NodePlan {
  /** Name of the virtual machine, host name and SLURM node name; also the name of its resource. */
  name: string;
  role: NodeRole;
  /** 0 for the controller; for compute nodes the NN of the name. */
  number: number;
  address: string;
  mac: string;
  /** Key of its image (`ImagePlan.key`). */
  image: string;
  /** Name of its seed (`SeedPlan.name`); the component adds the seed's volume to `domain.disks`. */
  seed: string;
  /** cloud-init's instance id; changes with the image. */
  instanceId: string;
  /** Stopped for a time by a hold on the host: declared to run, but nothing is expected of it. */
  held?: true;
  /** Inputs of the provider's `Domain`, complete but for the seed's disk. */
  domain: DomainPlan;
}

/** Inputs of the provider's `Domain`. */
export interface DomainPlan {
  name: string;
  title: string;
  description: string;
  type: "kvm" | "qemu";
  machine: "q35";
  firmware: { type: "efi" | "bios" };
  vcpus: number;
  memoryMiB: number;
  cpu: CpuPlan;
  cpuPins?: { vcpu: number; cpuset: string }[];
  memoryBacking?: { hugepageKiB?: number; source?: "memfd"; access?: "shared" };
  smbiosSerial: string;
  rootDisk: { pool: string; image: string; sizeMiB: number };
  disks: DiskPlan[];
  interfaces: InterfacePlan[];
  autostart: boolean;
  running: boolean;
  /** Another value restarts the machine once. */
  restartTrigger?: string;
  deriveSshHostKey: boolean;
  stop: { timeoutSeconds: number; onTimeout: "fail" };
  quiesce: { hook: "required" | "ifPresent"; timeoutSeconds: number; onTimeout?: DrainEnd };
  ready: { wait: "hook"; timeoutSeconds: number };
  rolloutGroup: string;
  maxUnavailable: number;
}

/** The CPU that a guest sees. */
export interface CpuPlan {
  mode: "host-passthrough" | "host-model" | "maximum" | "custom";
  model?: string;
  features?: { name: string; policy: "require" | "disable" }[];
  topology: { sockets: number; cores: number; threads: number };
  numaCells?: { cpus: string; memoryMiB: number }[];
}

/** A volume that is attached to a machine. */
export interface DiskPlan {
  pool: string;
  volume: string;
  target: string;
  serial?: string;
  readOnly?: boolean;
}

/** A network interface of a machine. */
export interface InterfacePlan {
  network?: string;
  bridge?: string;
  mac: string;
  /** Reserved in the network's DHCP; absent on an existing network, where the seed carries it. */
  address?: string;
  /** libvirt's filter against false addresses, and the address that it lets the machine use. */
  filter?: string;
  filterAddress?: string;
}

/** What `slurm.conf` says, before it is text. */
export interface SlurmPlan {
  clusterName: string;
  controller: { name: string; address: string };
  /** Ordered by number. */
  nodes: SlurmNodePlan[];
  /** In the order of the cluster file. Every partition holds every compute node. */
  partitions: SlurmPartitionPlan[];
  timing: SlurmTiming;
  /** Memory per CPU of a job that asks for none, in MiB. */
  defMemPerCpuMiB: number;
  /** Further parameters of the cluster file in SLURM's spelling, ordered by name; they win over our own defaults. */
  parameters: Record<string, string>;
}

/** A compute node as slurm.conf describes it. */
export interface SlurmNodePlan {
  name: string;
  address: string;
  running: boolean;
  cpus: number;
  sockets: number;
  coresPerSocket: number;
  threadsPerCore: number;
  /** Memory that jobs may use, in MiB; below what the guest registers. */
  realMemoryMiB: number;
  /** Memory of the virtual machine in MiB. */
  vmMemoryMiB: number;
}

/** A partition. */
export interface SlurmPartitionPlan {
  name: string;
  isDefault: boolean;
  /** SLURM time, or `UNLIMITED`. */
  maxTime: string;
}

/** Time-outs in seconds, derived from the time that a machine of this host takes to boot (`withMeasuredBoot`). */
export interface SlurmTiming {
  /** Boot time that the others are computed from, rounded up to a class so that noise changes nothing. */
  bootClassSeconds: number;
  slurmctldTimeoutSeconds: number;
  slurmdTimeoutSeconds: number;
  resumeTimeoutSeconds: number;
  messageTimeoutSeconds: number;
  batchStartTimeoutSeconds: number;
  unkillableStepTimeoutSeconds: number;
  tcpTimeoutSeconds: number;
  /** For cgroup.conf, in milliseconds. */
  systemdTimeoutMilliseconds: number;
}

/** A person with an account on every machine. */
export interface UserPlan {
  name: string;
  uid: number;
  /** Names of supplementary groups, sorted. */
  groups: string[];
  /** Public keys, sorted. */
  sshKeys: string[];
  /** May become root. */
  admin: boolean;
}

/** A supplementary group. */
export interface GroupPlan {
  name: string;
  gid: number;
}

/** Where homes lie: on the state disk, or on an NFS server of the site (`host:/path`). */
export type HomePlan = { kind: "controller" } | { kind: "nfs"; export: string };

/** What proves the cluster after a change. */
export interface VerifyPlan {
  /** Time for all nodes to register, in seconds. */
  timeoutSeconds: number;
  /** Whether a job proves the cluster; false where no compute node is to run. */
  job: boolean;
}

/** How the stack reaches the machines. */
export interface SshPlan {
  /** Account for administration through the component's commands. */
  user: "hyperlab";
  /** `user@host[:port]` of the libvirt host where guests are reachable only from there. */
  proxyJump?: string;
  /** Address by which people reach the controller, where it is another one than in the cluster's network. */
  login?: string;
  /** Port there; absent: SSH's own. */
  loginPort?: number;
}

/** A secret that is made once and kept secret in state. */
export interface SecretSlot {
  name: "slurmJwks" | "databasePassword" | "clusterSshKey" | "loginSshKey" | "identitySecret";
  /** What is made. */
  kind: "slurm-jwks" | "password" | "ssh-ed25519" | "random-32-bytes";
  /** Who uses it. */
  purpose: string;
}

/** Something that the person should know before anything is created. */
export interface Finding {
  /** Stable name of the rule, for example `address-outside-subnet`. */
  id: string;
  /**
   * `error` stops the run. `unknown`: a check that could not be made, never to be read as passed.
   * `warning` and `note` inform.
   */
  severity: "error" | "unknown" | "warning" | "note";
  /** Path in the cluster file, for example `clusters.hpc.compute_nodes[1].ip`; empty for the host. */
  path: string;
  /** What is wrong, with the value. */
  text: string;
  /** What to do. */
  remedy: string;
}

/** What `planLab` returns. */
export interface PlanResult {
  /** Complete only where no finding is an error; never act on a plan with errors. */
  plan: LabPlan;
  findings: Finding[];
}
