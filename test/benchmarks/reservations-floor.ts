/** What libvirt alone needs to reserve addresses in a running network. */
import type { LibvirtClient } from "../../providers/libvirt/client/index.ts";
import { element, renderXml } from "../../providers/libvirt/xml/index.ts";

export interface Reservations {
  /** For all machines, extrapolated. */
  readonly seconds: number;
  /** Machines that were measured. */
  readonly sample: number;
}

const sample = 20;

/**
 * Measures a few in a network that has half of the reservations already: each costs a little more than the one before,
 * so that is what they cost on average.
 */
export async function measureReservations(client: LibvirtClient, machines: number): Promise<Reservations> {
  const present = Math.floor(machines / 2);
  const numbers = Array.from({ length: present + sample }, (_, number) => number);
  const network = await client.networkDefineXml(networkXml(numbers.slice(0, present)));
  try {
    await client.networkCreate(network);
    const start = performance.now();
    for (const number of numbers.slice(present)) {
      const how = { live: true, config: true };
      const [host, record] = [renderXml(reservation(number)), renderXml(nameRecord(number))];
      await client.networkUpdate(network, "add-last", "ip-dhcp-host", -1, host, how);
      await client.networkUpdate(network, "add-last", "dns-host", -1, record, how);
    }
    const seconds = (performance.now() - start) / 1_000;
    return { seconds: (seconds / sample) * machines, sample };
  } finally {
    if (await client.networkIsActive(network)) await client.networkDestroy(network);
    await client.networkUndefine(network);
  }
}

/** As the one of the cluster, on another bridge. */
const networkXml = (present: readonly number[]) =>
  renderXml(
    element("network", {}, [
      element("name", {}, "bench-floor"),
      element("bridge", { name: "hlab-floor0" }),
      element("domain", { name: "floor.local", localOnly: "yes" }),
      element("dns", {}, present.map(nameRecord)),
      element("ip", { address: "10.97.255.254", prefix: 16 }, [
        element("dhcp", {}, [
          element("range", { start: "10.97.254.1", end: "10.97.254.250" }),
          ...present.map(reservation),
        ]),
      ]),
    ]),
  );

const hex = (byte: number) => byte.toString(16).padStart(2, "0");
const bytesOf = (machine: number) => [Math.floor(machine / 200), (machine % 200) + 2] as const;
const addressOf = (machine: number) => `10.97.${bytesOf(machine).join(".")}`;
const nameOf = (machine: number) => `machine-${machine}`;

function reservation(machine: number) {
  const [high, low] = bytesOf(machine);
  const mac = `52:54:00:97:${hex(high)}:${hex(low)}`;
  return element("host", { mac, name: nameOf(machine), ip: addressOf(machine) });
}

const nameRecord = (machine: number) =>
  element("host", { ip: addressOf(machine) }, [element("hostname", {}, nameOf(machine))]);
