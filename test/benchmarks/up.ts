/** `up` of a new cluster whose machines are defined and not started, beside what engine and libvirt need alone. */
import { measureFloor, readHost } from "./libvirt-floor.ts";
import type { Section } from "./report.ts";
import {
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
  /** The engine saves its state after each step, as in the product. */
  readonly checkpoints: boolean;
}

/** Machines without addresses: what reservations cost is measured by `addresses.ts`. */
export function measureUp(conditions: UpConditions): Promise<Section> {
  const { checkpoints, nodes, tell } = conditions;
  return withBench(async (host, stacks) => {
    const plan = withoutAddresses(planFor(nodes, host));
    const ours = await stacks.machines(inputFor(plan, host));
    const oursUp = await runOne(conditions, "machines", ours, "up", checkpoints);
    const padding = await paddingFor(await ours.bytesPerResource(domainType), { host, stacks });
    const floor = await stacks.empty(inputFor(plan, host), padding);
    const floorUp = await runOne(conditions, "empty resources", floor, "up", checkpoints);
    const content = await readHost(host.client, plan.pool.name);
    const libvirt = await measureFloor(host.client, plan.pool.name, content);
    tell(`libvirt alone: ${libvirt.toFixed(2)} s`);
    const compared = { ours: [oursUp], floor: [floorUp] };
    return {
      title: `${nodes} nodes: up`,
      text:
        `A pool, an image, seeds, a network and ${nodes} machines that are defined and not started, on a libvirtd of the benchmark's own; ` +
        "without addresses, so that the network reserves none. The empty resources have the same inputs, dependencies and " +
        "size of state; their provider does nothing. libvirt alone makes the same definitions and overlays through the same client.",
      measures: [
        {
          what: checkpoints ? "`up`" : "`up` without checkpoints",
          budget: { ratio: 1.5 },
          ours: times("", compared.ours),
          floors: [
            times("engine, empty resources", compared.floor),
            { label: "libvirt, checked definitions and overlays", value: libvirt, unit: "s" },
          ],
          note: processorTime(compared),
          obstacle: `the machines need the work of both floors, which share the cores: together they take ${(floorUp.seconds + libvirt).toFixed(1)} s`,
        },
        memoryOf("peak memory of the provider in `up`", compared, "provider"),
        memoryOf("peak memory of the program in `up`", compared, "program"),
      ],
    };
  });
}
