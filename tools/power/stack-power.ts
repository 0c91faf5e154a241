import type { HpcConfig } from "../../config/index.ts";
import { type PowerDeclarations, poweredByFile, readPowerDeclarations } from "../../planning/index.ts";
import { fullNodeName } from "../../planning/names.ts";
import { editStackConfig, type StackConfigEdit } from "../state/stack-edit.ts";
import { parseStackFile } from "../state/stack-file.ts";

const POWER_SETTINGS = ["power", "restarts"] as const;

/** What a stack file declares about power, under full names where they are machines of the cluster. */
export function declaredPower(
  text: string,
  name: string,
  project: string,
  config: HpcConfig,
): PowerDeclarations {
  const settings = parseStackFile(text, name).config;
  const read = readPowerDeclarations(settings[`${project}:power`], settings[`${project}:restarts`]);
  return { power: withFullNames(config, read.power), restarts: withFullNames(config, read.restarts) };
}

function withFullNames<T>(config: HpcConfig, written: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(written).map(([name, value]) => [fullNodeName(config.name, name) ?? name, value]),
  );
}

/** Whether a machine is to run, from the cluster file and the stack's declarations. */
export function declaredOn(config: HpcConfig, { power }: PowerDeclarations, name: string): boolean {
  const state = power[name];
  return state === undefined ? (poweredByFile(config).get(name) ?? true) : state === "on";
}

/** The declarations with machines switched on or off; only what differs from the cluster file is declared. */
export function declare(
  config: HpcConfig,
  now: PowerDeclarations,
  names: readonly string[],
  state: "on" | "off",
): PowerDeclarations {
  const byFile = poweredByFile(config);
  const power = new Map(Object.entries(now.power));
  for (const name of names) {
    if ((byFile.get(name) ?? true) === (state === "on")) power.delete(name);
    else power.set(name, state);
  }
  return { ...now, power: Object.fromEntries(power) };
}

/** The declarations with a new restart trigger for machines. */
export function declareRestart(
  now: PowerDeclarations,
  names: readonly string[],
  trigger: string,
): PowerDeclarations {
  const restarts = { ...now.restarts, ...Object.fromEntries(names.map((name) => [name, trigger])) };
  return { ...now, restarts };
}

/**
 * The text of a stack file with other declarations; comments and everything else stay.
 * @throws Error that names the file where it is not a stack file.
 */
export function withPower(
  text: string,
  name: string,
  project: string,
  config: HpcConfig,
  declarations: PowerDeclarations,
): string {
  const before = declaredPower(text, name, project, config);
  const changed = POWER_SETTINGS.filter((key) => !sameMembers(before[key], declarations[key]));
  if (changed.length === 0) return text;
  const settings = parseStackFile(text, name).config;
  const edits = changed.flatMap((key) => {
    const setting = `${project}:${key}`;
    return memberEdits(setting, settings[setting], config, declarations[key]);
  });
  return editStackConfig(text, edits);
}

/** What is new is set first: a mapping that is empty in between would go, with the comments in it. */
function memberEdits(
  setting: string,
  present: unknown,
  config: HpcConfig,
  wanted: Readonly<Record<string, string>>,
): StackConfigEdit[] {
  const written = new Map<string, unknown>(Object.entries(present ?? {}));
  const set = Object.entries(wanted).filter(([name, value]) => written.get(name) !== value);
  const gone = [...written.keys()].filter((key) => {
    const name = fullNodeName(config.name, key) ?? key;
    return name !== key || wanted[name] === undefined;
  });
  return [
    ...set.map(([name, value]) => ({ path: [setting, name] as const, value })),
    ...gone.map((name) => ({ path: [setting, name] as const, value: undefined })),
  ];
}

const sameMembers = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([key, value]) => b[key] === value);

/** Lines that go and come, as `- ` and `+ `, in the order of the texts; empty where both are the same. */
export function changedLines(before: string, after: string): string[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  // Length of the longest common part from each place on.
  const common = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = common[i];
      if (row !== undefined)
        row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) [i, j] = [i + 1, j + 1];
    else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) lines.push(`- ${a[i++]}`);
    else lines.push(`+ ${b[j++]}`);
  }
  return lines;
}
