/** Pure: what the parts of a run used. */
import type { MeasuredRun, ProcessUse } from "./processes.ts";
import { type Figure, figureOf, type Measure } from "./report.ts";
import type { Compared } from "./runs.ts";

/** Who a process of a run is. */
export type Part = "engine" | "program" | "provider";

const parts: readonly Part[] = ["engine", "program", "provider"];

/** Peak memory and processor time of a part of a run. */
export function useOf(run: MeasuredRun, part: Part): Pick<ProcessUse, "peakMB" | "cpuSeconds"> {
  const own = run.processes.filter((process) => partOf(process.command) === part);
  return {
    peakMB: Math.max(0, ...own.map((process) => process.peakMB)),
    cpuSeconds: own.reduce((sum, process) => sum + process.cpuSeconds, 0),
  };
}

function partOf(command: string): Part | undefined {
  if (command.includes("/plugin.cjs ")) return "provider";
  if (command.includes("--query-mode")) return "program";
  return /\/pulumi (up|preview|refresh|destroy) /.test(command) ? "engine" : undefined;
}

export const times = (label: string, runs: readonly MeasuredRun[]): Figure =>
  figureOf(
    label,
    "s",
    runs.map((run) => run.seconds),
  );

/** Other work on the machine stretches the time of day; processor time tells whose work it is. */
export function processorTime({ ours, floor }: Compared): string {
  const ratio = (sumOf(ours) / sumOf(floor)).toFixed(2);
  return `processor time ${ratio} × (${cpuText(ours)}; with empty resources ${cpuText(floor)})`;
}

const cpuOf = (runs: readonly MeasuredRun[]) =>
  parts
    .map((part) => ({ part, seconds: middle(runs.map((run) => useOf(run, part).cpuSeconds)) }))
    .filter(({ seconds }) => seconds > 0);

const sumOf = (runs: readonly MeasuredRun[]) => cpuOf(runs).reduce((sum, { seconds }) => sum + seconds, 0);

const cpuText = (runs: readonly MeasuredRun[]) =>
  cpuOf(runs)
    .map(({ part, seconds }) => `${part} ${seconds.toFixed(1)} s`)
    .join(", ");

const middle = (values: readonly number[]) => figureOf("", "s", values).value;

/** Peak memory of a part on both sides. */
export function memoryOf(what: string, { ours, floor }: Compared, part: Part): Measure {
  const peaks = (runs: readonly MeasuredRun[]) => runs.map((run) => useOf(run, part).peakMB);
  return {
    what,
    ours: figureOf("", "MB", peaks(ours)),
    floors: [figureOf("engine, empty resources", "MB", peaks(floor))],
  };
}
