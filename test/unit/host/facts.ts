import { PROXY_PROGRAMS } from "../../../planning/forward-units.ts";
import type { HostNeeds, HostState, LibvirtFacts, SystemFacts } from "../../../tools/host/facts.ts";
import type { ForwardFacts } from "../../../tools/host/forward-facts.ts";
import { known } from "../../../tools/preflight/facts.ts";

/** Settings that give the machines below all the time that they need. */
export const goodSettings = "ON_SHUTDOWN=shutdown\nSHUTDOWN_TIMEOUT=4000\nPARALLEL_SHUTDOWN=10\n";

/** A controller and two nodes with the default waits: 3600 s for jobs, 300 s for the shutdown. */
export const needs: HostNeeds = {
  machines: ["controller", "node-1", "node-2"].map((name) => ({
    name,
    uuid: `uuid-${name}`,
    type: "kvm" as const,
    runs: true,
    autostart: true,
    memoryMiB: 2048,
    drainSeconds: 3600,
    stopSeconds: 300,
  })),
  forward: known({ cluster: "lab", forward: undefined }),
};

/** Units as systemd shows them on a host that is set up well. */
export const units = (over: Readonly<Record<string, Readonly<Record<string, string>>>> = {}) =>
  new Map(
    Object.entries({
      "libvirt-guests.service": {
        Id: "libvirt-guests.service",
        LoadState: "loaded",
        ActiveState: "active",
        UnitFileState: "enabled",
        TimeoutStopUSec: "infinity",
        After: "network.target libvirtd.socket time-sync.target",
        ...over["libvirt-guests.service"],
      },
      "poweroff.target": { JobTimeoutUSec: "2h", ...over["poweroff.target"] },
      "reboot.target": { JobTimeoutUSec: "2h", ...over["reboot.target"] },
    }).map(([name, properties]) => [name, new Map(Object.entries(properties))] as const),
  );

/** A host without ports for logins, where only its own SSH listens. */
export const forwardFacts = (over: Partial<ForwardFacts> = {}): ForwardFacts => ({
  files: new Map(),
  sockets: new Map(),
  listening: known([{ port: 22 }]),
  proxy: PROXY_PROGRAMS[0],
  ...over,
});

/** A host without any fault. */
export function healthySystem(over: Partial<SystemFacts> = {}): SystemFacts {
  return {
    root: known(true),
    guestsFile: known({ path: "/etc/default/libvirt-guests", text: goodSettings }),
    guestsDefaults: known(new Map([["ON_BOOT", "ignore"]])),
    units: known(units()),
    dropIns: new Map(),
    kvm: { usable: true, reason: "a test program ran under KVM" },
    iptables: known({ forward: ["-P FORWARD ACCEPT"], input: ["-P INPUT ACCEPT"] }),
    nftables: known(""),
    firewalld: { running: false, hasLibvirtZone: false },
    docker: false,
    ufwEnabled: false,
    bridgeTrafficIsFiltered: false,
    memory: known({ totalMiB: 16_000, swapMiB: 0 }),
    clockSynchronised: known(true),
    forwards: known(forwardFacts()),
    ...over,
  };
}

/** libvirt on that host, with the machines above. */
export function healthyLibvirt(over: Partial<LibvirtFacts> = {}): LibvirtFacts {
  return {
    domains: needs.machines.map(({ memoryMiB, name, uuid }) => ({
      name,
      uuid,
      running: true,
      autostart: true,
      memoryMiB,
      evacuated: false,
    })),
    pools: [{ name: "lab", freeMiB: 50_000, growthMiB: 30_000 }],
    bridges: ["hlab0"],
    ...over,
  };
}

export const healthy = (
  system: Partial<SystemFacts> = {},
  libvirt: Partial<LibvirtFacts> = {},
): HostState => ({
  system: healthySystem(system),
  libvirt: known(healthyLibvirt(libvirt)),
});
