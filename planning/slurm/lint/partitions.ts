import { type ConfLine, pairValue } from "../conf-text.ts";
import type { Parsed, Report } from "./input.ts";

const isYes = (value: string | undefined): boolean => /^(yes|true|y|t|1|up)$/i.test(value ?? "");
const defaults = (partitions: readonly ConfLine[]) =>
  partitions.filter((line) => isYes(pairValue(line, "Default")));

/** Of two default partitions slurmctld takes the last. */
export function twoDefaults({ partitions }: Parsed, report: Report): void {
  const [, ...more] = defaults(partitions);
  for (const line of more) {
    const text = `partition ${line.pairs[0]?.value} is a second default; slurmctld takes the last one`;
    report("slurm.conf", line.number, text, "Keep one Default=YES.");
  }
}

/** Without a default partition a job must name one. */
export function noDefault({ partitions }: Parsed, report: Report): void {
  if (defaults(partitions).length > 0) return;
  report("slurm.conf", 0, "no partition is the default", "Set Default=YES on one.");
}
