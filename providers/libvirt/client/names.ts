import type {
  AgentLifecycleEvent,
  DomainLifecycleEvent,
  DomainRef,
  DomainState,
  DomainStateInfo,
  IoErrorEvent,
  LifecycleEventName,
  NetworkUpdateCommand,
  NetworkUpdateSection,
  ShutdownMode,
  StoragePoolInfo,
  StorageVolInfo,
} from "./types.ts";

/* Words for libvirt's numbers (facts of its public headers). A list's index is the number. */

const domainStates: readonly DomainState[] = [
  "nostate",
  "running",
  "blocked",
  "paused",
  "shutdown",
  "shutoff",
  "crashed",
  "pmsuspended",
];

const stateReasons: Readonly<Record<DomainState, readonly string[]>> = {
  nostate: ["unknown"],
  running: [
    ...["unknown", "booted", "migrated", "restored", "from-snapshot", "unpaused", "migration-canceled"],
    ...["save-canceled", "wakeup", "crashed", "postcopy", "postcopy-failed"],
  ],
  blocked: ["unknown"],
  paused: [
    ...["unknown", "user", "migration", "save", "dump", "ioerror", "watchdog", "from-snapshot"],
    ...["shutting-down", "snapshot", "crashed", "starting-up", "postcopy", "postcopy-failed", "api-error"],
  ],
  shutdown: ["unknown", "user"],
  shutoff: [
    ...["unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot"],
    "daemon",
  ],
  crashed: ["unknown", "panicked"],
  pmsuspended: ["unknown"],
};

export function domainState(state: number): DomainState {
  return domainStates[state] ?? "nostate";
}

export function domainStateInfo(state: number, reason: number): DomainStateInfo {
  const name = domainState(state);
  return { state: name, reason: stateReasons[name][reason] ?? `reason-${reason}`, reasonCode: reason };
}

const lifecycleNames: readonly LifecycleEventName[] = [
  "defined",
  "undefined",
  "started",
  "suspended",
  "resumed",
  "stopped",
  "shutdown",
  "pmsuspended",
  "crashed",
];

const lifecycleDetails: Readonly<Record<LifecycleEventName, readonly string[]>> = {
  defined: ["added", "updated", "renamed", "from-snapshot"],
  undefined: ["removed", "renamed"],
  started: ["booted", "migrated", "restored", "from-snapshot", "wakeup"],
  suspended: [
    ...["paused", "migrated", "ioerror", "watchdog", "restored", "from-snapshot", "api-error"],
    ...["postcopy", "postcopy-failed"],
  ],
  resumed: ["unpaused", "migrated", "from-snapshot", "postcopy", "postcopy-failed"],
  stopped: ["shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot"],
  shutdown: ["finished", "guest", "host"],
  pmsuspended: ["memory", "disk"],
  crashed: ["panicked", "crashloaded"],
  unknown: [],
};

export function lifecycleEvent(wire: {
  domain: DomainRef;
  event: number;
  detail: number;
}): DomainLifecycleEvent {
  const event = lifecycleNames[wire.event] ?? "unknown";
  return {
    domain: wire.domain,
    event,
    detail: lifecycleDetails[event][wire.detail] ?? `detail-${wire.detail}`,
    eventCode: wire.event,
    detailCode: wire.detail,
  };
}

export function agentEvent(wire: { domain: DomainRef; state: number; reason: number }): AgentLifecycleEvent {
  const state = wire.state === 1 ? "connected" : wire.state === 2 ? "disconnected" : "unknown";
  const reason = wire.reason === 1 ? "domain-started" : wire.reason === 2 ? "channel" : "unknown";
  return { domain: wire.domain, state, reason };
}

const ioErrorActions: readonly IoErrorEvent["action"][] = ["none", "pause", "report"];

export function ioErrorEvent(wire: Omit<IoErrorEvent, "action"> & { action: number }): IoErrorEvent {
  return { ...wire, action: ioErrorActions[wire.action] ?? "unknown" };
}

export const shutdownFlags: Readonly<Record<ShutdownMode, number>> = {
  default: 0,
  acpi: 1,
  agent: 2,
  initctl: 4,
  signal: 8,
  paravirt: 16,
};

export const addressSources = { lease: 0, agent: 1, arp: 2 } as const;

export const updateCommands: Readonly<Record<NetworkUpdateCommand, number>> = {
  modify: 1,
  delete: 2,
  "add-last": 3,
  "add-first": 4,
};

export const updateSections: Readonly<Record<NetworkUpdateSection, number>> = {
  bridge: 1,
  domain: 2,
  ip: 3,
  "ip-dhcp-host": 4,
  "ip-dhcp-range": 5,
  forward: 6,
  "forward-interface": 7,
  "forward-pf": 8,
  portgroup: 9,
  "dns-host": 10,
  "dns-txt": 11,
  "dns-srv": 12,
};

const poolStates: readonly StoragePoolInfo["state"][] = [
  "inactive",
  "building",
  "running",
  "degraded",
  "inaccessible",
];

export function poolState(state: number): StoragePoolInfo["state"] {
  return poolStates[state] ?? "inaccessible";
}

const volTypes: readonly StorageVolInfo["type"][] = ["file", "block", "dir", "network", "netdir", "ploop"];

export function volType(type: number): StorageVolInfo["type"] {
  return volTypes[type] ?? "file";
}

const deviceCapabilities: readonly string[] = [
  ...["system", "pci", "usb_device", "usb", "net", "scsi_host", "scsi_target", "scsi", "storage", "fc_host"],
  ...["vports", "scsi_generic", "drm", "mdev_types", "mdev", "ccw", "css", "vdpa", "ap_card", "ap_queue"],
  ...["ap_matrix", "vpd"],
];

/** The list flag of a node device capability; undefined if there is none of that name. */
export function deviceCapabilityFlag(capability: string): number | undefined {
  const index = deviceCapabilities.indexOf(capability);
  return index === -1 ? undefined : 2 ** index;
}
