import type { HostCpu } from "./facts.ts";

/** A machine that wants host CPUs of its own. */
export interface PinRequest {
  name: string;
  vcpus: number;
}

/** Who got which host CPUs. */
export interface PinResult {
  /** Host CPUs by machine, in the order of its vCPUs. */
  pins: Map<string, number[]>;
  /** Machines for which no CPUs are left. */
  failed: string[];
}

/**
 * Gives every virtual CPU a host CPU of its own.
 *
 * What a machine holds already it keeps where that is still possible, so that another machine's coming or going
 * restarts nobody. The others get the lowest free CPUs of the NUMA node with the fewest free ones that hold them all, or,
 * where none does, the lowest free CPUs of the host.
 *
 * @param taken Host CPUs that other machines of the host are pinned to.
 * @param held Host CPUs of each machine now, in the order of its vCPUs.
 */
export function allocatePins(
  cpus: readonly HostCpu[],
  taken: ReadonlySet<number>,
  requests: readonly PinRequest[],
  held: ReadonlyMap<string, readonly number[]>,
): PinResult {
  const free = new Map(cpus.filter((cpu) => !taken.has(cpu.id)).map((cpu) => [cpu.id, cpu.numaNode]));
  const pins = new Map<string, number[]>();
  for (const { name, vcpus } of requests) {
    const kept = held.get(name);
    if (kept === undefined || kept.length !== vcpus || !kept.every((id) => free.has(id))) continue;
    if (new Set(kept).size !== vcpus) continue;
    pins.set(name, [...kept]);
    for (const id of kept) free.delete(id);
  }
  const failed: string[] = [];
  for (const { name, vcpus } of requests) {
    if (pins.has(name)) continue;
    const chosen = choose(free, vcpus);
    if (chosen === undefined) failed.push(name);
    else pins.set(name, chosen);
    for (const id of chosen ?? []) free.delete(id);
  }
  return { pins, failed };
}

function choose(free: ReadonlyMap<number, number>, vcpus: number): number[] | undefined {
  if (free.size < vcpus) return undefined;
  const nodes = new Map<number, number[]>();
  for (const [id, node] of free) nodes.set(node, [...(nodes.get(node) ?? []), id]);
  const fitting = [...nodes]
    .filter(([, ids]) => ids.length >= vcpus)
    .sort((a, b) => a[1].length - b[1].length || a[0] - b[0]);
  const pool = fitting[0]?.[1] ?? [...free.keys()];
  return [...pool].sort((a, b) => a - b).slice(0, vcpus);
}
