import type { PresentForward } from "./forward-units.ts";

/** What the planner is told about the world. The edge collects it; the planner reads nothing by itself. */

/** A value that a probe established, or the reason why it could not. */
export type Known<T> = { known: true; value: T } | { known: false; why: string };

/** Everything that the planner is told. */
export interface LabFacts {
  /** Who runs hyperlab; the default user of the cluster. */
  invoker?: { name: string; sshKeys: string[] };
  host: HostFacts;
  /** By `ImageRequest.key`. A missing entry: the image could not be resolved (see `why` there). */
  images: Record<string, ImageFact>;
  /** What is in images that hyperlab built on this machine, by the name of their volume. Default: nothing is known. */
  builtImages?: Record<string, ImageSoftware>;
}

/** Versions of an image's packages that decide which machine may take it; absent: the image lacks the package. */
export interface ImageSoftware {
  /** Debian version of slurmctld, slurmd and slurmdbd, which come from one source. */
  slurm?: string;
  /** Debian version of MariaDB's server. */
  mariadb?: string;
}

/** What is known of an image before it is uploaded. */
export interface ImageFact {
  /** File on the machine that runs the engine. */
  path: string;
  /** Identity: of a golden image its recipe and packages, of guest software its release's files, of a file its SHA-256. */
  identity: { id: string } | { sha256: string };
  /** Found by content, not by suffix. `missing` where there is no such file. */
  format: Known<"qcow2" | "raw" | "other" | "missing">;
  virtualSizeMiB: Known<number>;
  /** Default: not known. */
  software?: Known<ImageSoftware>;
}

/** What is known of the host; each value alone may be unknown. */
export interface HostFacts {
  /** KVM runs something, proven by doing so. */
  kvm: Known<boolean>;
  cpuVendor: Known<"intel" | "amd" | "other">;
  /** Features that a guest can have under the chosen domain type. */
  cpuFeatures: Known<string[]>;
  /** The host's KVM module allows nested guests. */
  nested: Known<boolean>;
  cpus: Known<HostCpu[]>;
  memoryMiB: Known<number>;
  /** Free space of the file system that holds the pool, in MiB. */
  poolFreeMiB: Known<number>;
  /** Free pages by page size in KiB. */
  freeHugepages: Known<{ sizeKiB: number; count: number }[]>;
  /** Networks that the host has, by any means: libvirt networks, interfaces, routes. */
  networks: Known<HostNetwork[]>;
  /** Bridges and other interfaces of the host by name. */
  interfaces: Known<{ name: string; owned: boolean }[]>;
  domains: Known<HostDomain[]>;
  /** Names of libvirt's network filters; none where its package for them is not installed. */
  networkFilters: Known<string[]>;
  /** Pools by name. */
  pools: Known<{ name: string; owned: boolean }[]>;
  /** How long the host waits for a machine when it shuts down itself; infinite where it does not stop to wait. */
  guestShutdownSeconds: Known<number>;
  /** Ports of the host that lead to login machines, of any cluster. */
  forwards: Known<PresentForward[]>;
}

/** A CPU of the host. */
export interface HostCpu {
  id: number;
  numaNode: number;
}

/** A network that the host has or reaches. */
export interface HostNetwork {
  /** Name of the libvirt network or the interface. */
  name: string;
  kind: "libvirt" | "interface" | "route";
  /** In prefix form, where it has an IPv4 network. */
  subnet?: string;
  /** Ranges from which its own DHCP gives addresses to whoever asks; only of a libvirt network. */
  dhcpRanges?: { start: string; end: string }[];
  /** Made by this stack. */
  owned: boolean;
}

/** A machine of the host. */
export interface HostDomain {
  name: string;
  /** Made by this stack. */
  owned: boolean;
  running: boolean;
  memoryMiB: number;
  vcpus: number;
  /** MAC addresses of its interfaces. */
  macs: string[];
  /** Host CPUs that its vCPUs are pinned to by its definition, in the order of the vCPUs. Empty: not pinned. */
  pinnedCpus: number[];
  /** Stopped for a time by a hold, which is not to be undone. */
  held?: true;
  /** Volume of the image that its root disk began with; only of a machine of this stack, and where that is known. */
  rootImage?: string;
}

/** An image that the configuration asks for. The edge resolves it to an `ImageFact` with the same key. */
export type ImageRequest =
  | {
      key: string;
      kind: "golden";
      packages: string[];
      files: { path: string; content: string; mode: string }[];
      /** Number that the user raises to get a fresh image. */
      revision: number;
      /** Moment of Debian's archive; absent: the mirror as it is at the build. */
      snapshot?: string;
    }
  | { key: string; kind: "file"; path: string; sha256?: string }
  | { key: string; kind: "url"; url: string; sha256: string }
  | {
      key: string;
      /** The disk with the guest software, which machines of a user's cloud image take it from. */
      kind: "guest";
      /** The person asks for the present software by changing one of these. */
      packages: string[];
      files: { path: string; content: string; mode: string }[];
      revision: number;
    };

/** Facts where nothing could be probed; every check that needs the host is then "unknown". */
export function unknownHost(why: string): HostFacts {
  const unknown = { known: false, why } as const;
  return {
    kvm: unknown,
    cpuVendor: unknown,
    cpuFeatures: unknown,
    nested: unknown,
    cpus: unknown,
    memoryMiB: unknown,
    poolFreeMiB: unknown,
    freeHugepages: unknown,
    networks: unknown,
    interfaces: unknown,
    domains: unknown,
    networkFilters: unknown,
    pools: unknown,
    guestShutdownSeconds: unknown,
    forwards: unknown,
  };
}
