import { ProviderError } from "../../../plugin/errors.ts";
import type { CallContext } from "../../../plugin/types.ts";
import type { ProviderContext } from "../../context.ts";
import { volumesChanged } from "../../host.ts";
import type { VolumeInputs } from "../inputs.ts";
import { findPool } from "./find-pool.ts";
import { disksOn } from "./use.ts";
import { fromMiB, parseVolume, toMiB, type VolumeFacts } from "./xml.ts";

/** Grows the volume to its declared size; through the running guest where one uses it. */
export async function resizeVolume(
  provider: ProviderContext,
  context: CallContext,
  inputs: VolumeInputs,
): Promise<VolumeFacts> {
  const { client } = provider;
  const options = { signal: context.signal };
  const pool = await findPool(provider, context, inputs.pool);
  const volume = await client.storageVolLookupByName(pool, inputs.name, options);
  if (volume === undefined) {
    throw new ProviderError(
      `the volume "${inputs.name}" is no longer in pool "${inputs.pool}". Run "pulumi refresh" and the update again.`,
      "notFound",
    );
  }
  const facts = parseVolume(await client.storageVolGetXmlDesc(volume, options));
  const wanted = inputs.sizeMiB === undefined ? facts.capacityBytes : fromMiB(inputs.sizeMiB);
  if (wanted === facts.capacityBytes) return facts;
  if (wanted < facts.capacityBytes) {
    throw new ProviderError(
      `the volume "${inputs.name}" has ${toMiB(facts.capacityBytes)} MiB and cannot shrink to ${inputs.sizeMiB} MiB. Set sizeMiB to at least ${toMiB(facts.capacityBytes)}.`,
      "failedPrecondition",
    );
  }
  provider.cache.domains.invalidate();
  const domains = await provider.cache.domains.get(context.signal);
  const running = disksOn({ pool: pool.name, name: volume.name, path: facts.path }, domains).filter(
    (disk) => disk.running,
  );
  try {
    // QEMU holds the file of a running guest: only QEMU may resize it, and the guest sees the new size at once.
    const [first] = running;
    if (first === undefined) await client.storageVolResize(volume, wanted, options);
    else await client.domainBlockResize(first.domain.ref, first.target, wanted, options);
  } finally {
    volumesChanged(provider.cache, pool.name);
  }
  return { ...facts, capacityBytes: wanted };
}
