import { Cached, CachedBy } from "./cached.ts";
import type { LibvirtClient } from "./client/api.ts";
import { isNotFound, LibvirtError } from "./client/errors.ts";
import type { CallOptions, DomainRef, NetworkRef, StoragePoolRef } from "./client/types.ts";
import type { DomainSnapshot, NetworkSnapshot, PoolSnapshot, ReadCache, VolumeSnapshot } from "./context.ts";
import { parseVolume, type VolumeFacts } from "./resources/volume/xml.ts";

/** The host's objects, each kind read with its XML in one go. */
export function readCache(client: LibvirtClient): ReadCache {
  return {
    domains: new Cached(() => readDomains(client)),
    networks: new Cached(async () => each(await client.networkList(), (ref) => readNetwork(client, ref))),
    pools: new Cached(async () => each(await client.storagePoolList(), (ref) => readPool(client, ref))),
    volumes: new CachedBy((pool) => readVolumes(client, pool)),
    sharedVolumes: new CachedBy((place) => {
      const slash = place.indexOf("/");
      return readVolume(client, { pool: place.slice(0, slash), volume: place.slice(slash + 1) });
    }),
  };
}

/** To be called after a change of a pool, or of a volume other than a machine's own disk. */
export function volumesChanged(cache: ReadCache, pool: string): void {
  cache.volumes.invalidate(pool);
  cache.sharedVolumes.invalidate();
}

/** Reads all at the same time; what vanished meanwhile is left out. The client limits what is under way. */
async function each<Ref, Snapshot>(
  refs: readonly Ref[],
  read: (ref: Ref) => Promise<Snapshot>,
): Promise<readonly Snapshot[]> {
  const found = await Promise.all(
    refs.map(async (ref) => {
      try {
        return await read(ref);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    }),
  );
  return found.filter((snapshot) => snapshot !== undefined);
}

async function readDomains(client: LibvirtClient): Promise<readonly DomainSnapshot[]> {
  // One call tells which of all start with their host.
  const [refs, starting] = await Promise.all([client.domainList(), client.domainList({ autostart: true })]);
  const autostart = new Set(starting.map((ref) => ref.uuid));
  return each(refs, (ref) => readDomain(client, ref, autostart.has(ref.uuid)));
}

async function readDomain(
  client: LibvirtClient,
  ref: DomainRef,
  autostart: boolean,
): Promise<DomainSnapshot> {
  const [xml, { state, reason }] = await Promise.all([
    client.domainGetXmlDesc(ref, { inactive: true }),
    client.domainGetState(ref),
  ]);
  const off = state === "shutoff" || state === "crashed";
  const liveXml = off ? undefined : await client.domainGetXmlDesc(ref);
  return { ref, state, reason, autostart, xml, liveXml };
}

/** The definition; from drivers that do not tell it apart (libvirt's test driver) what there is. */
export async function definedXml(
  read: (options: { inactive?: boolean }) => Promise<string>,
): Promise<string> {
  try {
    return await read({ inactive: true });
  } catch (error) {
    if (error instanceof LibvirtError && error.codeName === "VIR_ERR_INVALID_ARG") return read({});
    throw error;
  }
}

async function readNetwork(client: LibvirtClient, ref: NetworkRef): Promise<NetworkSnapshot> {
  const [xml, active, autostart] = await Promise.all([
    networkDefinition(client, ref),
    client.networkIsActive(ref),
    client.networkGetAutostart(ref),
  ]);
  return { ref, active, autostart, xml };
}

/** The definition of a network, not the state of the running one. */
export async function networkDefinition(
  client: LibvirtClient,
  ref: NetworkRef,
  options: CallOptions = {},
): Promise<string> {
  try {
    return await client.networkGetXmlDesc(ref, { ...options, inactive: true });
  } catch (error) {
    // The test driver knows one form only and refuses the flag.
    if (!(error instanceof LibvirtError) || error.codeName !== "VIR_ERR_INVALID_ARG") throw error;
    return client.networkGetXmlDesc(ref, options);
  }
}

async function readPool(client: LibvirtClient, ref: StoragePoolRef): Promise<PoolSnapshot> {
  const [xml, active, autostart] = await Promise.all([
    definedXml((options) => client.storagePoolGetXmlDesc(ref, options)),
    client.storagePoolIsActive(ref),
    client.storagePoolGetAutostart(ref),
  ]);
  return { ref, active, autostart, xml };
}

async function readVolumes(client: LibvirtClient, name: string): Promise<readonly VolumeSnapshot[]> {
  const pool = await client.storagePoolLookupByName(name);
  if (pool === undefined || !(await client.storagePoolIsActive(pool))) return [];
  await refreshPool(client, pool);
  const refs = await client.storagePoolListVolumes(pool);
  return each(refs, async (ref) => ({ ref, xml: await client.storageVolGetXmlDesc(ref) }));
}

/** One volume as it is now; `unknown` where its pool is missing or stopped, so that nothing is proven about it. */
export async function readVolume(
  client: LibvirtClient,
  place: { readonly pool: string; readonly volume: string },
  options: CallOptions = {},
): Promise<VolumeFacts | "missing" | "unknown"> {
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
}

/**
 * Makes libvirt look at the pool's files again. It refuses while a transfer is under way; the end of the transfer then
 * refreshes by itself.
 */
export async function refreshPool(
  client: LibvirtClient,
  pool: StoragePoolRef,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await client.storagePoolRefresh(pool, signal === undefined ? {} : { signal });
  } catch (error) {
    if (!(error instanceof LibvirtError) || !/asynchronous jobs/.test(error.text)) throw error;
  }
}
