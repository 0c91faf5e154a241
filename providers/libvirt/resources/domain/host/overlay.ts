import { ProviderError } from "../../../../plugin/errors.ts";
import { isNotFound, LibvirtError } from "../../../client/errors.ts";
import type { PoolSnapshot } from "../../../context.ts";
import { element, renderXml } from "../../../xml/index.ts";
import { parsePool } from "../../pool/xml.ts";
import { findPool } from "../../volume/find-pool.ts";
import { fromMiB, parseVolume, toMiB, type VolumeFacts } from "../../volume/xml.ts";
import type { Definition } from "../definition.ts";
import { rootTarget } from "../definition.ts";
import { type Run, withSignal } from "../run.ts";
import type { VolumePlace } from "../xml/parse-devices.ts";
import type { DiskSource } from "../xml/render.ts";
import { again } from "./again.ts";
import type { SeenVolume } from "./reader.ts";

type RootDisk = NonNullable<Definition["rootDisk"]>;

/** Name of a machine's root overlay. The generation in it proves which machine made it. */
export function overlayName(machine: string, generation: string): string {
  return `${machine}-root-${generation}.qcow2`;
}

/** The image of a root disk. @throws ProviderError where it is missing or larger than the disk shall be. */
export async function requireImage(run: Run, root: RootDisk): Promise<VolumeFacts> {
  const image = await sharedVolume(run, { pool: root.pool, volume: root.image });
  // Says whether the pool is missing or stopped.
  if (image === "unknown") await findPool(run.provider, run.call, root.pool);
  if (image === "missing" || image === "unknown") {
    throw new ProviderError(
      `there is no image "${root.image}" in the pool "${root.pool}", which the root disk of ${run.name} is made from. ` +
        "Declare it as a libvirt.Volume that the domain depends on, or correct the name.",
      "notFound",
    );
  }
  if (image.capacityBytes > fromMiB(root.sizeMiB)) {
    throw new ProviderError(
      `the root disk of ${run.name} is to have ${root.sizeMiB} MiB, but the image "${root.image}" needs ${toMiB(image.capacityBytes)} MiB. ` +
        `Set rootDisk.sizeMiB to at least ${toMiB(image.capacityBytes)}.`,
      "invalidArgument",
    );
  }
  return image;
}

/** Makes the overlay over its image. One of the same name is a killed run's own, and is kept. */
export async function createOverlay(
  run: Run,
  place: VolumePlace,
  root: RootDisk,
  image: VolumeFacts,
): Promise<void> {
  const { client, cache } = run.provider;
  const pool = await poolOf(run, place.pool);
  const xml = renderXml(
    element("volume", {}, [
      element("name", {}, place.volume),
      element("capacity", { unit: "bytes" }, fromMiB(root.sizeMiB)),
      element("target", {}, [
        element("format", { type: "qcow2" }),
        element("permissions", {}, [element("mode", {}, "0600")]),
        element("compat", {}, "1.1"),
      ]),
      element("backingStore", {}, [
        element("path", {}, image.path),
        element("format", { type: image.format === "qcow2" ? "qcow2" : "raw" }),
      ]),
    ]),
  );
  const made = () => client.storageVolLookupByName(pool.ref, place.volume, withSignal(run));
  if ((await made()) !== undefined) return;
  let tries = 0;
  try {
    await again(async () => {
      tries += 1;
      // A daemon that was killed while it made the disk leaves a part of it.
      const part = tries === 1 ? undefined : await made();
      if (part !== undefined) await client.storageVolDelete(part, withSignal(run));
      await client.storageVolCreateXml(pool.ref, xml, withSignal(run));
    });
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    throw new ProviderError(
      `the root disk of ${run.name} could not be made in the pool "${place.pool}": ${error.text}. ` +
        "If the pool has no room, free some space; then run the update again.",
      "failedPrecondition",
      error,
    );
  } finally {
    cache.volumes.invalidate(place.pool);
  }
}

/** Deletes an overlay; does nothing where it is gone. Works after an abort too. */
export async function deleteOverlay(run: Run, place: VolumePlace): Promise<void> {
  const { client, cache } = run.provider;
  const pool = await client.storagePoolLookupByName(place.pool);
  if (pool === undefined) return;
  if (!(await client.storagePoolIsActive(pool))) {
    throw new ProviderError(
      `the root disk ${place.pool}/${place.volume} of ${run.name} cannot be removed, because the pool "${place.pool}" is stopped. ` +
        `Start it with "virsh pool-start ${place.pool}" and run the update again.`,
      "failedPrecondition",
    );
  }
  try {
    await again(async () => {
      const volume = await client.storageVolLookupByName(pool, place.volume);
      if (volume !== undefined) await client.storageVolDelete(volume);
    });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  } finally {
    cache.volumes.invalidate(place.pool);
  }
}

/** Grows the overlay of a machine that is off, or the disk of one that runs. */
export async function growOverlay(
  run: Run,
  place: VolumePlace,
  root: RootDisk,
  running: { readonly uuid: string; readonly name: string; readonly id: number } | undefined,
): Promise<void> {
  const { client, cache } = run.provider;
  const bytes = fromMiB(root.sizeMiB);
  const pool = await findPool(run.provider, run.call, place.pool);
  const volume = await client.storageVolLookupByName(pool, place.volume, withSignal(run));
  if (volume === undefined) return;
  const facts = parseVolume(await client.storageVolGetXmlDesc(volume, withSignal(run)));
  if (facts.capacityBytes >= bytes) return;
  try {
    await again(() =>
      running === undefined
        ? client.storageVolResize(volume, bytes, withSignal(run))
        : client.domainBlockResize(running, rootTarget, bytes, withSignal(run)),
    );
  } finally {
    cache.volumes.invalidate(place.pool);
  }
}

/**
 * Where QEMU finds every disk. The root disk need not exist yet: in a directory pool its path follows from its name.
 * @throws ProviderError naming a volume that does not exist.
 */
export async function diskSources(
  run: Run,
  definition: Definition,
  rootVolume: VolumePlace | undefined,
): Promise<ReadonlyMap<string, DiskSource>> {
  const sources = new Map<string, DiskSource>();
  if (rootVolume !== undefined) {
    const directory = parsePool((await poolOf(run, rootVolume.pool)).xml).path.replace(/\/+$/, "");
    sources.set(rootTarget, { path: `${directory}/${rootVolume.volume}`, format: "qcow2" });
  }
  for (const disk of definition.disks) {
    const volume = await sharedVolume(run, disk);
    if (volume === "missing" || volume === "unknown") {
      throw new ProviderError(
        `there is no volume "${disk.volume}" in the pool "${disk.pool}", which is disk ${disk.target} of ${run.name}. ` +
          "Declare it as a libvirt.Volume that the domain depends on, or correct the name.",
        "notFound",
      );
    }
    sources.set(disk.target, {
      path: volume.path,
      format: volume.format === "qcow2" ? "qcow2" : "raw",
    });
  }
  return sources;
}

/** A volume that a machine uses and does not own, read once for all machines of a run. */
async function sharedVolume(run: Run, { pool, volume }: VolumePlace): Promise<SeenVolume> {
  const { sharedVolumes } = run.provider.cache;
  const key = `${pool}/${volume}`;
  const found = await sharedVolumes.get(key, run.call.signal);
  // What is not there may be made by this run.
  if (found === "missing" || found === "unknown") sharedVolumes.invalidate(key);
  return found;
}

/** Pools do not move: they are read once per run. */
async function poolOf(run: Run, name: string): Promise<PoolSnapshot> {
  const { pools } = run.provider.cache;
  const find = async () => (await pools.get(run.call.signal)).find(({ ref }) => ref.name === name);
  const known = await find();
  if (known !== undefined) return known;
  // Made by this run, after the pools were read.
  pools.invalidate();
  const now = await find();
  if (now !== undefined) return now;
  throw noPool(run, name);
}

function noPool(run: Run, pool: string): ProviderError {
  return new ProviderError(
    `there is no storage pool "${pool}" on ${run.provider.config.uri}. Declare it as a libvirt.Pool, or correct the name.`,
    "notFound",
  );
}
