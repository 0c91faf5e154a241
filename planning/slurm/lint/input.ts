import { type ConfLine, linesOf, pairValue, parseConf } from "../conf-text.ts";
import { expandHostlist } from "../hostlist.ts";

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

/** A file of the configuration. */
export type LintFile = "slurm.conf" | "cgroup.conf" | "gres.conf" | "topology.conf" | "slurmdbd.conf";

/** Takes one finding of a rule; line 0 means the file as a whole. */
export type Report = (file: LintFile, line: number, text: string, remedy: string) => void;

/** The texts, read. */
export interface Parsed {
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

/** Reads the texts once for all rules. */
export function parseInput(input: LintInput): Parsed {
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

/** Value of a parameter that has a line of its own; of several SLURM takes the last. */
export const parameterValue = (lines: readonly ConfLine[], name: string): string | undefined =>
  lines
    .map((line) => (line.pairs.length === 1 ? pairValue(line, name) : undefined))
    .findLast((value) => value !== undefined);
