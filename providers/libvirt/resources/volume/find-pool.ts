import { ProviderError } from "../../../plugin/errors.ts";
import type { CallContext } from "../../../plugin/types.ts";
import type { StoragePoolRef } from "../../client/types.ts";
import type { ProviderContext } from "../../context.ts";

/** The active pool of that name. */
export async function findPool(
  provider: ProviderContext,
  context: CallContext,
  name: string,
): Promise<StoragePoolRef> {
  const pool = await provider.client.storagePoolLookupByName(name, { signal: context.signal });
  if (pool === undefined) {
    throw new ProviderError(
      `there is no storage pool "${name}" on ${provider.config.uri}. Declare it as a libvirt.Pool, or correct the name.`,
      "notFound",
    );
  }
  if (!(await provider.client.storagePoolIsActive(pool, { signal: context.signal }))) {
    throw new ProviderError(
      `the storage pool "${name}" on ${provider.config.uri} is stopped. Start it with "virsh pool-start ${name}", or run "pulumi refresh" and the update where it is declared.`,
      "failedPrecondition",
    );
  }
  return pool;
}
