import { parseIpv4 } from "../../ipv4.ts";
import { linesOf, pairValue } from "../conf-text.ts";
import { expandHostlist } from "../hostlist.ts";
import { type Parsed, parameterValue, type Report } from "./input.ts";

/** A partition of a node that no line defines is fatal. */
export function undefinedNodes({ nodes, partitions, slurm }: Parsed, report: Report): void {
  const known = new Set(nodes.flatMap((node) => node.names));
  const sets = new Set(linesOf(slurm, "NodeSet").map((line) => line.pairs[0]?.value ?? ""));
  for (const line of partitions) {
    const written = pairValue(line, "Nodes") ?? "";
    if (written.toUpperCase() === "ALL") continue;
    for (const name of expandHostlist(written) ?? [written]) {
      if (known.has(name) || sets.has(name)) continue;
      const text = `partition ${line.pairs[0]?.value} names the node ${name}, which is not defined`;
      report("slurm.conf", line.number, text, "Define the node, or take it out of the partition.");
    }
  }
}

/** A node with two lines is fatal. */
export function duplicateNodes({ nodes }: Parsed, report: Report): void {
  const seen = new Set<string>();
  for (const { line, names } of nodes) {
    for (const name of names) {
      if (seen.has(name)) {
        report("slurm.conf", line.number, `node ${name} is defined twice`, "Keep one definition.");
      }
      seen.add(name);
    }
  }
}

/** CPUs that are not sockets × cores × threads are reset by slurmctld. */
export function topologyProduct({ nodes }: Parsed, report: Report): void {
  for (const { line } of nodes) {
    const number = (fallback: number, ...names: string[]) => Number(pairValue(line, ...names) ?? fallback);
    const cpus = number(1, "CPUs", "Procs");
    const boards = number(1, "Boards");
    const total = pairValue(line, "Sockets");
    const perBoard = number(1, "SocketsPerBoard");
    const sockets = total === undefined ? boards * perBoard : Number(total);
    const cores = number(1, "CoresPerSocket");
    const threads = number(1, "ThreadsPerCore");
    const described = ["Sockets", "SocketsPerBoard", "CoresPerSocket", "ThreadsPerCore"].some(
      (name) => pairValue(line, name) !== undefined,
    );
    if (!described || cpus === sockets * cores * threads) continue;
    const text = `CPUs=${cpus} is not ${sockets} sockets × ${cores} cores × ${threads} threads; slurmctld resets it`;
    report("slurm.conf", line.number, text, "Make the product equal to CPUs.");
  }
}

/** What a guest certainly registers of its machine's memory; see `realMemoryMiB`. */
export function guestMemoryMiB(vmMemoryMiB: number): number {
  return Math.floor(vmMemoryMiB * 0.97) - 64;
}

/** A node that registers less memory than its line says becomes invalid. */
export function realMemory({ nodes, input }: Parsed, report: Report): void {
  for (const { line, names } of nodes) {
    const real = Number(pairValue(line, "RealMemory") ?? 1);
    const over = names.find((name) => {
      const vm = input.vmMemoryMiB[name];
      return vm !== undefined && real > guestMemoryMiB(vm);
    });
    if (over === undefined) continue;
    const has = guestMemoryMiB(input.vmMemoryMiB[over] ?? 0);
    const text = `RealMemory=${real} is more than the about ${has} MiB that ${over} registers: it becomes INVALID`;
    report("slurm.conf", line.number, text, "Lower RealMemory, or give the machine more memory.");
  }
}

/** A tree that does not hold every node. */
export function incompleteTopology({ slurm, topology, nodes }: Parsed, report: Report): void {
  if (parameterValue(slurm, "TopologyPlugin")?.toLowerCase() !== "topology/tree") return;
  const placed = new Set(topology.flatMap((line) => expandHostlist(pairValue(line, "Nodes") ?? "") ?? []));
  const missing = nodes.flatMap((node) => node.names).filter((name) => !placed.has(name));
  if (missing.length === 0) return;
  const text = `the tree has no place for ${missing.length} nodes (${missing[0]} first)`;
  report("topology.conf", 0, text, "Put every node below a switch.");
}

/** Names in the place of addresses cost long retries. */
export function unresolvable({ slurm, nodes, slurmdbd }: Parsed, report: Report): void {
  const remedy = "Use an IPv4 address: names that do not resolve cost long retries at every start.";
  for (const { line, names } of nodes) {
    const addresses = expandHostlist(pairValue(line, "NodeAddr") ?? "") ?? [];
    if (addresses.length === names.length && addresses.every((item) => parseIpv4(item) !== undefined))
      continue;
    report("slurm.conf", line.number, `${line.pairs[0]?.value} has no address for every node`, remedy);
  }
  for (const line of linesOf(slurm, "SlurmctldHost")) {
    const value = line.pairs[0]?.value ?? "";
    const address = /\(([^)]*)\)$/.exec(value)?.[1] ?? "";
    if (parseIpv4(address) === undefined)
      report("slurm.conf", line.number, `SlurmctldHost=${value} has no address`, remedy);
  }
  const accounting = parameterValue(slurm, "AccountingStorageHost");
  if (accounting !== undefined && parseIpv4(accounting) === undefined) {
    report("slurm.conf", 0, `AccountingStorageHost=${accounting} is no address`, remedy);
  }
  const database = parameterValue(slurmdbd, "DbdAddr");
  if (slurmdbd.length > 0 && parseIpv4(database ?? "") === undefined) {
    report("slurmdbd.conf", 0, `DbdAddr=${database ?? ""} is no address`, remedy);
  }
}
