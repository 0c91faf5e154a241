import type { HpcConfig } from "../config/model.ts";
import { nearest } from "../config/nearest.ts";
import { type Findings, HPC } from "./findings.ts";
import { computeName, controllerName, fullNodeName } from "./names.ts";
import { foldHostlist } from "./slurm/hostlist.ts";

/** What the stack configuration says about the power of machines, by name as it is written there. */
export interface PowerDeclarations {
  /** Declared power state, over what the cluster file says. */
  readonly power: Readonly<Record<string, "on" | "off">>;
  /** Restart triggers: another value restarts the machine once. */
  readonly restarts: Readonly<Record<string, string>>;
}

/** What follows for the machines of a cluster, by full name. */
export interface PowerPlan {
  readonly running: ReadonlyMap<string, boolean>;
  readonly restarts: ReadonlyMap<string, string>;
}

/** Keys of the stack configuration, without the project's name. */
export const POWER_KEYS = { power: "power", restarts: "restarts" } as const;

/** A declaration of the stack configuration that cannot be understood. */
export class PowerDeclarationError extends Error {}

/**
 * Reads the values of the stack configuration.
 * @throws PowerDeclarationError that names the key and what is expected.
 */
export function readPowerDeclarations(power: unknown, restarts: unknown): PowerDeclarations {
  const states = members(power, POWER_KEYS.power).map(([name, value]) => {
    // YAML 1.1, which some tools still write, reads on and off as booleans.
    const state = value === true ? "on" : value === false ? "off" : value;
    if (state !== "on" && state !== "off") throw wrong(POWER_KEYS.power, name, "on or off");
    return [name, state] as const;
  });
  const triggers = members(restarts, POWER_KEYS.restarts).map(([name, value]) => {
    if (typeof value === "number") return [name, String(value)] as const;
    if (typeof value !== "string" || value === "") throw wrong(POWER_KEYS.restarts, name, "a text");
    return [name, value] as const;
  });
  return { power: Object.fromEntries(states), restarts: Object.fromEntries(triggers) };
}

function members(value: unknown, key: string): [string, unknown][] {
  if (value === undefined || value === null) return [];
  if (typeof value === "object" && !Array.isArray(value)) return Object.entries(value);
  throw new PowerDeclarationError(
    `hyperlab:${key} in the stack configuration must be a mapping of machines, for example {lab-compute-01: ` +
      `${key === POWER_KEYS.power ? "off" : "a text"}}.`,
  );
}

const wrong = (key: string, name: string, expected: string) =>
  new PowerDeclarationError(
    `hyperlab:${key} in the stack configuration: the value of ${name} must be ${expected}.`,
  );

/** Names of a cluster's machines, the controller first. */
export function machineNames(config: HpcConfig): string[] {
  const nodes = config.computeNodes.nodes.map((node) => computeName(config.name, node.number));
  return [controllerName(config.name), ...nodes];
}

/** Group of all compute nodes, as a person writes it. */
export const COMPUTE_GROUP = "compute";

/** What a person may write for machines, for messages. */
export function selectable(config: HpcConfig): string {
  const [controller, ...nodes] = machineNames(config);
  return `${controller}, ${foldHostlist(nodes)}, ${COMPUTE_GROUP}, ${config.name}, all`;
}

/** What a word selects. */
export type Selection =
  | { readonly kind: "machine" | "group"; readonly names: readonly string[] }
  /** Nothing. `meant`: the known word that is nearest. */
  | { readonly kind: "unknown"; readonly meant: string | undefined };

/** The machines that a word means: a machine in any form that the file knows, `compute`, the cluster's name, `all`. */
export function selectMachines(config: HpcConfig, word: string): Selection {
  const names = machineNames(config);
  const name = fullNodeName(config.name, word);
  if (name !== undefined && names.includes(name)) return { kind: "machine", names: [name] };
  if (word === COMPUTE_GROUP) return { kind: "group", names: names.slice(1) };
  if (word === "all" || word === config.name) return { kind: "group", names };
  const short = names.map((full) => full.slice(config.name.length + 1));
  return { kind: "unknown", meant: nearest(word, [...names, ...short, COMPUTE_GROUP, config.name, "all"]) };
}

/** Power as the cluster file alone says it. */
export function poweredByFile(config: HpcConfig): Map<string, boolean> {
  const nodes = config.computeNodes.nodes.map(
    (node) => [computeName(config.name, node.number), node.autoStart] as const,
  );
  return new Map([[controllerName(config.name), true], ...nodes]);
}

/** The cluster file's power states with the stack's declarations over them. Names that are no machine are findings. */
export function planPower(
  config: HpcConfig,
  { power, restarts }: PowerDeclarations,
  findings: Findings,
): PowerPlan {
  const running = poweredByFile(config);
  const triggers = new Map<string, string>();
  for (const [written, state] of Object.entries(power)) {
    const name = machineOf(config, running, written);
    if (name !== undefined) running.set(name, state === "on");
    else unknownMachine(config, POWER_KEYS.power, written, findings);
  }
  for (const [written, trigger] of Object.entries(restarts)) {
    const name = machineOf(config, running, written);
    if (name !== undefined) triggers.set(name, trigger);
    else unknownMachine(config, POWER_KEYS.restarts, written, findings);
  }
  checkController(config, running, findings);
  return { running, restarts: triggers };
}

function machineOf(
  config: HpcConfig,
  known: ReadonlyMap<string, unknown>,
  written: string,
): string | undefined {
  const name = fullNodeName(config.name, written);
  return name !== undefined && known.has(name) ? name : undefined;
}

/** A power state for nothing is a mistake; a restart of a machine that left the cluster is only out of date. */
function unknownMachine(config: HpcConfig, key: string, written: string, findings: Findings): void {
  const selection = selectMachines(config, written);
  const meant = selection.kind === "unknown" ? selection.meant : undefined;
  const text = `hyperlab:${key} in the stack configuration names ${written}, which is no machine of the cluster`;
  const guess = meant === undefined ? "" : `; did you mean ${meant}?`;
  const [controller, ...nodes] = machineNames(config);
  const remedy = `Correct or remove it there. Machines: ${controller}, ${foldHostlist(nodes)}.`;
  if (key === POWER_KEYS.power) findings.error("power-unknown-machine", "", text + guess, remedy);
  else findings.warning("restart-unknown-machine", "", text + guess, remedy);
}

function checkController(config: HpcConfig, running: ReadonlyMap<string, boolean>, findings: Findings): void {
  const [controller = "", ...nodes] = machineNames(config);
  const on = nodes.filter((name) => running.get(name) === true);
  if (running.get(controller) !== false || on.length === 0) return;
  findings.error(
    "power-controller-off",
    `${HPC}.controller`,
    `${controller} is declared off while ${foldHostlist(on)} ${on.length === 1 ? "runs" : "run"}: compute nodes need their controller and its homes`,
    "Stop the compute nodes as well (hyperlab stop all), or leave the controller on.",
  );
}
