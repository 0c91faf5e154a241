/** Pure: figures of a cluster of many nodes as a section of the report. */
import type { Compared, NodeResults } from "./nodes.ts";
import type { MeasuredRun, ProcessUse } from "./processes.ts";
import { type Figure, figureOf, type Measure, type Section } from "./report.ts";

export function nodesSection(results: NodeResults): Section {
  const { conditions, host } = results;
  const { nodes, reservations } = conditions;
  return {
    title: `${nodes} nodes`,
    text:
      `A pool, an image, seeds, a network and ${nodes} machines that are defined and not started, on a libvirtd of the ` +
      `benchmark's own${reservations ? "" : "; without addresses, so the network reserves none"}. The empty resources have the same inputs, dependencies and size of state; their provider does nothing.`,
    measures: [
      ...upMeasures(results),
      ...previewMeasures(results),
      {
        what: "`refresh`",
        budget: { amount: 3 },
        ours: times("", results.refresh.ours),
        floors: [
          times("engine, empty resources", results.refresh.floor),
          { label: "libvirt, reading domains and volumes", value: host.readSeconds, unit: "s" },
        ],
        note: processorTime(results.refresh),
      },
      {
        what: "state per machine",
        budget: { amount: 3 },
        ours: { label: "", value: results.bytes.ours / 1000, unit: "KB" },
        floors: [{ label: "resource without inputs", value: results.bytes.bare / 1000, unit: "KB" }],
        note: `the empty resources beside it have ${(results.bytes.floor / 1000).toFixed(2)} KB`,
      },
      ...memoryMeasures(results),
    ],
  };
}

function upMeasures({ up, plainUp, conditions, libvirt, host }: NodeResults): Measure[] {
  const { checkpoints } = conditions;
  const definitions: Figure = {
    label: "libvirt, checked definitions and overlays",
    value: libvirt.both,
    unit: "s",
  };
  const machines = host.domains.length;
  return [
    {
      what: checkpoints ? "`up`" : "`up` without checkpoints",
      budget: { ratio: 1.5 },
      ours: times("", up.ours),
      floors: [times("engine, empty resources", up.floor), definitions],
      note: `${processorTime(up)}; libvirt alone needs ${libvirt.entriesLive.toFixed(0)} s for the reservations in the running network (${each(libvirt.entriesLive, machines)}; from a sample), ${libvirt.entriesConfig.toFixed(1)} s for those in its definition alone (${each(libvirt.entriesConfig, machines)})`,
    },
    {
      what: "`up` without checkpoints and without reservations",
      ours: times("", plainUp.ours),
      floors: [times("engine, empty resources", plainUp.floor), definitions],
      note: `${processorTime(plainUp)}; libvirt alone: definitions unchecked ${libvirt.defineUnchecked.toFixed(1)} s, checked ${libvirt.define.toFixed(1)} s, overlays ${libvirt.overlays.toFixed(1)} s`,
    },
  ];
}

const each = (seconds: number, machines: number) => `${((seconds / machines) * 1000).toFixed(0)} ms each`;

function previewMeasures({ preview, barePreview, refreshingPreview }: NodeResults): Measure[] {
  const floor = times("engine, empty resources", preview.floor);
  return [
    {
      what: "`preview`, nothing changed, without refresh",
      budget: { ratio: 1.3 },
      ours: times("", preview.ours),
      floors: [floor, times("resources without inputs", barePreview)],
      note: processorTime(preview),
    },
    {
      what: "`preview`, nothing changed, with a look at the host",
      ours: times("", refreshingPreview),
      floors: [floor],
    },
  ];
}

function memoryMeasures({ up, refresh }: NodeResults): Measure[] {
  const peak = (runs: readonly MeasuredRun[], part: Part) => runs.map((run) => useOf(run, part).peakMB);
  const memory = (what: string, runs: Compared, part: Part): Measure => ({
    what,
    ours: figureOf("", "MB", peak(runs.ours, part)),
    floors: [figureOf("engine, empty resources", "MB", peak(runs.floor, part))],
  });
  return [
    memory("peak memory of the provider in `up`", up, "provider"),
    memory("peak memory of the provider in `refresh`", refresh, "provider"),
    memory("peak memory of the program in `up`", up, "program"),
  ];
}

const times = (label: string, runs: readonly MeasuredRun[]): Figure =>
  figureOf(
    label,
    "s",
    runs.map((run) => run.seconds),
  );

/** Other work on the machine stretches the time of day; processor time tells whose work it is. */
function processorTime({ ours, floor }: Compared): string {
  const parts = (runs: readonly MeasuredRun[]) =>
    (["engine", "program", "provider"] as const)
      .map((part) => ({ part, seconds: middle(runs.map((run) => useOf(run, part).cpuSeconds)) }))
      .filter(({ seconds }) => seconds > 0);
  const text = (runs: readonly MeasuredRun[]) =>
    parts(runs)
      .map(({ part, seconds }) => `${part} ${seconds.toFixed(1)} s`)
      .join(", ");
  const sum = (runs: readonly MeasuredRun[]) => parts(runs).reduce((all, { seconds }) => all + seconds, 0);
  const ratio = (sum(ours) / sum(floor)).toFixed(2);
  return `processor time ${ratio} × (${text(ours)}; with empty resources ${text(floor)})`;
}

const middle = (values: readonly number[]) => figureOf("", "s", values).value;

/** Who a process of a run is. */
export type Part = "engine" | "program" | "provider";

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
