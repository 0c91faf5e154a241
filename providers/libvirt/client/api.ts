import type {
  Affect,
  AgentLifecycleEvent,
  CallOptions,
  DhcpLease,
  DomainDiskError,
  DomainInfo,
  DomainInterface,
  DomainLifecycleEvent,
  DomainRef,
  DomainStateInfo,
  EventOptions,
  FreePages,
  IoErrorEvent,
  NetworkRef,
  NetworkUpdateCommand,
  NetworkUpdateSection,
  NodeDeviceRef,
  NodeInfo,
  NodeMemoryStats,
  RebootEvent,
  ShutdownMode,
  StoragePoolInfo,
  StoragePoolRef,
  StorageVolInfo,
  StorageVolRef,
  TransferOptions,
  UndefineOptions,
  Unsubscribe,
} from "./types.ts";

/**
 * Functions carry libvirt's names (virDomainCreate is `domainCreate`). All reject with LibvirtError when the daemon
 * refuses, and with LibvirtConnectionError when it cannot be asked or its answer was lost. Lookups return undefined
 * only when the daemon says that there is no such object.
 */
export interface DomainFunctions {
  /** Defines or redefines a domain. `validate` (default true) checks the XML against libvirt's schema. */
  domainDefineXml(xml: string, options?: CallOptions & { validate?: boolean }): Promise<DomainRef>;
  domainLookupByName(name: string, options?: CallOptions): Promise<DomainRef | undefined>;
  domainLookupByUuid(uuid: string, options?: CallOptions): Promise<DomainRef | undefined>;
  /** `inactive`: the definition instead of the running guest's. `secure`: with passwords. */
  domainGetXmlDesc(
    ref: DomainRef,
    options?: CallOptions & { inactive?: boolean; secure?: boolean },
  ): Promise<string>;
  /** Starts a defined domain; `paused` starts it without running its CPUs. Default time limit 10 minutes. */
  domainCreate(ref: DomainRef, options?: CallOptions & { paused?: boolean }): Promise<DomainRef>;
  /** Asks the guest to shut down and returns at once. */
  domainShutdown(ref: DomainRef, options?: CallOptions & { mode?: ShutdownMode }): Promise<void>;
  /** Stops a guest hard. `graceful`: fails rather than kill a QEMU that does not react. */
  domainDestroy(ref: DomainRef, options?: CallOptions & { graceful?: boolean }): Promise<void>;
  domainUndefine(ref: DomainRef, options?: CallOptions & UndefineOptions): Promise<void>;
  domainSuspend(ref: DomainRef, options?: CallOptions): Promise<void>;
  domainResume(ref: DomainRef, options?: CallOptions): Promise<void>;
  /** Wakes a guest that has put itself to sleep (state `pmsuspended`). */
  domainPmWakeup(ref: DomainRef, options?: CallOptions): Promise<void>;
  /** Whether libvirt keeps the memory of the guest, which goes on from there at its next start. */
  domainHasManagedSave(ref: DomainRef, options?: CallOptions): Promise<boolean>;
  domainReset(ref: DomainRef, options?: CallOptions): Promise<void>;
  domainGetState(ref: DomainRef, options?: CallOptions): Promise<DomainStateInfo>;
  domainGetInfo(ref: DomainRef, options?: CallOptions): Promise<DomainInfo>;
  /** Without `active` and `inactive`: all. `autostart`: only those that start with their host. */
  domainList(
    options?: CallOptions & { active?: boolean; inactive?: boolean; autostart?: boolean },
  ): Promise<DomainRef[]>;
  /** Sets the metadata element of a namespace; `xml` undefined removes it. `key` is the prefix, needed with xml. */
  domainSetMetadata(
    ref: DomainRef,
    metadata: { uri: string; key?: string; xml: string | undefined },
    options: CallOptions & Affect,
  ): Promise<void>;
  /** The metadata element of a namespace, undefined if there is none. Default: of the definition. */
  domainGetMetadata(ref: DomainRef, uri: string, options?: CallOptions & Affect): Promise<string | undefined>;
  /** `maximum`: sets the limit instead of the current number. `guest`: through the agent. */
  domainSetVcpus(
    ref: DomainRef,
    vcpus: number,
    options: CallOptions & Affect & { maximum?: boolean; guest?: boolean },
  ): Promise<void>;
  domainSetMemory(
    ref: DomainRef,
    memoryKiB: number,
    options: CallOptions & Affect & { maximum?: boolean },
  ): Promise<void>;
  domainAttachDevice(ref: DomainRef, xml: string, options: CallOptions & Affect): Promise<void>;
  domainDetachDevice(ref: DomainRef, xml: string, options: CallOptions & Affect): Promise<void>;
  domainUpdateDevice(
    ref: DomainRef,
    xml: string,
    options: CallOptions & Affect & { force?: boolean },
  ): Promise<void>;
  domainSetAutostart(ref: DomainRef, autostart: boolean, options?: CallOptions): Promise<void>;
  domainGetAutostart(ref: DomainRef, options?: CallOptions): Promise<boolean>;
  /** Resizes a disk of a running guest. `disk` is its target or source path. */
  domainBlockResize(ref: DomainRef, disk: string, bytes: number, options?: CallOptions): Promise<void>;
  /** `lease`: the network's DHCP server; `agent`: the guest agent; `arp`: the host's table. */
  domainInterfaceAddresses(
    ref: DomainRef,
    source: "lease" | "agent" | "arp",
    options?: CallOptions,
  ): Promise<DomainInterface[]>;
  /** `cpus` are numbers of host CPUs. */
  domainPinVcpu(
    ref: DomainRef,
    vcpu: number,
    cpus: readonly number[],
    options: CallOptions & Affect,
  ): Promise<void>;
  domainPinEmulator(ref: DomainRef, cpus: readonly number[], options: CallOptions & Affect): Promise<void>;
  domainGetDiskErrors(ref: DomainRef, options?: CallOptions): Promise<DomainDiskError[]>;
  /**
   * Sends one JSON command to the guest agent and returns its JSON answer. `timeoutSeconds` is the daemon's wait for
   * the agent; the call's own deadline is set 10 seconds beyond it unless given.
   */
  qemuAgentCommand(
    ref: DomainRef,
    command: string,
    timeoutSeconds: number,
    options?: CallOptions,
  ): Promise<string>;
}

export interface NetworkFunctions {
  networkLookupByName(name: string, options?: CallOptions): Promise<NetworkRef | undefined>;
  networkLookupByUuid(uuid: string, options?: CallOptions): Promise<NetworkRef | undefined>;
  networkList(options?: CallOptions & { active?: boolean; inactive?: boolean }): Promise<NetworkRef[]>;
  /** Defines or redefines. `validate` (default true) checks the XML against libvirt's schema. */
  networkDefineXml(xml: string, options?: CallOptions & { validate?: boolean }): Promise<NetworkRef>;
  networkCreate(ref: NetworkRef, options?: CallOptions): Promise<void>;
  networkDestroy(ref: NetworkRef, options?: CallOptions): Promise<void>;
  networkUndefine(ref: NetworkRef, options?: CallOptions): Promise<void>;
  networkGetXmlDesc(ref: NetworkRef, options?: CallOptions & { inactive?: boolean }): Promise<string>;
  networkSetAutostart(ref: NetworkRef, autostart: boolean, options?: CallOptions): Promise<void>;
  networkGetAutostart(ref: NetworkRef, options?: CallOptions): Promise<boolean>;
  networkIsActive(ref: NetworkRef, options?: CallOptions): Promise<boolean>;
  /** Changes one section. `parentIndex` -1: the first that fits. */
  networkUpdate(
    ref: NetworkRef,
    command: NetworkUpdateCommand,
    section: NetworkUpdateSection,
    parentIndex: number,
    xml: string,
    options: CallOptions & Affect,
  ): Promise<void>;
  networkGetDhcpLeases(ref: NetworkRef, options?: CallOptions & { mac?: string }): Promise<DhcpLease[]>;
  /** As domainSetMetadata; libvirt 9.7 and newer; older ones answer VIR_ERR_RPC (unknown procedure). */
  networkSetMetadata(
    ref: NetworkRef,
    metadata: { uri: string; key?: string; xml: string | undefined },
    options: CallOptions & Affect,
  ): Promise<void>;
  networkGetMetadata(
    ref: NetworkRef,
    uri: string,
    options?: CallOptions & Affect,
  ): Promise<string | undefined>;
}

export interface StorageFunctions {
  storagePoolLookupByName(name: string, options?: CallOptions): Promise<StoragePoolRef | undefined>;
  storagePoolLookupByUuid(uuid: string, options?: CallOptions): Promise<StoragePoolRef | undefined>;
  storagePoolLookupByVolume(vol: StorageVolRef, options?: CallOptions): Promise<StoragePoolRef | undefined>;
  storagePoolList(
    options?: CallOptions & { active?: boolean; inactive?: boolean },
  ): Promise<StoragePoolRef[]>;
  /** `validate` (default true) checks the XML against libvirt's schema. */
  storagePoolDefineXml(xml: string, options?: CallOptions & { validate?: boolean }): Promise<StoragePoolRef>;
  /** Makes the pool's directory. */
  storagePoolBuild(ref: StoragePoolRef, options?: CallOptions): Promise<void>;
  storagePoolCreate(ref: StoragePoolRef, options?: CallOptions): Promise<void>;
  storagePoolDestroy(ref: StoragePoolRef, options?: CallOptions): Promise<void>;
  /** Removes what storagePoolBuild made; for a directory pool the directory, which must be empty. */
  storagePoolDelete(ref: StoragePoolRef, options?: CallOptions): Promise<void>;
  storagePoolUndefine(ref: StoragePoolRef, options?: CallOptions): Promise<void>;
  storagePoolRefresh(ref: StoragePoolRef, options?: CallOptions): Promise<void>;
  storagePoolGetInfo(ref: StoragePoolRef, options?: CallOptions): Promise<StoragePoolInfo>;
  storagePoolGetXmlDesc(ref: StoragePoolRef, options?: CallOptions & { inactive?: boolean }): Promise<string>;
  storagePoolSetAutostart(ref: StoragePoolRef, autostart: boolean, options?: CallOptions): Promise<void>;
  storagePoolGetAutostart(ref: StoragePoolRef, options?: CallOptions): Promise<boolean>;
  storagePoolIsActive(ref: StoragePoolRef, options?: CallOptions): Promise<boolean>;
  storagePoolListVolumes(ref: StoragePoolRef, options?: CallOptions): Promise<StorageVolRef[]>;

  storageVolLookupByName(
    pool: StoragePoolRef,
    name: string,
    options?: CallOptions,
  ): Promise<StorageVolRef | undefined>;
  storageVolLookupByPath(path: string, options?: CallOptions): Promise<StorageVolRef | undefined>;
  storageVolLookupByKey(key: string, options?: CallOptions): Promise<StorageVolRef | undefined>;
  storageVolCreateXml(pool: StoragePoolRef, xml: string, options?: CallOptions): Promise<StorageVolRef>;
  /** A full copy of `source`. No time limit by default. */
  storageVolCreateXmlFrom(
    pool: StoragePoolRef,
    xml: string,
    source: StorageVolRef,
    options?: CallOptions,
  ): Promise<StorageVolRef>;
  storageVolDelete(vol: StorageVolRef, options?: CallOptions): Promise<void>;
  storageVolGetInfo(vol: StorageVolRef, options?: CallOptions): Promise<StorageVolInfo>;
  storageVolGetPath(vol: StorageVolRef, options?: CallOptions): Promise<string>;
  storageVolGetXmlDesc(vol: StorageVolRef, options?: CallOptions): Promise<string>;
  /** New capacity in bytes. Refused by libvirt when smaller, unless `shrink`. */
  storageVolResize(
    vol: StorageVolRef,
    bytes: number,
    options?: CallOptions & { shrink?: boolean; allocate?: boolean },
  ): Promise<void>;
  /**
   * Writes `content` into the volume, on a connection of its own, in bounded memory. Resolves with the bytes sent once
   * the daemon has confirmed all of them. No time limit by default: a dead connection is noticed by keep-alive. Never
   * repeated by itself, as the content can be read only once.
   */
  storageVolUpload(
    vol: StorageVolRef,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: TransferOptions,
  ): Promise<number>;
  /** The volume's bytes. Ends early only with an error; breaking out of the loop aborts the transfer. */
  storageVolDownload(vol: StorageVolRef, options?: TransferOptions): AsyncIterable<Uint8Array>;
}

export interface HostFunctions {
  /** XML of the host and the guests that it can run. */
  getCapabilities(options?: CallOptions): Promise<string>;
  /** XML of what a domain can have; absent values are the daemon's defaults. */
  getDomainCapabilities(
    query?: { emulator?: string; arch?: string; machine?: string; virttype?: string },
    options?: CallOptions,
  ): Promise<string>;
  nodeGetInfo(options?: CallOptions): Promise<NodeInfo>;
  /** Memory of the host, or of one NUMA cell. */
  nodeGetMemoryStats(options?: CallOptions & { cell?: number }): Promise<NodeMemoryStats>;
  /** Free huge pages by NUMA cell and size. */
  nodeGetFreePages(
    query: { pageSizesKiB: readonly number[]; startCell: number; cellCount: number },
    options?: CallOptions,
  ): Promise<FreePages[]>;
  getHostname(options?: CallOptions): Promise<string>;
  /** libvirt's version as major * 1,000,000 + minor * 1,000 + release. */
  getLibVersion(options?: CallOptions): Promise<number>;
  /** The hypervisor's version, written the same way. */
  getVersion(options?: CallOptions): Promise<number>;
  /** Name of the driver, for example `QEMU` or `TEST`. */
  getType(options?: CallOptions): Promise<string>;
  getUri(options?: CallOptions): Promise<string>;
  /** XML of the host's SMBIOS tables. */
  getSysinfo(options?: CallOptions): Promise<string>;
  /** Devices of the host; `capability` for example `pci` or `mdev`. */
  nodeDeviceList(options?: CallOptions & { capability?: string }): Promise<NodeDeviceRef[]>;
  /** Names of libvirt's network filters (nwfilter). */
  networkFilterList(options?: CallOptions): Promise<string[]>;
  nodeDeviceGetXmlDesc(ref: NodeDeviceRef, options?: CallOptions): Promise<string>;
}

/** Subscriptions resolve when the daemon has registered them, and survive reconnection. */
export interface EventFunctions {
  onDomainLifecycle(
    callback: (event: DomainLifecycleEvent) => void,
    options?: EventOptions,
  ): Promise<Unsubscribe>;
  onAgentLifecycle(
    callback: (event: AgentLifecycleEvent) => void,
    options?: EventOptions,
  ): Promise<Unsubscribe>;
  onIoError(callback: (event: IoErrorEvent) => void, options?: EventOptions): Promise<Unsubscribe>;
  onReboot(callback: (event: RebootEvent) => void, options?: EventOptions): Promise<Unsubscribe>;
}

/** One libvirt host. Connects at the first call; many calls may run at the same time. */
export interface LibvirtClient
  extends DomainFunctions,
    NetworkFunctions,
    StorageFunctions,
    HostFunctions,
    EventFunctions {
  /** The URI as it was given. */
  readonly uri: string;
  /** Ends all connections and subscriptions and removes what the transport made. Pending calls are rejected. */
  close(): Promise<void>;
}

export interface ClientOptions {
  /** Connections for calls. Default 4. Streams and events have their own. */
  maxConnections?: number;
  /** Calls that one connection may have under way. Default 4: libvirtd serves five. */
  maxCallsPerConnection?: number;
  /** Default time limit of a call. Default 120,000. */
  callTimeoutMs?: number;
  /** Time limit for making one connection, with ssh and authentication. Default 30,000. */
  connectTimeoutMs?: number;
  /** How long a call keeps trying to reach a daemon that was there before (a restart). Default 30,000. */
  reconnectTimeoutMs?: number;
  /** Keep-alive question after this long without a message. Default 5,000. */
  keepAliveIntervalMs?: number;
  /** A connection is dead after this many unanswered questions. Default 6. */
  keepAliveCount?: number;
  /** Told about what works but should be changed, for example a session daemon. Default: nothing. */
  onWarning?: (text: string) => void;
}
