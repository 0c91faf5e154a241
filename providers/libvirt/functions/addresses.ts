import { ProviderError } from "../../plugin/errors.ts";
import type { FunctionHandler } from "../../plugin/types.ts";
import { isArray, type PropertyMap, type PropertyValue, unwrap } from "../../plugin/values.ts";
import { Cached } from "../cached.ts";
import { LibvirtError } from "../client/errors.ts";
import type { ContextSource, DomainSnapshot, NetworkSnapshot, ProviderContext } from "../context.ts";
import { at, attribute, child, childrenOf, parseXml } from "../xml/index.ts";

/** Addresses by MAC in lower case, reserved ones first. */
type AddressesByMac = ReadonlyMap<string, readonly string[]>;

/** `getDomainAddresses`: of all domains at once, read once per configuration. */
export function getDomainAddresses(source: ContextSource): FunctionHandler {
  // Kept as long as the list of domains: a domain that was made or started meanwhile may have a new lease.
  const known = new WeakMap<readonly DomainSnapshot[], Cached<AddressesByMac>>();
  return async (context, args) => {
    const names = readNames(args);
    const provider = source();
    const domains = await provider.cache.domains.get(context.signal);
    let cached = known.get(domains);
    if (cached === undefined) {
      cached = new Cached(() => readAddresses(provider));
      known.set(domains, cached);
    }
    const addresses = await cached.get(context.signal);
    const wanted = domains
      .filter((domain) => names === undefined || names.includes(domain.ref.name))
      .sort((a, b) => (a.ref.name < b.ref.name ? -1 : 1));
    return { outputs: { domains: wanted.map((domain) => describe(domain, addresses)) } };
  };
}

function readNames(args: PropertyMap): readonly PropertyValue[] | undefined {
  const names = unwrap(args.names);
  if (names === undefined || names === null) return undefined;
  if (isArray(names)) return names.map((name) => unwrap(name) ?? null);
  throw new ProviderError("names must be a list of domain names", "invalidArgument");
}

async function readAddresses(provider: ProviderContext): Promise<AddressesByMac> {
  const networks = await provider.cache.networks.get();
  const found = new Map<string, string[]>();
  const add = (mac: string, address: string) => {
    const known = found.get(mac.toLowerCase()) ?? [];
    if (!known.includes(address)) found.set(mac.toLowerCase(), [...known, address]);
  };
  for (const network of networks) for (const [mac, address] of reservations(network)) add(mac, address);
  const leases = await Promise.all(
    networks.filter((network) => network.active).map((network) => leasesOf(provider, network)),
  );
  for (const lease of leases.flat()) add(lease.mac, lease.address);
  return found;
}

const noLeases = new Set(["VIR_ERR_NO_NETWORK", "VIR_ERR_NO_SUPPORT", "VIR_ERR_OPERATION_INVALID"]);

async function leasesOf(provider: ProviderContext, network: NetworkSnapshot) {
  try {
    return await provider.client.networkGetDhcpLeases(network.ref);
  } catch (error) {
    // A network on an existing bridge has no DHCP of its own, and the test driver no leases.
    if (error instanceof LibvirtError && noLeases.has(error.codeName)) return [];
    throw error;
  }
}

function reservations(network: NetworkSnapshot): (readonly [string, string])[] {
  return childrenOf(parseXml(network.xml), "ip").flatMap((ip) =>
    childrenOf(child(ip, "dhcp"), "host").flatMap((host) => {
      const mac = attribute(host, "mac");
      const address = attribute(host, "ip");
      return mac === undefined || address === undefined ? [] : [[mac, address] as const];
    }),
  );
}

function describe(domain: DomainSnapshot, addresses: AddressesByMac): PropertyMap {
  const xml = domain.liveXml ?? domain.xml;
  const interfaces = childrenOf(at(parseXml(xml), "devices"), "interface").flatMap((device) => {
    const mac = attribute(child(device, "mac"), "address");
    if (mac === undefined) return [];
    const network = attribute(child(device, "source"), "network");
    return [{ mac, network, addresses: addresses.get(mac.toLowerCase()) ?? [] }];
  });
  return {
    name: domain.ref.name,
    uuid: domain.ref.uuid,
    running: domain.liveXml !== undefined,
    interfaces,
  };
}
