/** Hosts and stacks of the benchmarks, and runs of the engine on them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HpcClusterPlan } from "../../planning/plan.ts";
import type { Operation } from "../../tools/engine/operate.ts";
import { projectRoot } from "../../tools/paths.ts";
import { stagePlugin } from "../support/pulumi.ts";
import { countFile, factsFor, load, planOf } from "./cluster.ts";
import { type BenchHost, startHost } from "./host.ts";
import type { MeasuredRun } from "./processes.ts";
import type { ProgramInput } from "./programs/input.ts";
import { BenchStack } from "./stack.ts";

export const domainType = "libvirt:index:Domain";
export const emptyType = "bench:index:Domain";
const owner = "0f6c1f0e-6d0a-4f0c-9f53-0a3c5f5b7e11";

/** What a measurement of a cluster is given. */
export interface Conditions {
  readonly nodes: number;
  /** Says what was measured. */
  readonly tell: (text: string) => void;
}

/** The same operation on both sides, in turn. */
export interface Compared {
  readonly ours: readonly MeasuredRun[];
  readonly floor: readonly MeasuredRun[];
}

/** Makes stacks and removes them at the end. */
export interface Stacks {
  /** Machines through the libvirt provider. */
  machines(input: ProgramInput): Promise<BenchStack>;
  /** Resources with nothing behind them; `padding` bytes make their state larger. */
  empty(input: ProgramInput, padding?: number): Promise<BenchStack>;
}

/** Does the work with a libvirtd and stacks of its own; nothing of them is left. */
export async function withBench<T>(work: (host: BenchHost, stacks: Stacks) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "hyperlab-bench-"));
  const made: BenchStack[] = [];
  const make = async (...args: Parameters<typeof BenchStack.create>) => {
    const stack = await BenchStack.create(...args);
    made.push(stack);
    return stack;
  };
  const host = await startHost();
  try {
    const bench = await stagePlugin(folder, "bench", "test/benchmarks/programs/plugin.ts");
    const libvirt = join(projectRoot(), "providers", "libvirt");
    return await work(host, {
      machines: (input) => make({ program: "cluster", input, plugins: { libvirt } }),
      empty: (input, padding = 0) => make({ program: "empty", input, plugins: { bench }, padding }),
    });
  } finally {
    for (const stack of made) await stack.dispose();
    await host.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** One run, told with its time, so that a run of the benchmarks that is broken off was not for nothing. */
export async function runOne(
  { tell }: Conditions,
  what: string,
  stack: BenchStack,
  operation: Operation,
  checkpoints = true,
): Promise<MeasuredRun> {
  const run = await stack.run(operation, { checkpoints });
  const how = checkpoints ? "" : " without checkpoints";
  tell(`${operation}${how}, ${what}: ${run.seconds.toFixed(2)} s`);
  return run;
}

/** How many bytes the empty provider must add so that its state is as large as a machine's. */
export async function paddingFor(
  wanted: number,
  { host, stacks }: { host: BenchHost; stacks: Stacks },
): Promise<number> {
  const one = 100;
  const small = await stacks.empty(inputFor(planFor(3, host), host), one);
  await small.run("up", { checkpoints: false });
  const without = (await small.bytesPerResource(emptyType)) - one;
  return Math.max(0, Math.round(wanted - without));
}

/** The plan of a cluster with its pool on the host of the benchmark. */
export function planFor(nodes: number, host: BenchHost): HpcClusterPlan {
  const config = load(countFile(nodes));
  const plan = planOf(config, factsFor(config, { path: host.image, id: "benchmark" }));
  return { ...plan, pool: { ...plan.pool, path: host.poolPath } };
}

/** The same cluster whose machines have no address, so that no network reserves one. */
export function withoutAddresses(plan: HpcClusterPlan): HpcClusterPlan {
  const computeNodes = plan.computeNodes.map((node) => {
    const interfaces = node.domain.interfaces.map(({ address: _, ...nic }) => nic);
    return { ...node, domain: { ...node.domain, interfaces } };
  });
  return { ...plan, computeNodes };
}

export const inputFor = (plan: HpcClusterPlan, host: BenchHost): ProgramInput => ({
  plan,
  provider: {
    uri: host.daemon.qemuUri,
    owner,
    identitySecret: "ab".repeat(32),
    refreshBeforeUpdate: false,
  },
});
