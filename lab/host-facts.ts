import { networkInterfaces } from "node:os";
import {
  type HostDomain,
  type HostFacts,
  type HostNetwork,
  type Known,
  unknownHost,
} from "../planning/facts.ts";
import { formatSubnet, parseSubnet } from "../planning/ipv4.ts";
import {
  createLibvirtClient,
  type LibvirtClient,
  LibvirtConnectionError,
  LibvirtError,
} from "../providers/libvirt/client/index.ts";
import type { DomainSnapshot, NetworkSnapshot, PoolSnapshot } from "../providers/libvirt/context.ts";
import { readCache } from "../providers/libvirt/host.ts";
import { findMark } from "../providers/libvirt/ownership/index.ts";
import { holdOf } from "../providers/libvirt/resources/domain/hold.ts";
import { at, attribute, child, childrenOf, parseXml, textAt } from "../providers/libvirt/xml/index.ts";
import { readRoutes } from "../tools/preflight/routes.ts";
import { hostCpusOf, pinnedCpusOf } from "./host-cpus.ts";
import { forwardsFact } from "./host-forwards.ts";
import { interfacesHere } from "./host-interfaces.ts";
import { guestShutdownFact } from "./host-shutdown.ts";
import { isRemote } from "./remote.ts";
import { rootImageOf } from "./root-images.ts";

/** Which host is asked, and what is ours on it. */
export interface HostQuery {
  readonly uri: string;
  /** Owner id of the stack. */
  readonly owner: string;
  /** UUID that the cluster's pool has where this stack made it. */
  readonly poolUuid: string;
  /** Name of the cluster's pool. */
  readonly pool: string;
  readonly kvm: Known<boolean>;
}

/**
 * What the planner needs to know of a host, read from libvirt in one go.
 *
 * A host that cannot be reached gives facts that say so; the preview goes on and tells what it could not check.
 */
export async function collectHostFacts(query: HostQuery): Promise<HostFacts> {
  const client = createLibvirtClient(query.uri);
  const besides = {
    kvm: query.kvm,
    guestShutdownSeconds: await guestShutdownFact(query.uri),
    forwards: forwardsFact(query.uri),
  };
  try {
    return { ...(await read(client, query)), ...besides };
  } catch (error) {
    if (!(error instanceof LibvirtConnectionError)) throw error;
    return { ...unknownHost(error.message), ...besides };
  } finally {
    await client.close();
  }
}

async function read(client: LibvirtClient, query: HostQuery): Promise<HostFacts> {
  const cache = readCache(client);
  const [domains, networks, pools, node, capabilities, filters] = await Promise.all([
    cache.domains.get(),
    cache.networks.get(),
    cache.pools.get(),
    client.nodeGetInfo(),
    client.getCapabilities(),
    networkFilters(client),
  ]);
  const own = pools.find((pool) => pool.ref.name === query.pool);
  const poolFreeMiB: Known<number> =
    own?.active === true
      ? { known: true, value: toMiB((await client.storagePoolGetInfo(own.ref)).available) }
      : { known: false, why: `pool ${query.pool} does not exist yet` };
  const nodes = networks.map((network) => libvirtNetwork(network, query.owner));
  return {
    ...unknownHost("it is not read yet"),
    cpuVendor: { known: true, value: vendorOf(capabilities) },
    cpus: hostCpusOf(parseXml(capabilities)),
    memoryMiB: { known: true, value: Math.floor(node.memoryKiB / 1024) },
    poolFreeMiB,
    networks: {
      known: true,
      value: [...nodes, ...interfacesOf(query.uri, networks), ...(await routesOf(query.uri, networks))],
    },
    interfaces: interfaceNames(query, networks),
    domains: {
      known: true,
      value: await Promise.all(domains.map((domain) => hostDomain(client, domain, query))),
    },
    networkFilters: { known: true, value: filters },
    pools: { known: true, value: pools.map((pool) => hostPool(pool, query.poolUuid)) },
  };
}

/** libvirt's filters are a package of their own in most distributions. */
async function networkFilters(client: LibvirtClient): Promise<string[]> {
  try {
    return await client.networkFilterList();
  } catch (error) {
    if (error instanceof LibvirtError && error.codeName === "VIR_ERR_NO_SUPPORT") return [];
    throw error;
  }
}

const toMiB = (bytes: number | bigint): number => Number(BigInt(bytes) / 1_048_576n);

function vendorOf(capabilities: string): "intel" | "amd" | "other" {
  const vendor = textAt(parseXml(capabilities), "host", "cpu", "vendor");
  if (vendor === "Intel") return "intel";
  return vendor === "AMD" ? "amd" : "other";
}

const markedBy = (xml: string, owner: string): boolean =>
  findMark(child(parseXml(xml), "metadata"))?.owner === owner;

async function hostDomain(
  client: LibvirtClient,
  domain: DomainSnapshot,
  query: HostQuery,
): Promise<HostDomain> {
  const definition = parseXml(domain.xml);
  const owned = markedBy(domain.xml, query.owner);
  const rootImage = owned ? await rootImageOf(client, domain, query.pool) : undefined;
  return {
    name: domain.ref.name,
    owned,
    running: domain.liveXml !== undefined,
    memoryMiB: Math.ceil(Number(textAt(definition, "memory") ?? "0") / 1024),
    vcpus: Number(textAt(definition, "vcpu") ?? "0"),
    macs: childrenOf(at(definition, "devices"), "interface").flatMap((device) => {
      const mac = attribute(child(device, "mac"), "address");
      return mac === undefined ? [] : [mac.toLowerCase()];
    }),
    pinnedCpus: pinnedCpusOf(definition),
    ...(holdOf(definition) === undefined ? {} : { held: true }),
    ...(rootImage === undefined ? {} : { rootImage }),
  };
}

function libvirtNetwork(network: NetworkSnapshot, owner: string): HostNetwork {
  const ip = childrenOf(parseXml(network.xml), "ip").find(
    (candidate) => (attribute(candidate, "family") ?? "ipv4") === "ipv4",
  );
  const subnet = ip === undefined ? undefined : subnetOf(attribute(ip, "address"), ip);
  const dhcpRanges = childrenOf(child(ip, "dhcp"), "range").flatMap((range) => {
    const [start, end] = [attribute(range, "start"), attribute(range, "end")];
    return start === undefined || end === undefined ? [] : [{ start, end }];
  });
  return {
    name: network.ref.name,
    kind: "libvirt",
    owned: markedBy(network.xml, owner),
    ...(subnet === undefined ? {} : { subnet }),
    ...(dhcpRanges.length === 0 ? {} : { dhcpRanges }),
  };
}

function subnetOf(address: string | undefined, ip: Parameters<typeof attribute>[0]): string | undefined {
  const prefix = attribute(ip, "prefix");
  const netmask = attribute(ip, "netmask");
  if (address === undefined) return undefined;
  if (prefix !== undefined) return `${address}/${prefix}`;
  return netmask === undefined ? undefined : `${address}/${prefixOf(netmask)}`;
}

const prefixOf = (netmask: string): number =>
  netmask
    .split(".")
    .map((part) => Number(part).toString(2).replaceAll("0", "").length)
    .reduce((sum, bits) => sum + bits, 0);

/** Bridges of libvirt's own networks, which appear among the interfaces as well. */
const bridgesOf = (networks: readonly NetworkSnapshot[]): Map<string, NetworkSnapshot> =>
  new Map(
    networks.flatMap((network) => {
      const bridge = attribute(child(parseXml(network.xml), "bridge"), "name");
      return bridge === undefined ? [] : [[bridge, network] as const];
    }),
  );

function interfacesOf(uri: string, networks: readonly NetworkSnapshot[]): HostNetwork[] {
  if (isRemote(uri)) return [];
  const bridges = bridgesOf(networks);
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    bridges.has(name)
      ? []
      : (addresses ?? []).flatMap((address): HostNetwork[] =>
          address.family === "IPv4" && address.cidr !== null
            ? [{ name, kind: "interface", owned: false, subnet: address.cidr }]
            : [],
        ),
  );
}

/** Routes beyond the interfaces' own networks, for example of VPNs. */
async function routesOf(uri: string, networks: readonly NetworkSnapshot[]): Promise<HostNetwork[]> {
  if (isRemote(uri)) return [];
  const bridges = bridgesOf(networks);
  const own = new Set(
    interfacesOf(uri, networks).flatMap(({ subnet }) => {
      const network = parseSubnet(subnet ?? "");
      return network === undefined ? [] : [formatSubnet(network)];
    }),
  );
  return (await readRoutes())
    .filter(({ device, subnet }) => !bridges.has(device) && !own.has(formatSubnet(subnet)))
    .map(({ device, subnet }) => ({
      name: device,
      kind: "route",
      owned: false,
      subnet: formatSubnet(subnet),
    }));
}

function interfaceNames(query: HostQuery, networks: readonly NetworkSnapshot[]): HostFacts["interfaces"] {
  if (isRemote(query.uri)) return { known: false, why: "the interfaces of a remote host are not read" };
  const bridges = bridgesOf(networks);
  const names = new Set([...interfacesHere(), ...bridges.keys()]);
  return {
    known: true,
    value: [...names].sort().map((name) => {
      const network = bridges.get(name);
      return { name, owned: network !== undefined && markedBy(network.xml, query.owner) };
    }),
  };
}

const hostPool = (pool: PoolSnapshot, poolUuid: string): { name: string; owned: boolean } => ({
  name: pool.ref.name,
  owned: pool.ref.uuid === poolUuid,
});
