/** `up` of a new cluster whose machines are defined and not started, beside what engine and libvirt need alone. */
import { type LibvirtFloors, measureFloors, readHost } from "./libvirt-floor.ts";
import type { MeasuredRun } from "./processes.ts";
import { figureOf, type Measure, type Section } from "./report.ts";
import {
  type Compared,
  type Conditions,
  domainType,
  inputFor,
  paddingFor,
  planFor,
  runOne,
  withBench,
  withoutAddresses,
} from "./runs.ts";
import { memoryOf, processorTime, times } from "./usage.ts";

export interface UpConditions extends Conditions {
  /** `up` runs with checkpoints, too, as the product does. */
  readonly checkpoints: boolean;
}

/** One `up` on each side and the floors of libvirt, one after another. */
interface Round {
  readonly ours: MeasuredRun;
  readonly floor: MeasuredRun;
  readonly libvirt: LibvirtFloors;
}

export async function measureUp(conditions: UpConditions): Promise<Section> {
  const { nodes } = conditions;
  const plain = await rounds(conditions, false);
  const product = conditions.checkpoints ? await rounds(conditions, true) : [];
  return {
    title: `${nodes} nodes: up`,
    text:
      `A pool, an image, seeds, a network and ${nodes} machines that are defined and not started, on a libvirtd of the benchmark's own; ` +
      "without addresses, so that the network reserves none. The empty resources have the same inputs, dependencies and " +
      "size of state; their provider does nothing. libvirt alone makes the same definitions and overlays through the same client.",
    measures: [
      ...(product.length > 0 ? [upMeasure("`up`", product)] : []),
      upMeasure("`up` without checkpoints", plain),
      memoryOf("peak memory of the provider in `up`", sides(plain), "provider"),
      memoryOf("peak memory of the program in `up`", sides(plain), "program"),
    ],
  };
}

function rounds(conditions: UpConditions, checkpoints: boolean): Promise<Round[]> {
  // What takes a quarter of an hour each is measured once.
  const count = conditions.nodes <= 1_000 ? 2 : 1;
  return Array.from({ length: count }).reduce<Promise<Round[]>>(
    async (before) => [...(await before), await round(conditions, checkpoints)],
    Promise.resolve([]),
  );
}

function round(conditions: UpConditions, checkpoints: boolean): Promise<Round> {
  return withBench(async (host, stacks) => {
    const plan = withoutAddresses(planFor(conditions.nodes, host));
    const ours = await stacks.machines(inputFor(plan, host));
    const oursUp = await runOne(conditions, "machines", ours, "up", checkpoints);
    const padding = await paddingFor(await ours.bytesPerResource(domainType), { host, stacks });
    const content = await readHost(host.client, plan.pool.name);
    const libvirt = await measureFloors(host.client, plan.pool.name, content);
    conditions.tell(`libvirt alone, in seconds: ${JSON.stringify(libvirt)}`);
    const floor = await stacks.empty(inputFor(plan, host), padding);
    const floorUp = await runOne(conditions, "empty resources", floor, "up", checkpoints);
    return { ours: oursUp, floor: floorUp, libvirt };
  });
}

const sides = (all: readonly Round[]): Compared => ({
  ours: all.map((one) => one.ours),
  floor: all.map((one) => one.floor),
});

function upMeasure(what: string, all: readonly Round[]): Measure {
  const compared = sides(all);
  const libvirt = (part: keyof LibvirtFloors) =>
    figureOf(
      "libvirt, checked definitions and overlays",
      "s",
      all.map((one) => one.libvirt[part]),
    );
  const seconds = (part: keyof LibvirtFloors) => `${libvirt(part).value.toFixed(1)} s`;
  return {
    what,
    budget: { ratio: 1.5 },
    ours: times("", compared.ours),
    floors: [times("engine, empty resources", compared.floor), libvirt("both")],
    note: `${processorTime(compared)}; libvirt alone: definitions unchecked ${seconds("defineUnchecked")}, checked ${seconds("define")}, overlays ${seconds("overlays")}`,
  };
}
