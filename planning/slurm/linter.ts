import { parseIpv4 } from "../ipv4.ts";
import { type ConfLine, linesOf, pairValue, parseConf } from "./conf-text.ts";
import { expandHostlist } from "./hostlist.ts";
import {
  cgroupParameters,
  defunctParameters,
  gresParameters,
  legacyParameters,
  nodeParameters,
  type Parameter,
  partitionParameters,
  SLURM_VERSION,
  slurmConfParameters,
} from "./parameters.ts";

/** Texts as slurmctld would read them, and what the plan knows beside. */
export interface LintInput {
  slurmConf: string;
  cgroupConf: string;
  /** Empty: there is none. */
  gresConf: string;
  /** Empty: there is none. */
  topologyConf: string;
  slurmdbdConf: string;
  /** Memory of the machines in MiB by node name, and what the guests keep of it. */
  vmMemoryMiB: Readonly<Record<string, number>>;
  /** GPU plugins in the image, for example `nvidia`. */
  gpuPlugins: readonly string[];
}

export type LintRule = (typeof RULES)[number]["id"];

export interface LintFinding {
  rule: LintRule;
  severity: "error" | "warning";
  file: "slurm.conf" | "cgroup.conf" | "gres.conf" | "topology.conf" | "slurmdbd.conf";
  /** From 1; 0: the file as a whole. */
  line: number;
  text: string;
  remedy: string;
}

type Report = (file: LintFinding["file"], line: number, text: string, remedy: string) => void;

interface Parsed {
  input: LintInput;
  slurm: ConfLine[];
  cgroup: ConfLine[];
  gres: ConfLine[];
  topology: ConfLine[];
  slurmdbd: ConfLine[];
  /** Node lines with their names; names of DEFAULT lines are not nodes. */
  nodes: { line: ConfLine; names: string[] }[];
  partitions: ConfLine[];
}

/**
 * Checks a configuration for the errors that slurmctld dies of and, above all, for those that it swallows. Every rule
 * stands for one row of the table in `docs/reference/slurm-rules.md`.
 */
export function lintSlurm(input: LintInput): LintFinding[] {
  const parsed = parse(input);
  return RULES.flatMap((rule) => {
    const found: LintFinding[] = [];
    const severity = "severity" in rule ? rule.severity : "error";
    rule.check(parsed, (file, line, text, remedy) =>
      found.push({ rule: rule.id, severity, file, line, text, remedy }),
    );
    return found;
  });
}

function parse(input: LintInput): Parsed {
  const slurm = parseConf(input.slurmConf);
  return {
    input,
    slurm,
    cgroup: parseConf(input.cgroupConf),
    gres: parseConf(input.gresConf),
    topology: parseConf(input.topologyConf),
    slurmdbd: parseConf(input.slurmdbdConf),
    nodes: linesOf(slurm, "NodeName")
      .filter((line) => line.pairs[0]?.value.toUpperCase() !== "DEFAULT")
      .map((line) => ({ line, names: expandHostlist(line.pairs[0]?.value ?? "") ?? [] })),
    partitions: linesOf(slurm, "PartitionName").filter(
      (line) => line.pairs[0]?.value.toUpperCase() !== "DEFAULT",
    ),
  };
}

/** One entry for each row of the table; names are stable, tests and documentation use them. */
const RULES = [
  { id: "unknown-key", check: unknownKeys },
  { id: "partition-undefined-node", check: undefinedNodes },
  { id: "duplicate-node-name", check: duplicateNodes },
  { id: "invalid-value", check: invalidValues },
  { id: "preempt-mode-without-type", check: preemptMode },
  { id: "gres-types-missing", check: gresTypes },
  { id: "gres-conf-missing", check: gresConf },
  { id: "gres-typed-and-untyped", check: gresMixed },
  { id: "two-default-partitions", check: twoDefaults },
  { id: "no-default-partition", check: noDefault },
  { id: "topology-product", check: topologyProduct },
  { id: "real-memory-above-guest", check: realMemory },
  { id: "autodetect-plugin-missing", check: autoDetect },
  { id: "defunct-key", check: defunctKeys },
  { id: "topology-incomplete", check: incompleteTopology },
  { id: "unresolvable-host", check: unresolvable },
  { id: "legacy-key", severity: "warning", check: legacyKeys },
] as const;

export const lintRules: readonly string[] = RULES.map((rule) => rule.id);

const OBJECT_LINES: Readonly<Record<string, ReadonlyMap<string, Parameter>>> = {
  nodename: nodeParameters,
  partitionname: partitionParameters,
};
const OTHER_LINES = new Set(["downnodes", "nodeset", "frontendname", "slurmctldhost", "include"]);

function unknownKeys({ slurm, cgroup }: Parsed, report: Report): void {
  const remedy = "Remove it; slurmctld ends with a fatal error.";
  for (const line of slurm) {
    const first = line.pairs[0]?.name.toLowerCase() ?? "";
    const table = OBJECT_LINES[first];
    if (line.stray !== undefined && !(first === "" && /^include$/i.test(line.stray))) {
      report("slurm.conf", line.number, `"${line.stray}" is no parameter`, remedy);
    }
    if (OTHER_LINES.has(first)) continue;
    for (const pair of table === undefined ? line.pairs : line.pairs.slice(1)) {
      if ((table ?? slurmConfParameters).has(pair.name.toLowerCase())) continue;
      report("slurm.conf", line.number, `SLURM ${SLURM_VERSION} does not know ${pair.name}`, remedy);
    }
  }
  for (const line of cgroup) {
    for (const pair of line.pairs) {
      if (cgroupParameters.has(pair.name.toLowerCase())) continue;
      report("cgroup.conf", line.number, `SLURM ${SLURM_VERSION} does not know ${pair.name}`, remedy);
    }
  }
}

function undefinedNodes({ nodes, partitions, slurm }: Parsed, report: Report): void {
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

function duplicateNodes({ nodes }: Parsed, report: Report): void {
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

const TIME = /^(UNLIMITED|INFINITE|-1|\d+|\d+:\d\d?|\d+:\d\d?:\d\d?|\d+-\d+(:\d\d?){0,2})$/i;
const LIMITS = { uint16: 65_535, uint32: 4_294_967_295, uint64: Number.MAX_SAFE_INTEGER } as const;

function invalidValues({ slurm, nodes, partitions, cgroup }: Parsed, report: Report): void {
  const check = (
    file: "slurm.conf" | "cgroup.conf",
    line: ConfLine,
    table: ReadonlyMap<string, Parameter>,
  ) => {
    for (const { name, value } of line.pairs) {
      const parameter = table.get(name.toLowerCase());
      if (parameter === undefined || validValue(parameter, value)) continue;
      report(
        file,
        line.number,
        `${parameter.name}=${value} is no valid value`,
        `Expected: ${parameter.type}.`,
      );
    }
  };
  for (const line of slurm) {
    if (line.pairs.length === 1) check("slurm.conf", line, slurmConfParameters);
  }
  for (const { line } of nodes) check("slurm.conf", line, nodeParameters);
  for (const line of cgroup) check("cgroup.conf", line, cgroupParameters);
  for (const line of partitions) {
    check("slurm.conf", line, partitionParameters);
    for (const name of ["MaxTime", "DefaultTime"]) {
      const value = pairValue(line, name);
      if (value === undefined || TIME.test(value)) continue;
      report("slurm.conf", line.number, `${name}=${value} is no time`, "Write days-hours:minutes:seconds.");
    }
  }
}

function validValue({ type }: Parameter, value: string): boolean {
  if (type === "text") return true;
  if (type === "boolean") return /^(yes|no|true|false|y|n|t|f|0|1|up|down)$/i.test(value);
  if (/^(infinite|unlimited)$/i.test(value)) return true;
  return /^\d+$/.test(value) && Number(value) <= LIMITS[type];
}

const parameterValue = (lines: readonly ConfLine[], name: string): string | undefined =>
  lines
    .map((line) => (line.pairs.length === 1 ? pairValue(line, name) : undefined))
    .find((value) => value !== undefined);

function preemptMode({ slurm }: Parsed, report: Report): void {
  const mode = parameterValue(slurm, "PreemptMode")?.toUpperCase() ?? "OFF";
  const type = parameterValue(slurm, "PreemptType")?.toLowerCase() ?? "preempt/none";
  if (mode === "OFF" || mode === "GANG" || !/none$/.test(type)) return;
  const text = `PreemptMode=${mode} has no PreemptType`;
  report("slurm.conf", 0, text, "Add PreemptType=preempt/partition_prio or preempt/qos.");
}

/** Generic resources of a node line: `gpu:a100:2,gpu:1`. */
function gresOf(line: ConfLine): { name: string; type: string | undefined }[] {
  const written = pairValue(line, "Gres") ?? "";
  return written
    .split(",")
    .filter((item) => item !== "" && item !== "(null)")
    .map((item) => {
      const [name = "", second] = item.replace(/\(.*\)$/, "").split(":");
      return { name, type: second === undefined || /^\d+[kKmMgG]?$/.test(second) ? undefined : second };
    });
}

function gresTypes({ slurm, nodes }: Parsed, report: Report): void {
  const types = new Set((parameterValue(slurm, "GresTypes") ?? "").split(","));
  for (const { line } of nodes) {
    for (const { name } of gresOf(line)) {
      if (types.has(name)) continue;
      const text = `the node has ${name}, but GresTypes does not name it: slurmctld drops the resource`;
      report("slurm.conf", line.number, text, `Add GresTypes=${name}.`);
    }
  }
}

function gresConf({ nodes, gres }: Parsed, report: Report): void {
  const described = gres.map((line) => ({
    name: pairValue(line, "Name"),
    type: pairValue(line, "Type"),
    auto: pairValue(line, "AutoDetect"),
  }));
  const detects = described.some(({ auto }) => auto !== undefined && !/^off$/i.test(auto));
  for (const { line } of nodes) {
    for (const { name, type } of gresOf(line)) {
      const same = described.filter((entry) => entry.name === name);
      if (detects && name === "gpu") continue;
      if (same.length === 0) {
        report(
          "gres.conf",
          0,
          `nothing describes ${name}, which a node line names`,
          `Add a line Name=${name} File=….`,
        );
      } else if (type !== undefined && !same.some((entry) => entry.type === type)) {
        report(
          "gres.conf",
          0,
          `no line describes ${name} of type ${type}`,
          `Add Name=${name} Type=${type} File=….`,
        );
      }
    }
  }
}

function gresMixed({ nodes }: Parsed, report: Report): void {
  for (const { line } of nodes) {
    const gres = gresOf(line);
    for (const name of new Set(gres.map((item) => item.name))) {
      const kinds = gres.filter((item) => item.name === name);
      if (!kinds.some((item) => item.type === undefined) || kinds.every((item) => item.type === undefined))
        continue;
      const text = `the node has ${name} with and without a type`;
      report("slurm.conf", line.number, text, "Give every one a type, or none.");
    }
  }
}

const isYes = (value: string | undefined): boolean => /^(yes|true|y|t|1|up)$/i.test(value ?? "");
const defaults = (partitions: readonly ConfLine[]) =>
  partitions.filter((line) => isYes(pairValue(line, "Default")));

function twoDefaults({ partitions }: Parsed, report: Report): void {
  const [, ...more] = defaults(partitions);
  for (const line of more) {
    const text = `partition ${line.pairs[0]?.value} is a second default; slurmctld takes the last one`;
    report("slurm.conf", line.number, text, "Keep one Default=YES.");
  }
}

function noDefault({ partitions }: Parsed, report: Report): void {
  if (defaults(partitions).length > 0) return;
  report("slurm.conf", 0, "no partition is the default", "Set Default=YES on one.");
}

function topologyProduct({ nodes }: Parsed, report: Report): void {
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

function realMemory({ nodes, input }: Parsed, report: Report): void {
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

function autoDetect({ gres, input }: Parsed, report: Report): void {
  for (const line of gres) {
    const value = pairValue(line, "AutoDetect")?.toLowerCase();
    if (value === undefined || value === "off") continue;
    if (input.gpuPlugins.includes(value)) continue;
    const text = `AutoDetect=${value} needs a plugin that the image does not have: slurmd would not start`;
    report("gres.conf", line.number, text, `Use one of: ${input.gpuPlugins.join(", ") || "off"}.`);
  }
}

function defunctKeys({ slurm, cgroup }: Parsed, report: Report): void {
  const names = new Set(defunctParameters.map((name) => name.toLowerCase()));
  const check = (file: "slurm.conf" | "cgroup.conf", lines: readonly ConfLine[]) => {
    for (const line of lines) {
      for (const pair of line.pairs) {
        if (!names.has(pair.name.toLowerCase())) continue;
        report(file, line.number, `${pair.name} has no effect any more`, "Remove it.");
      }
    }
  };
  check("slurm.conf", slurm);
  check("cgroup.conf", cgroup);
}

function incompleteTopology({ slurm, topology, nodes }: Parsed, report: Report): void {
  if (parameterValue(slurm, "TopologyPlugin")?.toLowerCase() !== "topology/tree") return;
  const placed = new Set(topology.flatMap((line) => expandHostlist(pairValue(line, "Nodes") ?? "") ?? []));
  const missing = nodes.flatMap((node) => node.names).filter((name) => !placed.has(name));
  if (missing.length === 0) return;
  const text = `the tree has no place for ${missing.length} nodes (${missing[0]} first)`;
  report("topology.conf", 0, text, "Put every node below a switch.");
}

function unresolvable({ slurm, nodes, slurmdbd }: Parsed, report: Report): void {
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

function legacyKeys({ slurm }: Parsed, report: Report): void {
  const names = new Map(Object.entries(legacyParameters).map(([name, now]) => [name.toLowerCase(), now]));
  for (const line of slurm) {
    for (const pair of line.pairs) {
      const now = names.get(pair.name.toLowerCase());
      if (now !== undefined) report("slurm.conf", line.number, `${pair.name} is an old name`, `Use ${now}.`);
    }
  }
}
