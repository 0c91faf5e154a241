import { finder } from "../../finder.ts";
import { attribute, element, renderXmlLine, type XmlElement } from "../../xml/index.ts";
import type { LiveChange } from "../network/changes.ts";
import { dnsHostElement, type NetworkFacts } from "../network/xml.ts";
import type { Definition } from "./definition.ts";

/** A machine's reservation and DNS entry in a network. */
export interface NetworkEntry {
  readonly network: string;
  readonly mac: string;
  readonly address: string;
  readonly hostname: string;
}

/** The entries that a machine is to have. */
export function entriesOf(definition: Pick<Definition, "name" | "interfaces">): readonly NetworkEntry[] {
  return definition.interfaces.flatMap((nic) =>
    nic.network === undefined || nic.address === undefined
      ? []
      : [
          {
            network: nic.network,
            mac: nic.mac,
            address: nic.address,
            hostname: nic.hostname ?? definition.name,
          },
        ],
  );
}

const same = (a: NetworkEntry, b: NetworkEntry) =>
  a.network === b.network && a.mac === b.mac && a.address === b.address && a.hostname === b.hostname;

/** Old entries that are no longer wanted. */
export function staleEntries(
  olds: readonly NetworkEntry[],
  news: readonly NetworkEntry[],
): readonly NetworkEntry[] {
  return olds.filter((old) => !news.some((entry) => same(old, entry)));
}

const reservationXml = (entry: NetworkEntry) =>
  renderXmlLine(element("host", { mac: entry.mac, name: entry.hostname, ip: entry.address }));
const recordXml = (entry: NetworkEntry) =>
  renderXmlLine(dnsHostElement({ address: entry.address, hostnames: [entry.hostname] }));

/** What adds an entry to a network that holds nothing of it. */
export function additions(entry: NetworkEntry): readonly LiveChange[] {
  return [
    { command: "add-last", section: "ip-dhcp-host", xml: reservationXml(entry) },
    { command: "add-last", section: "dns-host", xml: recordXml(entry) },
  ];
}

const hostByMac = finder((host: XmlElement) => attribute(host, "mac")?.toLowerCase());
const recordByAddress = finder((record: NetworkFacts["dnsHosts"][number]) => record.address);

/** The reservation of a MAC as the network has it. */
export function reservationOf(
  facts: NetworkFacts,
  mac: string,
): { address: string | undefined; hostname: string | undefined } | undefined {
  const host = hostByMac(facts.reservations, mac);
  return host === undefined
    ? undefined
    : { address: attribute(host, "ip"), hostname: attribute(host, "name") };
}

/** True when the network holds the reservation. Under another host name it is somebody else's. */
function hasReservation(facts: NetworkFacts, entry: NetworkEntry): boolean {
  const reservation = reservationOf(facts, entry.mac);
  return reservation?.address === entry.address && reservation.hostname === entry.hostname;
}

/** True when the network holds the whole entry. */
export function hasEntry(facts: NetworkFacts, entry: NetworkEntry): boolean {
  const record = recordByAddress(facts.dnsHosts, entry.address);
  return hasReservation(facts, entry) && record?.hostnames.includes(entry.hostname) === true;
}

/** True when the network holds anything of the entry. */
export function hasPartOf(facts: NetworkFacts, entry: NetworkEntry): boolean {
  const record = recordByAddress(facts.dnsHosts, entry.address);
  return hasReservation(facts, entry) || record?.hostnames.includes(entry.hostname) === true;
}

/**
 * What brings a network from what it holds to the entry; a text where somebody else has the address or the MAC. A
 * reservation of our MAC is ours only under our host name, the present one or one of `olds`.
 */
export function repairs(
  facts: NetworkFacts,
  entry: NetworkEntry,
  olds: readonly NetworkEntry[],
): readonly LiveChange[] | string {
  const owner = facts.reservations.find(
    (host) => attribute(host, "ip") === entry.address && attribute(host, "mac")?.toLowerCase() !== entry.mac,
  );
  if (owner !== undefined) {
    return `${entry.address} is reserved for ${attribute(owner, "name") ?? attribute(owner, "mac") ?? "another machine"}`;
  }
  const reservation = reservationOf(facts, entry.mac);
  const names = [entry, ...olds].filter(({ mac }) => mac === entry.mac).map(({ hostname }) => hostname);
  if (reservation?.hostname !== undefined && !names.includes(reservation.hostname)) {
    return `the MAC ${entry.mac} is reserved for ${reservation.hostname}`;
  }
  const record = recordByAddress(facts.dnsHosts, entry.address);
  const [addReservation, addRecord] = additions(entry);
  const changes: (LiveChange | undefined)[] = [];
  if (reservation === undefined) changes.push(addReservation);
  else if (reservation.address !== entry.address || reservation.hostname !== entry.hostname) {
    changes.push({ command: "modify", section: "ip-dhcp-host", xml: reservationXml(entry) });
  }
  if (record === undefined) changes.push(addRecord);
  else if (!record.hostnames.includes(entry.hostname)) {
    // Such a record cannot be changed, only made anew; names that others gave to the address stay.
    changes.push(
      { command: "delete", section: "dns-host", xml: renderXmlLine(dnsHostElement(record)) },
      {
        command: "add-last",
        section: "dns-host",
        xml: renderXmlLine(
          dnsHostElement({ address: entry.address, hostnames: [...record.hostnames, entry.hostname] }),
        ),
      },
    );
  }
  return changes.filter((change) => change !== undefined);
}

/** What takes an entry out of a network; only what is the entry's own. */
export function removals(facts: NetworkFacts, entry: NetworkEntry): readonly LiveChange[] {
  const changes: LiveChange[] = [];
  if (hasReservation(facts, entry)) {
    changes.push({ command: "delete", section: "ip-dhcp-host", xml: reservationXml(entry) });
  }
  const record = recordByAddress(facts.dnsHosts, entry.address);
  if (record?.hostnames.includes(entry.hostname) === true) {
    changes.push({ command: "delete", section: "dns-host", xml: renderXmlLine(dnsHostElement(record)) });
    const others = record.hostnames.filter((name) => name !== entry.hostname);
    if (others.length > 0) {
      changes.push({
        command: "add-last",
        section: "dns-host",
        xml: renderXmlLine(dnsHostElement({ address: entry.address, hostnames: others })),
      });
    }
  }
  return changes;
}
