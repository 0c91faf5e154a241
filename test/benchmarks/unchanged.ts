/** Preview and refresh of a cluster in which nothing has changed, and what its state takes. */
import type { HpcClusterPlan } from "../../planning/plan.ts";
import type { BenchHost } from "./host.ts";
import { readHost } from "./libvirt-floor.ts";
import type { MeasuredRun } from "./processes.ts";
import type { Measure, Section } from "./report.ts";
import {
  type Compared,
  type Conditions,
  domainType,
  emptyType,
  inputFor,
  paddingFor,
  planFor,
  runOne,
  type Stacks,
  withBench,
} from "./runs.ts";
import type { BenchStack } from "./stack.ts";
import { memoryOf, processorTime, times } from "./usage.ts";

const repetitions = 3;

interface Figures {
  readonly nodes: number;
  readonly preview: Compared;
  /** Resources without any input. */
  readonly barePreview: readonly MeasuredRun[];
  readonly refresh: Compared;
  /** With a look at the host before the difference. */
  readonly refreshingPreview: readonly MeasuredRun[];
  readonly bytes: { readonly ours: number; readonly floor: number; readonly bare: number };
  /** Seconds to read every domain and volume, as a refresh must. */
  readonly readSeconds: number;
}

export async function measureUnchanged(conditions: Conditions): Promise<Section> {
  return section(await withBench((host, stacks) => measure(conditions, host, stacks)));
}

async function measure(conditions: Conditions, host: BenchHost, stacks: Stacks): Promise<Figures> {
  const plan = planFor(conditions.nodes, host);
  const input = inputFor(plan, host);
  const ours = await makeMachines(conditions, host, stacks, plan);
  const oursBytes = await ours.bytesPerResource(domainType);
  const bare = await stacks.empty({ ...input, bare: true });
  await runOne(conditions, "resources without inputs", bare, "up", false);
  const floor = await stacks.empty(input, await paddingFor(oursBytes, { host, stacks }));
  await runOne(conditions, "empty resources", floor, "up", false);
  // A refresh makes the state smaller: what counts is what `up` left.
  const floorBytes = await floor.bytesPerResource(emptyType);

  const both = { machines: ours, "empty resources": floor };
  const previews = await compare(conditions, "preview", { ...both, "resources without inputs": bare });
  const refreshes = await compare(conditions, "refresh", both);
  const { readSeconds } = await readHost(host.client, plan.pool.name);
  return {
    nodes: conditions.nodes,
    preview: { ours: previews[0] ?? [], floor: previews[1] ?? [] },
    barePreview: previews[2] ?? [],
    refresh: { ours: refreshes[0] ?? [], floor: refreshes[1] ?? [] },
    refreshingPreview: await previewWithRefresh(conditions, ours, plan, host),
    bytes: { ours: oursBytes, floor: floorBytes, bare: await bare.bytesPerResource(emptyType) },
    readSeconds,
  };
}

/**
 * Makes the whole cluster. Its network is stopped meanwhile: a running one takes long for each reservation (see
 * `addresses.ts`), and what is measured here is the cluster as it is afterwards.
 */
async function makeMachines(
  conditions: Conditions,
  host: BenchHost,
  stacks: Stacks,
  plan: HpcClusterPlan,
): Promise<BenchStack> {
  const stack = await stacks.machines(inputFor({ ...plan, computeNodes: [] }, host));
  await stack.run("up");
  const [network] = await host.client.networkList();
  if (network === undefined) throw new Error("the cluster of the benchmarks has no network");
  await host.client.networkDestroy(network);
  await stack.change({ plan });
  await runOne(conditions, "machines, while the network is stopped", stack, "up", false);
  await host.client.networkCreate(network);
  return stack;
}

/** Runs an operation on each stack in turn, a few times. */
async function compare(
  conditions: Conditions,
  operation: "preview" | "refresh",
  stacks: Readonly<Record<string, BenchStack>>,
): Promise<MeasuredRun[][]> {
  const sides = Object.entries(stacks).map(([what, stack]) => ({ what, stack, runs: [] as MeasuredRun[] }));
  for (let round = 1; round <= repetitions; round++) {
    for (const { what, stack, runs } of sides) runs.push(await runOne(conditions, what, stack, operation));
  }
  return sides.map((side) => side.runs);
}

/** The machines learn from a refresh that they are to be read before every difference. */
async function previewWithRefresh(
  conditions: Conditions,
  stack: BenchStack,
  plan: HpcClusterPlan,
  host: BenchHost,
): Promise<MeasuredRun[]> {
  await stack.change({ provider: { ...inputFor(plan, host).provider, refreshBeforeUpdate: true } });
  await stack.run("up", { checkpoints: false });
  await stack.run("refresh", { checkpoints: false });
  const [runs = []] = await compare(conditions, "preview", { "machines, with a look at the host": stack });
  return runs;
}

function section(figures: Figures): Section {
  const { nodes, preview, barePreview, refresh, refreshingPreview, bytes, readSeconds } = figures;
  const previewFloor = times("engine, empty resources", preview.floor);
  const state: Measure = {
    what: "state per machine",
    budget: { amount: 3 },
    ours: { label: "", value: bytes.ours / 1_000, unit: "KB" },
    floors: [{ label: "resource without inputs", value: bytes.bare / 1_000, unit: "KB" }],
    note: `the empty resources beside it have ${(bytes.floor / 1_000).toFixed(2)} KB`,
  };
  return {
    title: `${nodes} nodes: nothing changed`,
    text: "The same machines, with their addresses in the running network. Both sides in turn.",
    measures: [
      {
        what: "`preview` without refresh",
        budget: { ratio: 1.3 },
        ours: times("", preview.ours),
        floors: [previewFloor, times("resources without inputs", barePreview)],
        note: processorTime(preview),
      },
      {
        what: "`preview` with a look at the host",
        ours: times("", refreshingPreview),
        floors: [previewFloor],
        note: processorTime({ ours: refreshingPreview, floor: preview.floor }),
      },
      {
        what: "`refresh`",
        // The design's limit is for this many.
        ...(nodes <= 1_000 ? { budget: { amount: 3 } } : {}),
        ours: times("", refresh.ours),
        floors: [
          times("engine, empty resources", refresh.floor),
          { label: "libvirt, reading domains and volumes", value: readSeconds, unit: "s" },
        ],
        note: processorTime(refresh),
      },
      state,
      memoryOf("peak memory of the provider in `refresh`", refresh, "provider"),
    ],
  };
}
