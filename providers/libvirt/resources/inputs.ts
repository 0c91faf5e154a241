/**
 * Inputs of the provider's resources, as the program sends them. Property names follow libvirt's XML where it has the
 * thing; sizes carry their unit in the name. The schema, the effects table and the SDK are derived from the tables in
 * `../schema/`, which must name every field here (checked by the compiler).
 */

/** Where a volume's bytes come from. */
export interface VolumeSource {
  /** File on the machine that runs the engine. Read only while the volume is created. */
  path: string;
  /** Identity of an image (its recipe and revision); a changed id replaces the volume. Exactly one of `id` and `sha256`. */
  id?: string;
  /** SHA-256 of the file in hex, verified while it is uploaded. */
  sha256?: string;
}

export interface PoolInputs {
  name: string;
  /** `dir` is the only type so far. */
  type?: "dir";
  /** Absolute path of the directory on the libvirt host. */
  path: string;
  /** Take over a pool that exists and carries no mark of ours instead of refusing. Its content is never deleted. */
  adopt?: boolean;
  /** Start the pool when the host boots. Default true. */
  autostart?: boolean;
}

export interface VolumeInputs {
  name: string;
  /** Name of the pool. */
  pool: string;
  /** `qcow2` or `raw`. Default qcow2; with a source the file's own format, recognised by content. */
  format?: "qcow2" | "raw";
  /** Capacity. Growing is live; shrinking is forbidden. With a source: at least the image's own size. */
  sizeMiB?: number;
  /** Uploaded content. Mutually exclusive with `text` content of a seed. */
  source?: VolumeSource;
  /** NoCloud seed made and uploaded by the provider (ISO 9660, label CIDATA). A change replaces the volume. */
  seed?: { userData: string; metaData: string; networkConfig?: string };
}

export interface DhcpRange {
  start: string;
  end: string;
}

export interface NetworkInputs {
  name: string;
  /** nat | route | isolated (no forward) | bridge (an existing host bridge). */
  mode: "nat" | "route" | "isolated" | "bridge";
  /** Host bridge: its name; created for nat, route, isolated; existing for `bridge`. At most 15 characters. */
  bridge: string;
  /** DNS domain of the network, for example `hpc.local`. */
  domain?: string;
  /** Address of the host in the network with prefix, for example `10.50.0.1/24`. Not for `bridge`. */
  address?: string;
  dhcpRange?: DhcpRange;
  /** DNS forwarders. */
  dnsForwarders?: string[];
  /** Further records that belong to the network and not to a domain. */
  dnsHosts?: { address: string; hostnames: string[] }[];
  autostart?: boolean;
}

export type CpuMode = "host-passthrough" | "host-model" | "maximum" | "custom";

export interface CpuInputs {
  mode: CpuMode;
  /** Model for mode `custom`, for example `qemu64`. */
  model?: string;
  features?: { name: string; policy: "require" | "disable" | "optional" | "force" | "forbid" }[];
  topology?: { sockets: number; dies?: number; cores: number; threads: number };
  numaCells?: { cpus: string; memoryMiB: number }[];
}

export interface RootDiskInputs {
  /** Pool of the overlay. */
  pool: string;
  /** Name of the image volume in the same pool; the overlay is copy-on-write over it. A changed image is a rebuild. */
  image: string;
  /** Size of the overlay. Growing is live (the guest grows its file system at boot), shrinking is forbidden. */
  sizeMiB: number;
}

export interface DiskInputs {
  pool: string;
  volume: string;
  /** Guest device, for example `vdb`. */
  target: string;
  /** Serial number shown to the guest; finds the disk as /dev/disk/by-id/virtio-SERIAL. */
  serial?: string;
  readOnly?: boolean;
  /** cloud-init's data, read once for each root disk: another volume is a rebuild. Implies `readOnly`. */
  seed?: boolean;
  /** `disk` (default) or `cdrom`. */
  device?: "disk" | "cdrom";
}

export interface InterfaceInputs {
  /** libvirt network; exactly one of `network` and `bridge`. */
  network?: string;
  /** Bridge of the host. */
  bridge?: string;
  mac: string;
  /** Address reserved in the network's DHCP for this MAC. Only with `network` and a network that has DHCP. */
  address?: string;
  /** Host name of the reservation and of the DNS entry. Default: the domain's name. */
  hostname?: string;
  /** Default virtio. */
  model?: string;
  /** libvirt's filter (nwfilter) of what the guest may send and get, for example clean-traffic. */
  filter?: string;
  /** Address that the filter lets the guest use: its variable IP. Only with a filter. */
  filterAddress?: string;
}

export interface HostDeviceInputs {
  /** PCI address on the host, `0000:41:00.0`. */
  address: string;
  /** Address in the guest, `0000:05:00.0`, with `multifunction` where needed. */
  guestAddress?: string;
  multifunction?: boolean;
  /** libvirt detaches and re-attaches the host driver. Default false (bound to vfio for good). */
  managed?: boolean;
  romBar?: boolean;
}

export interface FilesystemInputs {
  tag: string;
  hostPath: string;
  readOnly?: boolean;
  queueSize?: number;
}

export interface StopInputs {
  /** Time for the guest to shut down after it was quiesced. Default 300. */
  timeoutSeconds?: number;
  /** `fail` (default): an error with advice. `powerOff`: hard power-off after the deadline. */
  onTimeout?: "fail" | "powerOff";
}

export interface QuiesceInputs {
  /** `required` (default): a missing agent or hook is an error; `ifPresent`: stop without; `never`: do not ask. */
  hook?: "required" | "ifPresent" | "never";
  /** Time for the hook to empty the machine. Default 3600. */
  timeoutSeconds?: number;
  /** What happens to work that still runs then. Default fail. */
  onTimeout?: QuiescePolicy;
}

/** `fail`: an error. `requeue`: what can begin again is put back. `wait`: no time limit. `kill`: it is cancelled. */
export type QuiescePolicy = "fail" | "requeue" | "wait" | "kill";

export interface ReadyInputs {
  /** `hook`: the guest's ready program says so. `agent`: the agent answers. `none`: running is enough. Default hook. */
  wait?: "hook" | "agent" | "none";
  /** Time from start to ready. Default 900. */
  timeoutSeconds?: number;
}

export interface DomainInputs {
  name: string;
  /** Text for people, in the domain's title. */
  title?: string;
  description?: string;
  /** `kvm` or `qemu` (emulation). Default kvm. */
  type?: "kvm" | "qemu";
  arch?: string;
  /** Default q35. */
  machine?: string;
  /** Virtual CPUs online. */
  vcpus: number;
  /** Hot-plug limit. Default: vcpus. */
  maxVcpus?: number;
  memoryMiB: number;
  /** Limit for live growth. Default: memoryMiB. */
  maxMemoryMiB?: number;
  cpu?: CpuInputs;
  /** Pins of virtual CPUs to host CPUs: `cpuset` as libvirt writes it, `4-5,8`. */
  cpuPins?: { vcpu: number; cpuset: string }[];
  emulatorPin?: string;
  /** Host NUMA nodes that the memory comes from. */
  numaTune?: { mode: "strict" | "preferred" | "interleave" | "restrictive"; nodeset: string };
  memoryBacking?: {
    hugepageKiB?: number;
    source?: "anonymous" | "memfd" | "file";
    access?: "private" | "shared";
    locked?: boolean;
  };
  firmware?: { type: "bios" | "efi"; secureBoot?: boolean; enrolledKeys?: boolean };
  /** SMBIOS system serial: carries `ds=nocloud;h=NAME;i=ID` to cloud-init. */
  smbiosSerial?: string;
  /** The overlay that the domain owns. Absent for an imported domain. */
  rootDisk?: RootDiskInputs;
  /** Other volumes, which live longer than the domain. */
  disks?: DiskInputs[];
  interfaces?: InterfaceInputs[];
  hostDevices?: HostDeviceInputs[];
  filesystems?: FilesystemInputs[];
  tpm?: { model?: "tpm-crb" | "tpm-tis"; version?: "2.0" };
  /** Random number generator from the host. Default true. */
  rng?: boolean;
  /** Serial console. Default true. */
  console?: boolean;
  /** Virtual display (VNC on the host's loopback). Default false. */
  display?: boolean;
  /** Guest agent channel. Default true. */
  guestAgent?: boolean;
  /** Default false. */
  autostart?: boolean;
  /** Declared power state. Default true. */
  running?: boolean;
  /** Another value restarts the machine once. */
  restartTrigger?: string;
  /** Text that is kept with the definition, for whoever has to rebuild the state of the stack. Base64. */
  recoveryRecord?: string;
  /**
   * Write the SSH host key that is derived from the provider's `identitySecret` and the domain's name into the guest
   * through the agent, at the first boot of each new root disk. Default false.
   */
  deriveSshHostKey?: boolean;
  /** Which of the keys that are derived for this domain, from 1 on. A running guest takes another one at once. Default 1. */
  sshHostKeyGeneration?: number;
  /** Public key that the guest lets its administration account log in with, in place of the one of its seed. */
  loginPublicKey?: string;
  stop?: StopInputs;
  quiesce?: QuiesceInputs;
  ready?: ReadyInputs;
  /** Machines with the same group share permits for restarts and rebuilds. Default: no group, no limit. */
  rolloutGroup?: string;
  /** Machines of the group that may be down at a time. Default 1. */
  maxUnavailable?: number;
}

/** Configuration of the provider. */
export interface ProviderConfig {
  /** Connection URI of the host. */
  uri: string;
  /** Random id of the stack; marks what the stack owns. */
  owner: string;
  /** Secret from which SSH host keys are derived. */
  identitySecret?: string;
  /** Bytes of file and refresh behaviour for hosts that cannot be reached. Default true. */
  refreshBeforeUpdate?: boolean;
}
