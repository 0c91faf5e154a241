import { ProviderError } from "../../../plugin/errors.ts";
import type { CallContext } from "../../../plugin/types.ts";
import { LibvirtError } from "../../client/errors.ts";
import type { StoragePoolRef, StorageVolRef } from "../../client/types.ts";
import type { ProviderContext } from "../../context.ts";
import { refreshPool, volumesChanged } from "../../host.ts";
import { newGeneration } from "../../ownership/index.ts";
import { brokenOff } from "../begun.ts";
import type { VolumeInputs } from "../inputs.ts";
import { isComplete, isGone, isUploaded } from "./adopt.ts";
import { type OpenContent, openContent } from "./content.ts";
import { findPool } from "./find-pool.ts";
import { refuseWhileUsed } from "./guard.ts";
import { judgeVolume, type Marker, markerContent, markerIdentity, markerName, markersOf } from "./marker.ts";
import { progressText, sizeText } from "./progress.ts";
import { resizeVolume } from "./resize.ts";
import { fromMiB, parseVolume, renderVolume, toMiB, type VolumeFacts } from "./xml.ts";

/** What a create made. */
export interface CreatedVolume {
  readonly facts: VolumeFacts;
  readonly generation: string;
}

/** A volume that may be made. */
interface Judged {
  readonly pool: StoragePoolRef;
  readonly inputs: VolumeInputs;
  readonly marker: Marker;
  /** Markers that earlier creates left. */
  readonly stale: readonly string[];
  /** An earlier create left the volume. */
  readonly resumes: boolean;
}

/**
 * Makes the volume, or finishes what a killed create began, or adopts it where the state was lost. Leaves nothing behind
 * when it fails.
 */
export async function createVolume(
  provider: ProviderContext,
  context: CallContext,
  inputs: VolumeInputs,
  urn: string,
): Promise<CreatedVolume> {
  const pool = await findPool(provider, context, inputs.pool);
  const wanted = {
    volume: inputs.name,
    identity: markerIdentity(provider.config.owner, urn),
    content: markerContent(provider.config.owner, inputs),
  };
  const names = await volumeNames(provider, context, pool);
  const judged = judgeVolume(wanted, names);
  if (judged.verdict === "refuse") throw refused(provider, inputs, judged.reason);
  const marker: Marker = { ...wanted, generation: newGeneration() };
  const stale = markersOf(inputs.name, names).map(markerName);
  try {
    return await makeVolume(provider, context, {
      pool,
      inputs,
      marker,
      stale,
      resumes: judged.verdict === "resume",
    });
  } catch (error) {
    if (await isGone(provider, pool, wanted)) throw error;
    throw brokenOff(context, { id: `${inputs.pool}/${inputs.name}`, urn }, error);
  }
}

async function makeVolume(
  provider: ProviderContext,
  context: CallContext,
  { inputs, marker, pool, resumes, stale }: Judged,
): Promise<CreatedVolume> {
  if (resumes && (await isKept(provider, context, pool, inputs))) {
    return await keep(provider, context, pool, inputs, marker, stale);
  }
  const content = await openContent(inputs);
  try {
    await makeMarker(provider, context, pool, marker);
    if (resumes) await removeHalfMade(provider, context, pool, inputs.name);
    await removeVolumes(provider, pool, stale);
    return await fill(provider, context, pool, inputs, marker, content);
  } catch (error) {
    throw await spaceError(provider, pool, error);
  } finally {
    await content?.close();
    volumesChanged(provider.cache, pool.name);
  }
}

async function volumeNames(
  provider: ProviderContext,
  context: CallContext,
  pool: StoragePoolRef,
): Promise<string[]> {
  await refreshPool(provider.client, pool, context.signal);
  const volumes = await provider.client.storagePoolListVolumes(pool, { signal: context.signal });
  return volumes.map((volume) => volume.name);
}

function refused(provider: ProviderContext, inputs: VolumeInputs, reason: string): ProviderError {
  return new ProviderError(
    `the volume "${inputs.name}" in pool "${inputs.pool}" exists already on ${provider.config.uri}: ${reason}. ` +
      `Choose another name; or keep it with "pulumi import" (id ${inputs.pool}/${inputs.name}); ` +
      `or remove it with "virsh vol-delete --pool ${inputs.pool} ${inputs.name}" if its data is not needed.`,
    "alreadyExists",
  );
}

async function makeMarker(
  provider: ProviderContext,
  context: CallContext,
  pool: StoragePoolRef,
  marker: Marker,
): Promise<void> {
  const xml = renderVolume({ name: markerName(marker), format: "raw", capacityBytes: 0 });
  await provider.client.storageVolCreateXml(pool, xml, { signal: context.signal });
}

/** Whether the volume is there and whole, by a fresh look at what uses it. */
async function isKept(
  provider: ProviderContext,
  context: CallContext,
  pool: StoragePoolRef,
  inputs: VolumeInputs,
): Promise<boolean> {
  const options = { signal: context.signal };
  const volume = await provider.client.storageVolLookupByName(pool, inputs.name, options);
  if (volume === undefined) return false;
  provider.cache.domains.invalidate();
  volumesChanged(provider.cache, pool.name);
  return isComplete(provider, context, inputs, await provider.client.storageVolGetPath(volume, options));
}

/** Keeps a volume as it is, whatever is in it, under a new generation. */
async function keep(
  provider: ProviderContext,
  context: CallContext,
  pool: StoragePoolRef,
  inputs: VolumeInputs,
  marker: Marker,
  stale: readonly string[],
): Promise<CreatedVolume> {
  await makeMarker(provider, context, pool, marker);
  const facts = await resizeVolume(provider, context, inputs);
  if (!isUploaded(inputs)) requireFormat(pool, inputs, facts.format);
  await removeVolumes(provider, pool, stale);
  volumesChanged(provider.cache, pool.name);
  return { facts, generation: marker.generation };
}

async function removeHalfMade(
  provider: ProviderContext,
  context: CallContext,
  pool: StoragePoolRef,
  name: string,
): Promise<void> {
  const volume = await provider.client.storageVolLookupByName(pool, name, { signal: context.signal });
  if (volume === undefined) return;
  await refuseWhileUsed(provider, context, volume, "made again");
  await provider.client.storageVolDelete(volume, { signal: context.signal });
}

async function fill(
  provider: ProviderContext,
  context: CallContext,
  pool: StoragePoolRef,
  inputs: VolumeInputs,
  marker: Marker,
  content: OpenContent | undefined,
): Promise<CreatedVolume> {
  const { client } = provider;
  const made = [markerName(marker)];
  try {
    await checkSpace(provider, context, pool, content?.length ?? 0);
    const options = { signal: context.signal };
    // An upload overwrites what libvirt makes here, and libvirt knows its format and size without another look: it
    // refuses to look again while other transfers are under way in the pool.
    const format = content?.format ?? inputs.format ?? "qcow2";
    const capacityBytes = content?.virtualSize ?? fromMiB(inputs.sizeMiB ?? 0);
    const xml = renderVolume({ name: inputs.name, format, capacityBytes });
    const volume = await client.storageVolCreateXml(pool, xml, options);
    made.unshift(inputs.name);
    if (content !== undefined) await upload(provider, context, volume, content);
    return {
      facts: await settle(provider, context, pool, volume, inputs, content),
      generation: marker.generation,
    };
  } catch (error) {
    const left = await removeVolumes(provider, pool, made);
    for (const text of left) context.logger.warning(text);
    throw error;
  }
}

async function upload(
  provider: ProviderContext,
  context: CallContext,
  volume: StorageVolRef,
  content: OpenContent,
): Promise<void> {
  const start = Date.now();
  let shown = start;
  await provider.client.storageVolUpload(volume, content.stream(), {
    length: content.length,
    signal: context.signal,
    onProgress: (bytes) => {
      const now = Date.now();
      if (now - shown < 1000) return;
      shown = now;
      context.logger.status(progressText(bytes, content.length, (now - start) / 1000));
    },
  });
  content.verify();
}

/** Brings the volume to its size and reads what it has become. */
async function settle(
  provider: ProviderContext,
  context: CallContext,
  pool: StoragePoolRef,
  volume: StorageVolRef,
  inputs: VolumeInputs,
  content?: OpenContent,
): Promise<VolumeFacts> {
  const { client } = provider;
  const options = { signal: context.signal };
  const facts = parseVolume(await client.storageVolGetXmlDesc(volume, options));
  requireFormat(pool, inputs, facts.format, content);
  if (inputs.sizeMiB === undefined) return facts;
  const wanted = fromMiB(inputs.sizeMiB);
  if (wanted < facts.capacityBytes) {
    throw new ProviderError(
      `the volume "${inputs.name}" is to have ${inputs.sizeMiB} MiB, but what it holds needs ${toMiB(facts.capacityBytes)} MiB. Set sizeMiB to at least ${toMiB(facts.capacityBytes)}, or leave it out.`,
      "invalidArgument",
    );
  }
  if (wanted > facts.capacityBytes) await client.storageVolResize(volume, wanted, options);
  return { ...facts, capacityBytes: wanted };
}

function requireFormat(
  pool: StoragePoolRef,
  inputs: VolumeInputs,
  found: VolumeFacts["format"],
  content?: OpenContent,
): void {
  const format = content?.format ?? inputs.format ?? "qcow2";
  if (found === format || (format === "raw" && found === "iso")) return;
  throw new ProviderError(
    `libvirt sees the volume "${inputs.name}" in pool "${pool.name}" as ${found}, not as ${format}. Choose another name, or declare its format.`,
    "failedPrecondition",
  );
}

async function checkSpace(
  provider: ProviderContext,
  context: CallContext,
  pool: StoragePoolRef,
  needed: number,
): Promise<void> {
  const { available } = await provider.client.storagePoolGetInfo(pool, { signal: context.signal });
  if (needed > available) throw noSpace(provider, pool, available, needed);
}

function noSpace(
  provider: ProviderContext,
  pool: StoragePoolRef,
  available: number,
  needed?: number,
): ProviderError {
  const need = needed === undefined ? "" : `, ${sizeText(needed)} are needed`;
  return new ProviderError(
    `the storage pool "${pool.name}" on ${provider.config.uri} has no room: ${sizeText(available)} are free${need}. ` +
      `Free some space there, or use a pool on a larger file system; then run the update again.`,
    "failedPrecondition",
  );
}

/** libvirt reports a full disk in the middle of an upload in several ways; the pool's free space tells. */
async function spaceError(provider: ProviderContext, pool: StoragePoolRef, error: unknown): Promise<unknown> {
  if (!(error instanceof LibvirtError) || !/no space left|enospc/i.test(error.text)) return error;
  const { available } = await provider.client.storagePoolGetInfo(pool);
  return noSpace(provider, pool, available);
}

/**
 * Deletes volumes by name, also after an abort. Returns a text for each that could not be deleted.
 */
export async function removeVolumes(
  provider: ProviderContext,
  pool: StoragePoolRef,
  names: readonly string[],
): Promise<string[]> {
  const left: string[] = [];
  for (const name of names) {
    try {
      const volume = await provider.client.storageVolLookupByName(pool, name);
      if (volume !== undefined) await provider.client.storageVolDelete(volume);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      left.push(
        `the volume "${name}" in pool "${pool.name}" could not be removed (${reason}); the next update does it`,
      );
    }
  }
  return left;
}
