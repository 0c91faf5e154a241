/** A cluster of many nodes through the real engine, beside what engine and libvirt need alone. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HpcClusterPlan } from "../../planning/plan.ts";
import type { Operation } from "../../tools/engine/operate.ts";
import { projectRoot } from "../../tools/paths.ts";
import { stagePlugin } from "../support/pulumi.ts";
import { countFile, factsFor, load, planOf } from "./cluster.ts";
import { type BenchHost, startHost } from "./host.ts";
import { type HostContent, type LibvirtFloors, measureFloors, readHost } from "./libvirt-floor.ts";
import type { MeasuredRun } from "./processes.ts";
import type { ProgramInput } from "./programs/input.ts";
import { BenchStack } from "./stack.ts";

const repetitions = 3;
const owner = "0f6c1f0e-6d0a-4f0c-9f53-0a3c5f5b7e11";
const domainType = "libvirt:index:Domain";
const emptyType = "bench:index:Domain";

/** Runs of one operation on both sides, in turn. */
export interface Compared {
  readonly ours: readonly MeasuredRun[];
  readonly floor: readonly MeasuredRun[];
}

/** How a cluster is measured. */
export interface Conditions {
  readonly nodes: number;
  /** `up` runs with checkpoints, as the product does. */
  readonly checkpoints: boolean;
  /** Machines have addresses that the network reserves, as in the product. */
  readonly reservations: boolean;
}

export interface NodeResults {
  readonly conditions: Conditions;
  readonly up: Compared;
  /** Without checkpoints and without reservations: what definitions and overlays cost. */
  readonly plainUp: Compared;
  readonly preview: Compared;
  /** Resources without any input. */
  readonly barePreview: readonly MeasuredRun[];
  readonly refresh: Compared;
  /** With a look at the host before the difference. */
  readonly refreshingPreview: readonly MeasuredRun[];
  readonly bytes: { readonly ours: number; readonly floor: number; readonly bare: number };
  readonly host: HostContent;
  readonly libvirt: LibvirtFloors;
}

/** Says what was measured. */
export type Tell = (text: string) => void;

interface Bench extends Conditions {
  readonly tell: Tell;
  /** Folder of the plugin with nothing behind it. */
  readonly emptyPlugin: string;
}

export async function measureNodes(options: Conditions & { readonly tell: Tell }): Promise<NodeResults> {
  const { tell, ...conditions } = options;
  const folder = await mkdtemp(join(tmpdir(), "hyperlab-bench-"));
  try {
    const emptyPlugin = await stagePlugin(folder, "bench", "test/benchmarks/programs/plugin.ts");
    const say = (text: string) => tell(`${conditions.nodes} nodes: ${text}`);
    const bench = { ...conditions, tell: say, emptyPlugin };
    const whole = await measureWhole(bench);
    const plainUp = await measurePlainUp(bench, whole.padding);
    return { conditions, plainUp, ...whole };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Whole = Omit<NodeResults, "conditions" | "plainUp"> & { readonly padding: number };

/** Everything that is measured on a cluster as the product declares it. */
async function measureWhole(bench: Bench): Promise<Whole> {
  const { checkpoints } = bench;
  return withHost(async (host) => {
    const plan = planFor(bench, host);
    return withStacks(async (make) => {
      const ours = await make("cluster", clusterInput(plan, host), libvirtPlugin());
      const oursUp = await runOne(bench, "machines", ours, "up", checkpoints);
      const oursBytes = await ours.bytesPerResource(domainType);
      const content = await readHost(host.client, plan.pool.name);

      const bare = await make("empty", { ...clusterInput(plan, host), bare: true }, emptyPlugin(bench));
      await runOne(bench, "resources without inputs", bare, "up", false);
      const padding = await paddingFor(bench, host, oursBytes);
      const floor = await make("empty", clusterInput(plan, host), emptyPlugin(bench), padding);
      const floorUp = await runOne(bench, "empty resources", floor, "up", checkpoints);
      // A refresh makes the state smaller: what counts is what `up` left.
      const floorBytes = await floor.bytesPerResource(emptyType);

      const previews = await compare(bench, "preview", {
        machines: ours,
        "empty resources": floor,
        "resources without inputs": bare,
      });
      const refreshes = await compare(bench, "refresh", { machines: ours, "empty resources": floor });
      const refreshingPreview = await previewWithRefresh(bench, ours, plan, host);
      const libvirt = await measureFloors(host.client, plan.pool.name, content);
      bench.tell(`libvirt alone, in seconds: ${JSON.stringify({ read: content.readSeconds, ...libvirt })}`);
      return {
        up: { ours: [oursUp], floor: [floorUp] },
        preview: { ours: previews[0] ?? [], floor: previews[1] ?? [] },
        barePreview: previews[2] ?? [],
        refresh: { ours: refreshes[0] ?? [], floor: refreshes[1] ?? [] },
        refreshingPreview,
        bytes: {
          ours: oursBytes,
          floor: floorBytes,
          bare: await bare.bytesPerResource(emptyType),
        },
        host: content,
        libvirt,
        padding,
      };
    });
  });
}

/** `up` of machines without addresses, without checkpoints, on a host of its own. */
async function measurePlainUp(bench: Bench, padding: number): Promise<Compared> {
  return withHost(async (host) => {
    const plan = planFor({ ...bench, reservations: false }, host);
    return withStacks(async (make) => {
      const ours = await make("cluster", clusterInput(plan, host), libvirtPlugin());
      const floor = await make("empty", clusterInput(plan, host), emptyPlugin(bench), padding);
      const oursUp = await runOne(bench, "machines without addresses", ours, "up", false);
      const floorUp = await runOne(bench, "empty resources", floor, "up", false);
      return { ours: [oursUp], floor: [floorUp] };
    });
  });
}

/** How many bytes the empty provider must add so that its state is as large as a machine's. */
async function paddingFor(bench: Bench, host: BenchHost, wanted: number): Promise<number> {
  return withStacks(async (make) => {
    const input = clusterInput(planFor({ ...bench, nodes: 3 }, host), host);
    const one = 100;
    const small = await make("empty", input, emptyPlugin(bench), one);
    await small.run("up", { checkpoints: false });
    const without = (await small.bytesPerResource(emptyType)) - one;
    return Math.max(0, Math.round(wanted - without));
  });
}

/** Runs an operation on each stack in turn, a few times. */
async function compare(
  bench: Bench,
  operation: "preview" | "refresh",
  stacks: Readonly<Record<string, BenchStack>>,
): Promise<MeasuredRun[][]> {
  const sides = Object.entries(stacks).map(([what, stack]) => ({ what, stack, runs: [] as MeasuredRun[] }));
  for (let round = 1; round <= repetitions; round++) {
    for (const { what, stack, runs } of sides) runs.push(await runOne(bench, what, stack, operation, true));
  }
  return sides.map((side) => side.runs);
}

/** One run, told with its time, so that a run of the benchmarks that is broken off was not for nothing. */
async function runOne(
  bench: Bench,
  what: string,
  stack: BenchStack,
  operation: Operation,
  checkpoints: boolean,
): Promise<MeasuredRun> {
  const run = await stack.run(operation, { checkpoints });
  const how = checkpoints ? "" : " without checkpoints";
  bench.tell(`${operation}${how}, ${what}: ${run.seconds.toFixed(2)} s`);
  return run;
}

/** The machines learn from a refresh that they are to be read before every difference. */
async function previewWithRefresh(
  bench: Bench,
  stack: BenchStack,
  plan: HpcClusterPlan,
  host: BenchHost,
): Promise<MeasuredRun[]> {
  await stack.change({ provider: { ...clusterInput(plan, host).provider, refreshBeforeUpdate: true } });
  await stack.run("up", { checkpoints: false });
  await stack.run("refresh", { checkpoints: false });
  const [runs = []] = await compare(bench, "preview", { "machines, with a look at the host": stack });
  return runs;
}

function planFor({ nodes, reservations }: Conditions, host: BenchHost): HpcClusterPlan {
  const config = load(countFile(nodes));
  const plan = planOf(config, factsFor(config, { path: host.image, id: "benchmark" }));
  if (!reservations) {
    for (const node of plan.computeNodes) for (const nic of node.domain.interfaces) delete nic.address;
  }
  return { ...plan, pool: { ...plan.pool, path: host.poolPath } };
}

const clusterInput = (plan: HpcClusterPlan, host: BenchHost): ProgramInput => ({
  plan,
  provider: {
    uri: host.daemon.qemuUri,
    owner,
    identitySecret: "ab".repeat(32),
    refreshBeforeUpdate: false,
  },
  bare: false,
});

const libvirtPlugin = () => ({ libvirt: join(projectRoot(), "providers", "libvirt") });
const emptyPlugin = (bench: Bench) => ({ bench: bench.emptyPlugin });

async function withHost<T>(work: (host: BenchHost) => Promise<T>): Promise<T> {
  const host = await startHost();
  try {
    return await work(host);
  } finally {
    await host.stop();
  }
}

type MakeStack = (
  program: "cluster" | "empty",
  input: ProgramInput,
  plugins: Readonly<Record<string, string>>,
  padding?: number,
) => Promise<BenchStack>;

async function withStacks<T>(work: (make: MakeStack) => Promise<T>): Promise<T> {
  const stacks: BenchStack[] = [];
  try {
    return await work(async (program, input, plugins, padding = 0) => {
      const stack = await BenchStack.create({ program, input, plugins, padding });
      stacks.push(stack);
      return stack;
    });
  } finally {
    for (const stack of stacks) await stack.dispose();
  }
}
