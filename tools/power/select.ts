import type { HpcConfig } from "../../config/index.ts";
import { machineNames, selectable, selectMachines } from "../../planning/index.ts";

/** Machines that a person named. */
export interface Selected {
  /** In the order of the cluster, each once. */
  readonly names: readonly string[];
  /** Those that were named themselves, not as part of a group. */
  readonly singled: ReadonlySet<string>;
}

/**
 * The machines that words mean.
 * @throws Error that names every word that means nothing, and what may be written.
 */
export function select(config: HpcConfig, words: readonly string[]): Selected {
  const chosen = new Set<string>();
  const singled = new Set<string>();
  const unknown: string[] = [];
  for (const word of words) {
    const selection = selectMachines(config, word);
    if (selection.kind === "unknown") {
      unknown.push(selection.meant === undefined ? word : `${word} (did you mean ${selection.meant}?)`);
      continue;
    }
    for (const name of selection.names) {
      chosen.add(name);
      if (selection.kind === "machine") singled.add(name);
    }
  }
  if (unknown.length > 0) {
    throw new Error(
      `cluster ${config.name} has no machine or group ${unknown.join(", ")}; it has: ${selectable(config)}`,
    );
  }
  return { names: machineNames(config).filter((name) => chosen.has(name)), singled };
}
