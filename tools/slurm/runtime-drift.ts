import { expandHostlist, foldHostlist } from "../../planning/slurm/hostlist.ts";

/** What slurmctld says, with the configuration that it was given. */
export interface SlurmRuntime {
  /** `/etc/slurm/slurm.conf`. */
  readonly slurmConf: string;
  /** `scontrol show partition -o`. */
  readonly partitions: string;
  /** `scontrol show node -o`. */
  readonly nodes: string;
}

type Fields = Readonly<Record<string, string>>;

/** Parts of a partition that `scontrol update` changes, with SLURM's default. */
const PARTITION_DEFAULTS: Fields = {
  State: "UP",
  MaxTime: "UNLIMITED",
  DefaultTime: "NONE",
  MaxNodes: "UNLIMITED",
  AllowGroups: "ALL",
  AllowAccounts: "ALL",
  AllowQos: "ALL",
  Hidden: "NO",
  OverSubscribe: "NO",
  PriorityTier: "1",
  PriorityJobFactor: "1",
};
const NODE_DEFAULTS: Fields = { Weight: "1", AvailableFeatures: "(null)" };
/** Name in slurm.conf of what scontrol shows under another one. */
const WRITTEN_AS: Fields = { AvailableFeatures: "Feature" };
const TIMES = new Set(["MaxTime", "DefaultTime"]);

/**
 * What somebody changed by `scontrol` past the configuration, one line each, partitions first. Drains of hyperlab's own
 * are left out: they are part of a change under way.
 */
export function runtimeDrift(runtime: SlurmRuntime): string[] {
  const conf = runtime.slurmConf.split("\n").map(fieldsOf);
  const nodes = new Map(
    conf.flatMap((fields) =>
      (expandHostlist(fields.NodeName ?? "") ?? []).map((name) => [name, fields] as const),
    ),
  );
  const partitions = conf.flatMap((fields) => (fields.PartitionName === undefined ? [] : [fields]));
  return [
    ...partitionDrift(partitions, objects(runtime.partitions, "PartitionName"), [...nodes.keys()]),
    ...[...objects(runtime.nodes, "NodeName")].flatMap(([name, { fields, line }]) =>
      nodeDrift(name, nodes.get(name), fields, line),
    ),
  ];
}

interface Shown {
  readonly fields: Fields;
  readonly line: string;
}

const fieldsOf = (line: string): Fields =>
  Object.fromEntries([...line.matchAll(/(\w+)=(\S*)/g)].map(([, key = "", value = ""]) => [key, value]));

function objects(text: string, key: string): Map<string, Shown> {
  return new Map(
    text.split("\n").flatMap((line) => {
      const fields = fieldsOf(line);
      const name = fields[key];
      return name === undefined ? [] : [[name, { fields, line }] as const];
    }),
  );
}

function partitionDrift(
  planned: readonly Fields[],
  shown: ReadonlyMap<string, Shown>,
  nodes: readonly string[],
): string[] {
  const names = planned.map((fields) => fields.PartitionName ?? "");
  const extra = [...shown.keys()].filter((name) => !names.includes(name));
  return [
    ...planned.flatMap((fields) => {
      const name = fields.PartitionName ?? "";
      const now = shown.get(name)?.fields;
      if (now === undefined) return [`partition ${name} is gone, which the configuration has`];
      return [
        ...differences(`partition ${name}`, PARTITION_DEFAULTS, fields, now),
        ...memberDrift(name, fields, now, nodes),
      ];
    }),
    ...extra.map((name) => `partition ${name} is there, which the configuration has not`),
  ];
}

function memberDrift(name: string, fields: Fields, now: Fields, nodes: readonly string[]): string[] {
  const wanted = fields.Nodes === "ALL" ? nodes : expandHostlist(fields.Nodes ?? "");
  const found = expandHostlist(now.Nodes ?? "");
  if (wanted === undefined || found === undefined) return [];
  const [planned, present] = [[...wanted].sort(), [...found].sort()].map((list) => foldHostlist(list));
  return planned === present ? [] : [told(`partition ${name}`, "Nodes", present ?? "", planned ?? "")];
}

function nodeDrift(name: string, planned: Fields | undefined, now: Fields, line: string): string[] {
  if (planned === undefined) return [];
  const reason = /\bReason=(.*?) \[/.exec(line)?.[1] ?? "";
  const drained = now.State?.includes("DRAIN") === true && !reason.startsWith("hyperlab:");
  return [
    ...differences(`node ${name}`, NODE_DEFAULTS, planned, now),
    ...(drained ? [`node ${name} is drained${reason === "" ? "" : `: ${reason}`}`] : []),
  ];
}

function differences(what: string, defaults: Fields, planned: Fields, now: Fields): string[] {
  return Object.entries(defaults).flatMap(([field, fallback]) => {
    const wanted = planned[WRITTEN_AS[field] ?? field] ?? fallback;
    const found = now[field];
    if (found === undefined || same(field, found, wanted)) return [];
    return [told(what, field, found, wanted)];
  });
}

const told = (what: string, field: string, found: string, wanted: string): string =>
  `${what}: ${field} is ${found}, the configuration says ${wanted}`;

function same(field: string, found: string, wanted: string): boolean {
  if (TIMES.has(field)) return slurmSeconds(found) === slurmSeconds(wanted);
  return found.toLowerCase() === wanted.toLowerCase();
}

/** A time of SLURM in seconds (`90`, `1:30`, `2:00:00`, `1-12`, `1-12:30`, `1-12:30:00`); a word in lower case. */
export function slurmSeconds(text: string): number | string {
  const match = /^(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$/.exec(text);
  if (match === null) {
    const word = text.toLowerCase();
    return word === "infinite" ? "unlimited" : word;
  }
  const [days, a = 0, b, c] = match.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  if (days !== undefined) return days * 86_400 + a * 3600 + (b ?? 0) * 60 + (c ?? 0);
  if (c !== undefined) return a * 3600 + (b ?? 0) * 60 + c;
  return a * 60 + (b ?? 0);
}

const SEPARATOR = "== hyperlab ==";

/** Shell command on the controller that prints what `splitRuntime` reads; any account may run it. */
export const SLURM_RUNTIME_COMMAND = [
  "cat /etc/slurm/slurm.conf",
  "scontrol show partition -o",
  "scontrol show node -o",
].join(` && echo '${SEPARATOR}' && `);

/** The three parts of what the command printed; undefined where it printed something else. */
export function splitRuntime(text: string): SlurmRuntime | undefined {
  const [slurmConf, partitions, nodes, more] = text.split(`${SEPARATOR}\n`);
  if (slurmConf === undefined || partitions === undefined || nodes === undefined || more !== undefined)
    return undefined;
  return { slurmConf, partitions, nodes };
}
