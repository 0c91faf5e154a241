import type { LibvirtClient } from "../providers/libvirt/client/index.ts";
import type { DomainSnapshot } from "../providers/libvirt/context.ts";
import { readVolume } from "../providers/libvirt/host.ts";
import { rootTarget } from "../providers/libvirt/resources/domain/definition.ts";
import { at, attribute, child, childrenOf, parseXml } from "../providers/libvirt/xml/index.ts";

/**
 * Volume of the image that a machine's root disk is an overlay of. libvirt tells it of a machine that runs; of one that
 * is off the overlay is looked at.
 *
 * @param pool Pool of the overlays.
 */
export async function rootImageOf(
  client: LibvirtClient,
  domain: DomainSnapshot,
  pool: string,
): Promise<string | undefined> {
  const live = domain.liveXml === undefined ? undefined : rootDiskOf(domain.liveXml).backing;
  if (live !== undefined) return baseName(live);
  const overlay = rootDiskOf(domain.xml).file;
  if (overlay === undefined) return undefined;
  const volume = await readVolume(client, { pool, volume: baseName(overlay) });
  if (volume === "missing" || volume === "unknown" || volume.backing === undefined) return undefined;
  return baseName(volume.backing);
}

/** Files of the root disk and of what is below it, from a domain's XML. */
export function rootDiskOf(xml: string): { file?: string; backing?: string } {
  const disks = childrenOf(at(parseXml(xml), "devices"), "disk");
  const root = disks.find((disk) => attribute(child(disk, "target"), "dev") === rootTarget);
  const file = attribute(child(root, "source"), "file");
  const backing = attribute(at(root, "backingStore", "source"), "file");
  return { ...(file === undefined ? {} : { file }), ...(backing === undefined ? {} : { backing }) };
}

const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
