import { HOST_RESERVE_MIB, QEMU_OVERHEAD_MIB } from "../../../planning/host-checks/resources.ts";
import type { HostNeeds, HostState, LibvirtFacts } from "../facts.ts";
import { type HostFinding, passed } from "./finding.ts";

const gibibytes = (mebibytes: number): string => `${(mebibytes / 1024).toFixed(1)} GiB`;

/** Space of the pools, memory, clock. */
export function checkResources(state: HostState, needs: HostNeeds): HostFinding[] {
  return [...checkPools(state), checkMemory(state, needs), checkClock(state)];
}

function checkPools({ libvirt }: HostState): HostFinding[] {
  const id = "pool-space";
  const why = "a machine whose disk cannot grow is paused in the middle of its work";
  if (!libvirt.known) {
    const what = `the space of the pools is not known: ${libvirt.why}`;
    return [{ id, state: "unknown", what, why, remedy: "make libvirt reachable and ask again" }];
  }
  if (libvirt.value.pools.length === 0) return [passed(id, "the stack has no disks in a pool yet")];
  return libvirt.value.pools.map(({ freeMiB, growthMiB, name }) => {
    const what = `pool ${name}: ${gibibytes(freeMiB)} free, its disks may still grow by ${gibibytes(growthMiB)}`;
    if (freeMiB >= growthMiB) return passed(id, what);
    const full = freeMiB < Math.min(1024, growthMiB);
    const remedy = "free space there, or move the pool to a larger file system";
    return { id, state: full ? ("error" as const) : ("warning" as const), what, why, remedy };
  });
}

/** MiB that run or are declared to run; each machine once. */
export function wantedMemory(
  libvirt: LibvirtFacts,
  needs: HostNeeds,
): { machines: number; wantedMiB: number } {
  const running = libvirt.domains.filter((domain) => domain.running);
  const seen = new Set(running.map(({ uuid }) => uuid));
  const waiting = needs.machines.filter((machine) => machine.runs && !seen.has(machine.uuid));
  const all = [...running, ...waiting];
  return {
    machines: all.length,
    wantedMiB: all.reduce((sum, { memoryMiB }) => sum + memoryMiB + QEMU_OVERHEAD_MIB, 0),
  };
}

function checkMemory({ libvirt, system }: HostState, needs: HostNeeds): HostFinding {
  const id = "memory";
  const why = "without memory the kernel ends a machine to save the host";
  const reason = !libvirt.known ? libvirt.why : !system.memory.known ? system.memory.why : undefined;
  if (!libvirt.known || !system.memory.known) {
    const what = `whether the memory suffices is not known: ${reason}`;
    return { id, state: "unknown", what, why, remedy: "look at `free -m` on the host" };
  }
  const { swapMiB, totalMiB } = system.memory.value;
  const { machines, wantedMiB } = wantedMemory(libvirt.value, needs);
  const most = wantedMiB + HOST_RESERVE_MIB;
  const what = `${machines} machines take up to ${gibibytes(wantedMiB)} of ${gibibytes(totalMiB)}; the host keeps ${gibibytes(HOST_RESERVE_MIB)}`;
  if (most <= totalMiB) return passed(id, what);
  const remedy = "declare fewer or smaller nodes, or stop other machines";
  return { id, state: most > totalMiB + swapMiB ? "error" : "warning", what, why, remedy };
}

function checkClock({ system }: HostState): HostFinding {
  const id = "clock";
  const why =
    "machines take their time from the host; SLURM and its keys refuse one another at five minutes' difference";
  const remedy = "timedatectl set-ntp true";
  const { clockSynchronised } = system;
  if (!clockSynchronised.known) {
    const what = `whether the clock is right is not known: ${clockSynchronised.why}`;
    return { id, state: "unknown", what, why, remedy: "compare `date -u` of the host with another machine" };
  }
  if (clockSynchronised.value) return passed(id, "the clock is synchronised");
  return { id, state: "warning", what: "the clock is not synchronised", why, remedy };
}
