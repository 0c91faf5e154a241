import { Cached, CachedBy } from "./cached.ts";
import type { LibvirtClient } from "./client/api.ts";
import { isNotFound, LibvirtError } from "./client/errors.ts";
import type { CallOptions, DomainRef, NetworkRef, StoragePoolRef } from "./client/types.ts";
import type { DomainSnapshot, NetworkSnapshot, PoolSnapshot, ReadCache, VolumeSnapshot } from "./context.ts";

/** The host's objects, each kind read with its XML in one go. */
export function readCache(client: LibvirtClient): ReadCache {
  return {
    domains: new Cached(async () => each(await client.domainList(), (ref) => readDomain(client, ref))),
    networks: new Cached(async () => each(await client.networkList(), (ref) => readNetwork(client, ref))),
    pools: new Cached(async () => each(await client.storagePoolList(), (ref) => readPool(client, ref))),
    volumes: new CachedBy((pool) => readVolumes(client, pool)),
  };
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

async function readDomain(client: LibvirtClient, ref: DomainRef): Promise<DomainSnapshot> {
  const [xml, { state }] = await Promise.all([
    client.domainGetXmlDesc(ref, { inactive: true }),
    client.domainGetState(ref),
  ]);
  const off = state === "shutoff" || state === "crashed";
  return { ref, state, xml, liveXml: off ? undefined : await client.domainGetXmlDesc(ref) };
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
