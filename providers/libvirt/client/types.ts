/** Data that the client takes and returns. Sizes are bytes unless the name says otherwise. */

/** A domain as libvirt names it. Calls find it by `uuid`; `id` is -1 while it is not running. */
export interface DomainRef {
  readonly name: string;
  /** Lower case, with hyphens. */
  readonly uuid: string;
  readonly id: number;
}

export interface NetworkRef {
  readonly name: string;
  readonly uuid: string;
}

export interface StoragePoolRef {
  readonly name: string;
  readonly uuid: string;
}

export interface StorageVolRef {
  /** Name of the pool. */
  readonly pool: string;
  readonly name: string;
  /** libvirt's key of the volume; the path for directory pools. */
  readonly key: string;
}

export interface NodeDeviceRef {
  readonly name: string;
}

/** Limits of one call. */
export interface CallOptions {
  /** Stops waiting. A call that already left is carried out by the daemon all the same. */
  signal?: AbortSignal;
  /**
   * Time for the whole call, with reconnection. Default: the client's `callTimeoutMs`. 0 waits without end (keep-alive
   * still notices a dead connection).
   */
  timeoutMs?: number;
}

/** What a change applies to: the running guest, the definition, or both. At least one must be true. */
export interface Affect {
  live?: boolean;
  config?: boolean;
}

export type DomainState =
  | "nostate"
  | "running"
  | "blocked"
  | "paused"
  | "shutdown"
  | "shutoff"
  | "crashed"
  | "pmsuspended";

export interface DomainStateInfo {
  state: DomainState;
  /** libvirt's reason in lower case, for example `ioerror` (paused), `crashed` (shutoff), `booted` (running). */
  reason: string;
  reasonCode: number;
}

export interface DomainInfo {
  state: DomainState;
  maxMemoryKiB: number;
  memoryKiB: number;
  vcpus: number;
  cpuTimeNs: bigint;
}

export interface DomainInterface {
  name: string;
  /** Empty where the source does not know it. */
  mac: string;
  addresses: { family: "ipv4" | "ipv6"; address: string; prefix: number }[];
}

export interface DomainDiskError {
  disk: string;
  error: "none" | "unspecified" | "no-space";
}

export type ShutdownMode = "default" | "acpi" | "agent" | "initctl" | "signal" | "paravirt";

export interface UndefineOptions {
  /** Remove the managed save image as well. */
  managedSave?: boolean;
  /** Forget snapshots (their data stays). */
  snapshotsMetadata?: boolean;
  /** Forget checkpoints. */
  checkpointsMetadata?: boolean;
  /** true: remove the UEFI variables; false: keep them; absent: libvirt refuses where there are any. */
  nvram?: boolean;
  /** true: remove the TPM's state; false: keep it (both libvirt 8.9 and newer). */
  tpm?: boolean;
}

export type DhcpLease = {
  interface: string;
  /** Seconds since 1970. */
  expiry: number;
  family: "ipv4" | "ipv6";
  mac: string;
  iaid: string;
  address: string;
  prefix: number;
  hostname: string;
  clientId: string;
};

export type NetworkUpdateCommand = "modify" | "delete" | "add-last" | "add-first";

export type NetworkUpdateSection =
  | "bridge"
  | "domain"
  | "ip"
  | "ip-dhcp-host"
  | "ip-dhcp-range"
  | "forward"
  | "forward-interface"
  | "forward-pf"
  | "portgroup"
  | "dns-host"
  | "dns-txt"
  | "dns-srv";

export interface StoragePoolInfo {
  state: "inactive" | "building" | "running" | "degraded" | "inaccessible";
  capacity: number;
  allocation: number;
  available: number;
}

export interface StorageVolInfo {
  type: "file" | "block" | "dir" | "network" | "netdir" | "ploop";
  capacity: number;
  /** Bytes used on the host. */
  allocation: number;
}

export interface TransferOptions extends CallOptions {
  /** First byte in the volume. Default 0. */
  offset?: number;
  /** Bytes to transfer; for an upload what the daemon accepts at most. Default 0: all. */
  length?: number;
  /** Called after each piece with the bytes so far. */
  onProgress?: (bytes: number) => void;
}

export interface NodeInfo {
  cpuModel: string;
  memoryKiB: number;
  cpus: number;
  mhz: number;
  numaNodes: number;
  socketsPerNode: number;
  coresPerSocket: number;
  threadsPerCore: number;
}

/** KiB by name, as the daemon gives it: total, free, buffers, cached. */
export type NodeMemoryStats = Readonly<Record<string, number>>;

export interface FreePages {
  cell: number;
  pageSizeKiB: number;
  free: number;
}

export type LifecycleEventName =
  | "defined"
  | "undefined"
  | "started"
  | "suspended"
  | "resumed"
  | "stopped"
  | "shutdown"
  | "pmsuspended"
  | "crashed"
  | "unknown";

export interface DomainLifecycleEvent {
  domain: DomainRef;
  event: LifecycleEventName;
  /** libvirt's detail in lower case, for example `destroyed` of `stopped`; `detail-<number>` where it is unknown. */
  detail: string;
  eventCode: number;
  detailCode: number;
}

export interface AgentLifecycleEvent {
  domain: DomainRef;
  state: "connected" | "disconnected" | "unknown";
  reason: "unknown" | "domain-started" | "channel";
}

export interface IoErrorEvent {
  domain: DomainRef;
  /** Path of the disk's source. */
  path: string;
  /** Alias of the disk device. */
  device: string;
  action: "none" | "pause" | "report" | "unknown";
  reason: string;
}

export interface RebootEvent {
  domain: DomainRef;
}

export interface EventOptions {
  /** Only events of this domain. Default: of all. */
  domain?: DomainRef;
  /**
   * Called when the connection was lost and events are registered again: some may have been missed, so look at the
   * state now.
   */
  onResync?: () => void;
}

/** Ends a subscription. May be called again without effect. */
export type Unsubscribe = () => void;
