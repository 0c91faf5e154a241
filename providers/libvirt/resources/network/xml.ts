import { findMark, type Mark, markElement } from "../../ownership/index.ts";
import {
  attribute,
  child,
  childrenOf,
  element,
  parseXml,
  renderXml,
  textAt,
  type XmlElement,
} from "../../xml/index.ts";
import type { NetworkInputs } from "../inputs.ts";
import { formatAddress, isHostOf, parseAddress, parseHostAddress } from "./ipv4.ts";

/** A record of the network's DNS. */
export interface DnsHost {
  readonly address: string;
  readonly hostnames: readonly string[];
}

/** A DHCP range. */
export interface Range {
  readonly start: string;
  readonly end: string;
}

/** A network as the host has it. */
export interface NetworkFacts {
  readonly name: string;
  readonly uuid: string;
  readonly mark: Mark | undefined;
  readonly mode: string;
  readonly bridge: string;
  readonly mac: string | undefined;
  readonly domain: string | undefined;
  /** `10.50.0.1/24` */
  readonly address: string | undefined;
  readonly ranges: readonly Range[];
  readonly dnsForwarders: readonly string[];
  readonly dnsHosts: readonly DnsHost[];
  /** Reservations, as they are written: they belong to domains. */
  readonly reservations: readonly XmlElement[];
}

/** What is taken over from an existing definition: nothing of it is declared by the network itself. */
export interface Kept {
  readonly mac: string | undefined;
  readonly reservations: readonly XmlElement[];
  readonly dnsHosts: readonly DnsHost[];
}

const nothingKept: Kept = { mac: undefined, reservations: [], dnsHosts: [] };

/** The network as libvirt's XML. */
export function renderNetwork(
  inputs: NetworkInputs,
  uuid: string,
  mark: Mark | undefined,
  kept = nothingKept,
): string {
  const common = [
    element("name", {}, inputs.name),
    element("uuid", {}, uuid),
    mark !== undefined && element("metadata", {}, [markElement(mark)]),
  ];
  if (inputs.mode === "bridge") {
    return renderXml(
      element("network", {}, [
        ...common,
        element("forward", { mode: "bridge" }),
        element("bridge", { name: inputs.bridge }),
      ]),
    );
  }
  return renderXml(
    element("network", {}, [
      ...common,
      inputs.mode !== "isolated" && element("forward", { mode: inputs.mode }),
      element("bridge", { name: inputs.bridge, stp: "on", delay: 0 }),
      kept.mac !== undefined && element("mac", { address: kept.mac }),
      inputs.domain !== undefined && element("domain", { name: inputs.domain, localOnly: true }),
      dnsElement(inputs, kept),
      ipElement(inputs, kept),
    ]),
  );
}

function dnsElement(inputs: NetworkInputs, kept: Kept): XmlElement | undefined {
  const forwarders = (inputs.dnsForwarders ?? []).map((addr) => element("forwarder", { addr }));
  const hosts = [...(inputs.dnsHosts ?? []), ...kept.dnsHosts].map(dnsHostElement);
  return forwarders.length + hosts.length === 0 ? undefined : element("dns", {}, [...forwarders, ...hosts]);
}

function ipElement(inputs: NetworkInputs, kept: Kept): XmlElement | undefined {
  const subnet = inputs.address === undefined ? undefined : parseHostAddress(inputs.address);
  if (subnet === undefined) return undefined;
  const inSubnet = kept.reservations.filter((host) => {
    const address = parseAddress(attribute(host, "ip") ?? "");
    return address === undefined || isHostOf(subnet, address);
  });
  const range = inputs.dhcpRange && rangeElement(inputs.dhcpRange);
  // Reservations of domains keep DHCP on, for them alone, where no range is declared.
  const dhcp =
    range === undefined && inSubnet.length === 0 ? undefined : element("dhcp", {}, [range, ...inSubnet]);
  return element("ip", { address: formatAddress(subnet.address), prefix: subnet.prefix }, [dhcp]);
}

/** A record as libvirt's XML, also for changes of a running network. */
export function dnsHostElement(host: DnsHost): XmlElement {
  return element(
    "host",
    { ip: host.address },
    host.hostnames.map((name) => element("hostname", {}, name)),
  );
}

/** A DHCP range as libvirt's XML, also for changes of a running network. */
export function rangeElement(range: Range): XmlElement {
  return element("range", { start: range.start, end: range.end });
}

/** Reads libvirt's normalised XML. */
export function parseNetwork(xml: string): NetworkFacts {
  const root = parseXml(xml);
  const forward = child(root, "forward");
  const dns = child(root, "dns");
  const ip = childrenOf(root, "ip").find(
    (candidate) => (attribute(candidate, "family") ?? "ipv4") === "ipv4",
  );
  const dhcp = child(ip, "dhcp");
  return {
    name: textAt(root, "name") ?? "",
    uuid: textAt(root, "uuid") ?? "",
    mark: findMark(child(root, "metadata")),
    mode: forward === undefined ? "isolated" : (attribute(forward, "mode") ?? "nat"),
    bridge: attribute(child(root, "bridge"), "name") ?? "",
    mac: attribute(child(root, "mac"), "address"),
    domain: attribute(child(root, "domain"), "name"),
    address: ipAddress(ip),
    ranges: childrenOf(dhcp, "range").map((range) => ({
      start: attribute(range, "start") ?? "",
      end: attribute(range, "end") ?? "",
    })),
    dnsForwarders: childrenOf(dns, "forwarder").flatMap((forwarder) => attribute(forwarder, "addr") ?? []),
    dnsHosts: childrenOf(dns, "host").map((host) => ({
      address: attribute(host, "ip") ?? "",
      hostnames: childrenOf(host, "hostname").map((name) => name.text),
    })),
    reservations: childrenOf(dhcp, "host"),
  };
}

function ipAddress(ip: XmlElement | undefined): string | undefined {
  const address = attribute(ip, "address");
  if (address === undefined) return undefined;
  const netmask = parseAddress(attribute(ip, "netmask") ?? "");
  const prefix = attribute(ip, "prefix") ?? (netmask === undefined ? "24" : String(prefixOf(netmask)));
  return `${address}/${prefix}`;
}

function prefixOf(netmask: number): number {
  return 32 - Math.round(Math.log2(2 ** 32 - netmask));
}
