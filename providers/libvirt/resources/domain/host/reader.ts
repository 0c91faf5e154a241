import { isNotFound } from "../../../client/errors.ts";
import type { DomainRef } from "../../../client/types.ts";
import type { NetworkSnapshot, PoolSnapshot, ProviderContext } from "../../../context.ts";
import { definedXml } from "../../../host.ts";
import { type NetworkFacts, parseNetwork } from "../../network/xml.ts";
import { parsePool } from "../../pool/xml.ts";
import { parseVolume, type VolumeFacts } from "../../volume/xml.ts";
import type { Power } from "../plan/facts.ts";
import type { VolumePlace } from "../xml/parse-devices.ts";

/** A domain as one look at the host finds it. */
export interface SeenDomain {
  readonly ref: DomainRef;
  readonly power: Power;
  readonly xml: string;
  readonly liveXml: string | undefined;
  readonly autostart: boolean;
}

/** `unknown`: the pool is missing or stopped, so nothing is proven about the volume. */
export type SeenVolume = VolumeFacts | "missing" | "unknown";

/** Reads of the host. One implementation looks now, the other shares one look per run. */
export interface HostReader {
  byUuid(uuid: string): Promise<SeenDomain | undefined>;
  byName(name: string): Promise<DomainRef | undefined>;
  volume(place: VolumePlace): Promise<SeenVolume>;
  /** Finds the volume of a path, by the directories of the pools. */
  volumeAt(): Promise<(path: string) => VolumePlace | undefined>;
  /** Directory of a pool; undefined where it does not exist. */
  poolPath(pool: string): Promise<string | undefined>;
  network(name: string): Promise<NetworkFacts | undefined>;
}

/** The state of a domain in our words. */
export async function powerOf(
  provider: ProviderContext,
  ref: DomainRef,
  options: { signal: AbortSignal },
): Promise<Power> {
  const { state, reason } = await provider.client.domainGetState(ref, options);
  switch (state) {
    case "running":
    case "blocked":
    case "shutdown":
      return "running";
    case "paused":
      return reason === "ioerror" ? "ioerror" : "paused";
    case "pmsuspended":
      return "paused";
    case "crashed":
      return "crashed";
    case "shutoff":
      return reason === "crashed" ? "crashed" : "off";
    case "nostate":
      return ref.id === -1 ? "off" : "running";
    default:
      return unreachable(state);
  }
}

function unreachable(state: never): never {
  throw new Error(`libvirt knows no state ${String(state)}`);
}

const volumeFinders = new WeakMap<readonly PoolSnapshot[], (path: string) => VolumePlace | undefined>();

/** By the pools' directories; made once per list of pools. */
function volumeFinder(pools: readonly PoolSnapshot[]): (path: string) => VolumePlace | undefined {
  const known = volumeFinders.get(pools);
  if (known !== undefined) return known;
  const byPath = new Map(pools.map((pool) => [parsePool(pool.xml).path.replace(/\/+$/, ""), pool.ref.name]));
  const find = (path: string): VolumePlace | undefined => {
    const slash = path.lastIndexOf("/");
    const pool = byPath.get(path.slice(0, slash));
    return pool === undefined || slash < 0 ? undefined : { pool, volume: path.slice(slash + 1) };
  };
  volumeFinders.set(pools, find);
  return find;
}

const networkFacts = new WeakMap<NetworkSnapshot, NetworkFacts>();

/** A network with a thousand reservations is parsed once, not once per machine. */
function factsOf(snapshot: NetworkSnapshot): NetworkFacts {
  const known = networkFacts.get(snapshot);
  if (known !== undefined) return known;
  const facts = parseNetwork(snapshot.xml);
  networkFacts.set(snapshot, facts);
  return facts;
}

function pools(provider: ProviderContext, signal: AbortSignal) {
  return {
    async volumeAt() {
      return volumeFinder(await provider.cache.pools.get(signal));
    },
    async poolPath(name: string) {
      const found = (await provider.cache.pools.get(signal)).find((pool) => pool.ref.name === name);
      return found === undefined ? undefined : parsePool(found.xml).path.replace(/\/+$/, "");
    },
  };
}

/** Looks at the host now. Pools are read once per run: they do not move. */
export function freshReader(provider: ProviderContext, signal: AbortSignal): HostReader {
  const { client } = provider;
  const options = { signal };
  return {
    ...pools(provider, signal),
    async byUuid(uuid) {
      const ref = await client.domainLookupByUuid(uuid, options);
      if (ref === undefined) return undefined;
      try {
        const [xml, power, autostart] = await Promise.all([
          client.domainGetXmlDesc(ref, { inactive: true, ...options }),
          powerOf(provider, ref, options),
          client.domainGetAutostart(ref, options),
        ]);
        const off = power === "off" || power === "crashed";
        const liveXml = off ? undefined : await client.domainGetXmlDesc(ref, options);
        return { ref, power, xml, liveXml, autostart };
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    byName: (name) => client.domainLookupByName(name, options),
    async volume(place) {
      const pool = await client.storagePoolLookupByName(place.pool, options);
      if (pool === undefined || !(await client.storagePoolIsActive(pool, options))) return "unknown";
      const volume = await client.storageVolLookupByName(pool, place.volume, options);
      if (volume === undefined) return "missing";
      try {
        return parseVolume(await client.storageVolGetXmlDesc(volume, options));
      } catch (error) {
        if (isNotFound(error)) return "missing";
        throw error;
      }
    },
    async network(name) {
      const ref = await client.networkLookupByName(name, options);
      if (ref === undefined) return undefined;
      return parseNetwork(await definedXml((how) => client.networkGetXmlDesc(ref, { ...how, ...options })));
    },
  };
}

/** Shares one look at the whole host among all machines of a run. */
export function cachedReader(provider: ProviderContext, signal: AbortSignal): HostReader {
  const { cache, client } = provider;
  const options = { signal };
  return {
    ...pools(provider, signal),
    async byUuid(uuid) {
      const found = (await cache.domains.get(signal)).find((domain) => domain.ref.uuid === uuid);
      if (found === undefined) return undefined;
      // The list has no reasons; only a machine that is not simply running needs one.
      const power = found.state === "running" ? "running" : await powerOf(provider, found.ref, options);
      const autostart = await client.domainGetAutostart(found.ref, options);
      return { ref: found.ref, power, xml: found.xml, liveXml: found.liveXml, autostart };
    },
    async byName(name) {
      return (await cache.domains.get(signal)).find((domain) => domain.ref.name === name)?.ref;
    },
    async volume(place) {
      const active = (await cache.pools.get(signal)).some(
        (pool) => pool.ref.name === place.pool && pool.active,
      );
      if (!active) return "unknown";
      const volumes = await cache.volumes.get(place.pool, signal);
      const found = volumes.find((volume) => volume.ref.name === place.volume);
      return found === undefined ? "missing" : parseVolume(found.xml);
    },
    async network(name) {
      const found = (await cache.networks.get(signal)).find((network) => network.ref.name === name);
      return found === undefined ? undefined : factsOf(found);
    },
  };
}
