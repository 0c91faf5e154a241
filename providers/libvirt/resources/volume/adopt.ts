import type { CallContext } from "../../../plugin/types.ts";
import { LibvirtConnectionError } from "../../client/errors.ts";
import type { StoragePoolRef } from "../../client/types.ts";
import type { ProviderContext } from "../../context.ts";
import type { VolumeInputs } from "../inputs.ts";
import { findUse } from "./guard.ts";
import { judgeVolume, type Marker, markerContent, markerIdentity, markersOf } from "./marker.ts";
import { parseVolume } from "./xml.ts";

/** Whether the volume is made from something that is uploaded. */
export const isUploaded = ({ seed, source }: VolumeInputs): boolean =>
  source !== undefined || seed !== undefined;

/**
 * Whether a volume of ours is whole. A blank one always is, and may hold data by now. An upload may have been cut off:
 * it is whole where a machine or an overlay uses it, as these are made only after it.
 */
export async function isComplete(
  provider: ProviderContext,
  context: CallContext,
  inputs: VolumeInputs,
  path: string,
): Promise<boolean> {
  if (!isUploaded(inputs)) return true;
  return (await findUse(provider, context, { pool: inputs.pool, name: inputs.name, path })) !== undefined;
}

/** Whether a create will find its volume there already, whole and ours; not known of a host that cannot be asked. */
export async function foreseesAdoption(
  provider: ProviderContext,
  context: CallContext,
  inputs: VolumeInputs,
  urn: string,
): Promise<boolean> {
  const { cache, config } = provider;
  try {
    const pools = await cache.pools.get(context.signal);
    if (!pools.some(({ active, ref }) => active && ref.name === inputs.pool)) return false;
    const volumes = await cache.volumes.get(inputs.pool, context.signal);
    const wanted = {
      volume: inputs.name,
      identity: markerIdentity(config.owner, urn),
      content: markerContent(config.owner, inputs),
    };
    const names = volumes.map(({ ref }) => ref.name);
    if (judgeVolume(wanted, names).verdict !== "resume") return false;
    const found = volumes.find(({ ref }) => ref.name === inputs.name);
    return found !== undefined && (await isComplete(provider, context, inputs, parseVolume(found.xml).path));
  } catch (error) {
    if (error instanceof LibvirtConnectionError) return false;
    throw error;
  }
}

/** Whether nothing is there of a volume that could not be made; false where the host does not say. Also after an abort. */
export async function isGone(
  { client }: ProviderContext,
  pool: StoragePoolRef,
  wanted: Pick<Marker, "identity" | "volume">,
): Promise<boolean> {
  const volumes = await client.storagePoolListVolumes(pool).catch(() => undefined);
  const names = volumes?.map(({ name }) => name);
  return (
    names !== undefined &&
    markersOf(wanted.volume, names).every(({ identity }) => identity !== wanted.identity)
  );
}
