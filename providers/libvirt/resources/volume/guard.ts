import { ProviderError } from "../../../plugin/errors.ts";
import type { CallContext } from "../../../plugin/types.ts";
import type { StorageVolRef } from "../../client/types.ts";
import type { ProviderContext } from "../../context.ts";
import { volumesChanged } from "../../host.ts";
import { describeUse, disksOn, overlaysOf } from "./use.ts";

/** What uses the volume, for people; undefined where nothing does. */
export async function findUse(
  provider: ProviderContext,
  context: CallContext,
  volume: { readonly pool: string; readonly name: string; readonly path: string },
): Promise<string | undefined> {
  const [domains, volumes] = await Promise.all([
    provider.cache.domains.get(context.signal),
    provider.cache.volumes.get(volume.pool, context.signal),
  ]);
  return describeUse(disksOn(volume, domains), overlaysOf(volume, volumes));
}

/** Reads the host afresh and throws while domains or overlays need the volume. */
export async function refuseWhileUsed(
  provider: ProviderContext,
  context: CallContext,
  ref: StorageVolRef,
  verb: string,
): Promise<void> {
  provider.cache.domains.invalidate();
  volumesChanged(provider.cache, ref.pool);
  const path = await provider.client.storageVolGetPath(ref, { signal: context.signal });
  const use = await findUse(provider, context, { pool: ref.pool, name: ref.name, path });
  if (use !== undefined) throw inUse(ref, verb, use);
}

/** The error of a volume that cannot be touched now. */
export function inUse(volume: { pool: string; name: string }, verb: string, use: string): ProviderError {
  return new ProviderError(
    `the volume "${volume.name}" in pool "${volume.pool}" cannot be ${verb} while it is used by ${use}. ` +
      `Declare changed content under a new name, which those machines then take; or remove them first.`,
    "failedPrecondition",
  );
}
