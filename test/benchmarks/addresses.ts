/** `up` of a new cluster as the product declares it: the running network reserves an address for each machine. */

import { measureFloor, readHost } from "./libvirt-floor.ts";
import type { Section } from "./report.ts";
import { measureReservations } from "./reservations-floor.ts";
import { type Conditions, domainType, inputFor, paddingFor, planFor, runOne, withBench } from "./runs.ts";
import { processorTime, times } from "./usage.ts";

export function measureAddresses(conditions: Conditions): Promise<Section> {
  const { nodes, tell } = conditions;
  return withBench(async (host, stacks) => {
    const plan = planFor(nodes, host);
    const ours = await stacks.machines(inputFor(plan, host));
    const oursUp = await runOne(conditions, "machines with addresses", ours, "up");
    const padding = await paddingFor(await ours.bytesPerResource(domainType), { host, stacks });
    const reservations = await measureReservations(host.client, nodes);
    tell(`libvirt alone, reservations: ${reservations.seconds.toFixed(1)} s`);
    const content = await readHost(host.client, plan.pool.name);
    const both = await measureFloor(host.client, plan.pool.name, content);
    const floor = await stacks.empty(inputFor(plan, host), padding);
    const floorUp = await runOne(conditions, "empty resources", floor, "up");
    const compared = { ours: [oursUp], floor: [floorUp] };
    const each = (reservations.seconds / nodes) * 1_000;
    return {
      title: `${nodes} nodes: up with addresses`,
      text:
        "The running network reserves an address for each machine and answers to its name. libvirt takes " +
        `one reservation a call and sets up the network's firewall rules anew for each, one call after another: ${each.toFixed(0)} ms each ` +
        "here, without our doing.",
      measures: [
        {
          what: "`up`",
          ours: times("", compared.ours),
          floors: [
            times("engine, empty resources", compared.floor),
            {
              label: "libvirt, checked definitions, overlays and reservations",
              value: Math.max(both, reservations.seconds),
              unit: "s",
            },
          ],
          note: `${processorTime(compared)}; libvirt alone: definitions and overlays ${both.toFixed(1)} s, reservations ${reservations.seconds.toFixed(1)} s (from ${reservations.sample} in a network that has half of them), which it can do at the same time`,
        },
      ],
    };
  });
}
