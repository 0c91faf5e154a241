import { type ConfLine, pairValue } from "../conf-text.ts";
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
} from "../parameters.ts";
import { type LintFile, type Parsed, parameterValue, type Report } from "./input.ts";

const OBJECT_LINES: Readonly<Record<string, ReadonlyMap<string, Parameter>>> = {
  nodename: nodeParameters,
  partitionname: partitionParameters,
};
const OTHER_LINES = new Set(["downnodes", "nodeset", "frontendname", "slurmctldhost", "include"]);

/** A name that SLURM does not know is fatal. */
export function unknownKeys({ slurm, cgroup, gres }: Parsed, report: Report): void {
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
  const whole = (file: LintFile, lines: readonly ConfLine[], table: ReadonlyMap<string, Parameter>) => {
    for (const line of lines) {
      for (const pair of line.pairs) {
        if (table.has(pair.name.toLowerCase())) continue;
        report(file, line.number, `SLURM ${SLURM_VERSION} does not know ${pair.name}`, remedy);
      }
    }
  };
  whole("cgroup.conf", cgroup, cgroupParameters);
  whole("gres.conf", gres, gresParameters);
}

const TIME = /^(UNLIMITED|INFINITE|-1|\d+|\d+:\d\d?|\d+:\d\d?:\d\d?|\d+-\d+(:\d\d?){0,2})$/i;
const LIMITS = { uint16: 65_535, uint32: 4_294_967_295, uint64: Number.MAX_SAFE_INTEGER } as const;

/** A value of another kind than the parameter has is fatal. */
export function invalidValues({ slurm, nodes, partitions, cgroup }: Parsed, report: Report): void {
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

/** Suspending or requeueing without a way to choose jobs is fatal. */
export function preemptMode({ slurm }: Parsed, report: Report): void {
  const mode = parameterValue(slurm, "PreemptMode")?.toUpperCase() ?? "OFF";
  const type = parameterValue(slurm, "PreemptType")?.toLowerCase() ?? "preempt/none";
  if (mode === "OFF" || mode === "GANG" || !/none$/.test(type)) return;
  const text = `PreemptMode=${mode} has no PreemptType`;
  report("slurm.conf", 0, text, "Add PreemptType=preempt/partition_prio or preempt/qos.");
}

/** A parameter that has no effect any more. */
export function defunctKeys({ slurm, cgroup }: Parsed, report: Report): void {
  const names = new Set(defunctParameters.map((name) => name.toLowerCase()));
  const check = (file: LintFile, lines: readonly ConfLine[]) => {
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

/** An old name that still parses. */
export function legacyKeys({ slurm }: Parsed, report: Report): void {
  const names = new Map(Object.entries(legacyParameters).map(([name, now]) => [name.toLowerCase(), now]));
  for (const line of slurm) {
    for (const pair of line.pairs) {
      const now = names.get(pair.name.toLowerCase());
      if (now !== undefined) report("slurm.conf", line.number, `${pair.name} is an old name`, `Use ${now}.`);
    }
  }
}
