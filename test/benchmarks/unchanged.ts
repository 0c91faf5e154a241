/** Preview and refresh of a cluster in which nothing has changed, and what its state takes. */
import type { HpcClusterPlan } from "../../planning/plan.ts";
import type { BenchHost } from "./host.ts";
import { readHost } from "./libvirt-floor.ts";
import { largeCluster } from "./options.ts";
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
  withoutAddresses,
} from "./runs.ts";
import type { BenchStack } from "./stack.ts";
import { memoryOf, processorTime, times } from "./usage.ts";

interface Figures {
  readonly nodes: number;
  readonly preview: Compared;
  readonly refresh: Compared;
  /** With a look at the host before the difference; not for large clusters. */
  readonly refreshingPreview: readonly MeasuredRun[];
  readonly bytes: { readonly ours: number; readonly floor: number };
  /** Seconds to read every domain and volume, as a refresh must. */
  readonly readSeconds: number;
}

export async function measureUnchanged(conditions: Conditions): Promise<Section> {
  return section(await withBench((host, stacks) => measure(conditions, host, stacks)));
}

async function measure(conditions: Conditions, host: BenchHost, stacks: Stacks): Promise<Figures> {
  const whole = planFor(conditions.nodes, host);
  const plan = hasAddresses(conditions) ? whole : withoutAddresses(whole);
  const input = inputFor(plan, host);
  const ours = await makeMachines(conditions, host, stacks, plan);
  const oursBytes = await ours.bytesPerResource(domainType);
  const floor = await stacks.empty(input, await paddingFor(oursBytes, { host, stacks }));
  await runOne(conditions, "empty resources", floor, "up", false);
  // A refresh makes the state smaller: what counts is what `up` left.
  const floorBytes = await floor.bytesPerResource(emptyType);

  const preview = await compare(conditions, "preview", ours, floor);
  const refresh = await compare(conditions, "refresh", ours, floor);
  const { readSeconds } = await readHost(host.client, plan.pool.name);
  return {
    nodes: conditions.nodes,
    preview,
    refresh,
    refreshingPreview:
      conditions.nodes < largeCluster ? [await previewWithRefresh(conditions, ours, plan, host)] : [],
    bytes: { ours: oursBytes, floor: floorBytes },
    readSeconds,
  };
}

/** libvirt writes the whole definition of the network for each reservation: the time grows with the square. */
const hasAddresses = ({ nodes }: { readonly nodes: number }) => nodes < largeCluster;

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

/** Runs an operation on both stacks in turn. */
async function compare(
  conditions: Conditions,
  operation: "preview" | "refresh",
  ours: BenchStack,
  floor: BenchStack,
): Promise<Compared> {
  // Large clusters take minutes for each.
  const rounds = conditions.nodes < largeCluster ? 2 : 1;
  const [oursRuns, floorRuns]: [MeasuredRun[], MeasuredRun[]] = [[], []];
  for (let round = 1; round <= rounds; round++) {
    oursRuns.push(await runOne(conditions, "machines", ours, operation));
    floorRuns.push(await runOne(conditions, "empty resources", floor, operation));
  }
  return { ours: oursRuns, floor: floorRuns };
}

/** The machines learn from a refresh that they are to be read before every difference. */
async function previewWithRefresh(
  conditions: Conditions,
  stack: BenchStack,
  plan: HpcClusterPlan,
  host: BenchHost,
): Promise<MeasuredRun> {
  await stack.change({ provider: { ...inputFor(plan, host).provider, refreshBeforeUpdate: true } });
  await stack.run("up", { checkpoints: false });
  await stack.run("refresh", { checkpoints: false });
  return runOne(conditions, "machines, with a look at the host", stack, "preview");
}

function section(figures: Figures): Section {
  const { nodes, preview, refresh, refreshingPreview, bytes, readSeconds } = figures;
  const previewFloor = times("engine, empty resources", preview.floor);
  const state: Measure = {
    what: "state per machine",
    budget: { amount: 3 },
    ours: { label: "", value: bytes.ours / 1_000, unit: "KB" },
    note: `the empty resources beside it have ${(bytes.floor / 1_000).toFixed(2)} KB`,
  };
  return {
    title: `${nodes} nodes: nothing changed`,
    text: `The same machines, ${hasAddresses(figures) ? "with their addresses in the running network" : "without addresses"}. Both sides in turn.`,
    measures: [
      {
        what: "`preview` without refresh",
        budget: { ratio: 1.3 },
        ours: times("", preview.ours),
        floors: [previewFloor],
        note: processorTime(preview),
        obstacle:
          "the SDK keeps promises for each output of a machine, of which empty resources have none, and the provider checks each input",
      },
      ...(refreshingPreview.length === 0
        ? []
        : [
            {
              what: "`preview` with a look at the host",
              ours: times("", refreshingPreview),
              floors: [previewFloor],
              note: processorTime({ ours: refreshingPreview, floor: preview.floor }),
            },
          ]),
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
        obstacle: "beside the engine's own time it is the provider reading and comparing each definition",
      },
      state,
      memoryOf("peak memory of the provider in `refresh`", refresh, "provider"),
    ],
  };
}
