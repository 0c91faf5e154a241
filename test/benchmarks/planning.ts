/** Reading and planning clusters, each in a process of its own, as at the start of a program. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../../tools/paths.ts";
import type { PlanningResult } from "./planning-process.ts";
import { figureOf, type Measure, type Section } from "./report.ts";

const sizes = [1_000, 4_000, 10_000];
const arrayNodes = 1_000;
const repetitions = 3;

export async function measurePlanning(): Promise<Section> {
  const plans = sizes.map((nodes) => ({ nodes, runs: repeat(nodes, "count") }));
  const arrays = repeat(arrayNodes, "array");
  const smallest = plans[0];
  if (smallest === undefined) throw new Error("no size to plan");
  const perNode = (runs: readonly PlanningResult[], nodes: number) =>
    figureOf("", "s", seconds(runs, "planSeconds")).value / nodes;
  const measures = plans.map(({ nodes, runs }): Measure => {
    const growth = perNode(runs, nodes) / perNode(smallest.runs, smallest.nodes);
    return {
      what: `planning ${nodes} nodes, with slurm.conf`,
      ...(nodes === 10_000 ? { budget: { amount: 2 } } : {}),
      ours: figureOf("", "s", seconds(runs, "planSeconds")),
      ...(nodes === smallest.nodes
        ? {}
        : {
            note: `${growth.toFixed(2)} times the time per node that ${smallest.nodes} nodes take (linear: at most 1)`,
          }),
    };
  });
  const largest = plans.at(-1)?.runs ?? [];
  return {
    title: "Planning",
    text: "Each run in a new process: what the compiler has not seen yet is part of it. Linear means that a node does not cost more in a larger cluster.",
    measures: [
      ...measures,
      {
        what: `peak memory of planning ${sizes.at(-1)} nodes`,
        ours: figureOf("", "MB", seconds(largest, "peakMB")),
      },
      {
        what: `reading and checking a cluster file that lists ${arrayNodes} nodes`,
        ours: figureOf("", "s", seconds(arrays, "loadSeconds")),
      },
    ],
  };
}

const seconds = (runs: readonly PlanningResult[], name: keyof PlanningResult) =>
  runs.map((result) => result[name]);

function repeat(nodes: number, kind: "count" | "array"): PlanningResult[] {
  return Array.from({ length: repetitions }, () => once(nodes, kind));
}

function once(nodes: number, kind: "count" | "array"): PlanningResult {
  const program = join(projectRoot(), "test", "benchmarks", "planning-process.ts");
  const args = ["--disable-warning=ExperimentalWarning", program, String(nodes), kind];
  const result = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`planning ${nodes} nodes failed:\n${result.stderr}`);
  return JSON.parse(result.stdout);
}
