import { isNotFound } from "../../../client/errors.ts";
import type { DomainRef, DomainStateInfo } from "../../../client/types.ts";
import type {
  DomainSnapshot,
  NetworkSnapshot,
  PoolSnapshot,
  ProviderContext,
  VolumeSnapshot,
} from "../../../context.ts";
import { finder } from "../../../finder.ts";
import { definedXml, readVolume } from "../../../host.ts";
import { findHold, holdNamespace } from "../../../ownership/index.ts";
import { child, parseXml } from "../../../xml/index.ts";
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
  /** Whether it starts with its host, or will again when a hold ends. */
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
  network(name: string): Promise<NetworkFacts | undefined>;
}

/** A machine whose host is evacuated does not start with it until it returns: nobody changed its declaration. */
function keepsAutostart(xml: string): boolean {
  // Most machines are not held, and to parse a thousand definitions takes its time.
  return xml.includes(holdNamespace) && findHold(child(parseXml(xml), "metadata"))?.autostart === true;
}

/** The state of a domain in our words. */
export async function powerOf(
  provider: ProviderContext,
  ref: DomainRef,
  options: { signal: AbortSignal },
): Promise<Power> {
  return powerIn(await provider.client.domainGetState(ref, options), ref);
}

function powerIn({ state, reason }: Pick<DomainStateInfo, "state" | "reason">, ref: DomainRef): Power {
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
  };
}

const domainByUuid = finder((domain: DomainSnapshot) => domain.ref.uuid);
const volumeByName = finder((volume: VolumeSnapshot) => volume.ref.name);

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
        return { ref, power, xml, liveXml, autostart: autostart || keepsAutostart(xml) };
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    byName: (name) => client.domainLookupByName(name, options),
    async volume(place) {
      return readVolume(client, place, options);
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
  const { cache } = provider;
  return {
    ...pools(provider, signal),
    async byUuid(uuid) {
      const found = domainByUuid(await cache.domains.get(signal), uuid);
      if (found === undefined) return undefined;
      const { ref, xml, liveXml, autostart } = found;
      return { ref, power: powerIn(found, ref), xml, liveXml, autostart: autostart || keepsAutostart(xml) };
    },
    async byName(name) {
      return (await cache.domains.get(signal)).find((domain) => domain.ref.name === name)?.ref;
    },
    async volume(place) {
      const active = (await cache.pools.get(signal)).some(
        (pool) => pool.ref.name === place.pool && pool.active,
      );
      if (!active) return "unknown";
      const found = volumeByName(await cache.volumes.get(place.pool, signal), place.volume);
      return found === undefined ? "missing" : parseVolume(found.xml);
    },
    async network(name) {
      const found = (await cache.networks.get(signal)).find((network) => network.ref.name === name);
      return found === undefined ? undefined : factsOf(found);
    },
  };
}
