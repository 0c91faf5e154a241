import type { PropertyMap } from "../../../plugin/values.ts";
import type { NetworkUpdateCommand, NetworkUpdateSection } from "../../client/types.ts";
import { attribute, renderXmlLine, type XmlElement } from "../../xml/index.ts";
import type { NetworkInputs } from "../inputs.ts";
import {
  type DnsHost,
  dnsHostElement,
  type Kept,
  type NetworkFacts,
  type Range,
  rangeElement,
} from "./xml.ts";

/** One change that libvirt makes to a running network. */
export interface LiveChange {
  readonly command: NetworkUpdateCommand;
  readonly section: NetworkUpdateSection;
  readonly xml: string;
}

const sameHost = (a: DnsHost, b: DnsHost) =>
  a.address === b.address && [...a.hostnames].sort().join() === [...b.hostnames].sort().join();
const sameRange = (a: Range, b: Range) => a.start === b.start && a.end === b.end;

/**
 * What must change from what the host has to what is declared. Records that neither the old nor the new declaration
 * names belong to domains and are left alone. Removals come first, because libvirt refuses overlaps.
 */
export function liveChanges(
  facts: NetworkFacts,
  olds: Pick<NetworkInputs, "dnsHosts">,
  news: Pick<NetworkInputs, "dnsHosts" | "dhcpRange">,
): readonly LiveChange[] {
  const change = (
    command: NetworkUpdateCommand,
    section: NetworkUpdateSection,
    node: XmlElement,
  ): LiveChange => ({
    command,
    section,
    xml: renderXmlLine(node),
  });
  const ranges = news.dhcpRange === undefined ? [] : [news.dhcpRange];
  const hosts = news.dnsHosts ?? [];
  const own = ownRecords(facts, olds, news);
  return [
    ...facts.ranges
      .filter((range) => !ranges.some((wanted) => sameRange(range, wanted)))
      .map((range) => change("delete", "ip-dhcp-range", rangeElement(range))),
    ...ranges
      .filter((range) => !facts.ranges.some((present) => sameRange(range, present)))
      .map((range) => change("add-last", "ip-dhcp-range", rangeElement(range))),
    ...own
      .filter((host) => !hosts.some((wanted) => sameHost(host, wanted)))
      .map((host) => change("delete", "dns-host", dnsHostElement(host))),
    ...hosts
      .filter((host) => !facts.dnsHosts.some((present) => sameHost(host, present)))
      .map((host) => change("add-last", "dns-host", dnsHostElement(host))),
  ];
}

/** The host's records that a declaration names, by address. */
function ownRecords(
  facts: NetworkFacts,
  ...declarations: readonly Pick<NetworkInputs, "dnsHosts">[]
): readonly DnsHost[] {
  const addresses = new Set(
    declarations.flatMap(({ dnsHosts }) => (dnsHosts ?? []).map((host) => host.address)),
  );
  return facts.dnsHosts.filter((host) => addresses.has(host.address));
}

/** What a new definition keeps of the present one: everything that the network does not declare itself. */
export function keptOf(
  facts: NetworkFacts,
  olds: Pick<NetworkInputs, "dnsHosts">,
  news: Pick<NetworkInputs, "dnsHosts">,
): Kept {
  const own = ownRecords(facts, olds, news);
  return {
    mac: facts.mac,
    reservations: facts.reservations,
    dnsHosts: facts.dnsHosts.filter((host) => !own.includes(host)),
  };
}

/** The inputs that describe the network as it is. Of the records, those that were declared. */
export function readNetworkInputs(
  facts: NetworkFacts,
  autostart: boolean,
  recorded: PropertyMap,
): PropertyMap {
  const imported = Object.keys(recorded).length === 0;
  const declared = Array.isArray(recorded.dnsHosts) ? recorded.dnsHosts : [];
  const addresses = new Set(declared.map((host) => (typeof host === "object" ? host?.address : undefined)));
  const reserved = new Set(facts.reservations.map((host) => attribute(host, "ip")));
  const hosts = facts.dnsHosts.filter((host) =>
    imported ? !reserved.has(host.address) : addresses.has(host.address),
  );
  const order = (host: DnsHost) => declared.findIndex((item) => item?.address === host.address);
  const [range] = facts.ranges;
  return {
    name: facts.name,
    mode: facts.mode,
    bridge: facts.bridge,
    domain: facts.domain,
    address: facts.address,
    dhcpRange: range === undefined ? undefined : { start: range.start, end: range.end },
    dnsForwarders: facts.dnsForwarders.length === 0 ? undefined : facts.dnsForwarders,
    dnsHosts: hosts.length === 0 ? undefined : hosts.sort((a, b) => order(a) - order(b)).map(plain),
    autostart: autostart === (recorded.autostart ?? true) ? recorded.autostart : autostart,
  };
}

function plain(host: DnsHost): PropertyMap {
  return { address: host.address, hostnames: host.hostnames };
}
