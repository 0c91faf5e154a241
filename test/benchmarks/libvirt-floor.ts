/** What libvirt alone needs for what the provider makes: the same objects, made by the client without a provider. */
import type { LibvirtClient } from "../../providers/libvirt/client/index.ts";
import { parseVolume, type VolumeFacts } from "../../providers/libvirt/resources/volume/xml.ts";
import { element, renderXml } from "../../providers/libvirt/xml/index.ts";

/** Domains, as XML that makes them again, and overlays that the provider made. */
export interface HostContent {
  readonly domains: readonly string[];
  readonly overlays: readonly VolumeFacts[];
  /** Seconds to read all of it, as a refresh must. */
  readonly readSeconds: number;
}

/** Reads every domain and every volume of the pool. */
export async function readHost(client: LibvirtClient, poolName: string): Promise<HostContent> {
  const start = performance.now();
  const pool = await poolOf(client, poolName);
  const [domains, volumes] = await Promise.all([
    client
      .domainList()
      .then((refs) => Promise.all(refs.map((ref) => client.domainGetXmlDesc(ref, { inactive: true })))),
    client
      .storagePoolListVolumes(pool)
      .then((refs) => Promise.all(refs.map((ref) => client.storageVolGetXmlDesc(ref)))),
  ]);
  const readSeconds = (performance.now() - start) / 1000;
  const overlays = volumes.map(parseVolume).filter((volume) => volume.backing !== undefined);
  return { domains, overlays, readSeconds };
}

/**
 * Takes away what the provider made and makes it again, checked definitions and overlays at the same time. Seconds for
 * all machines.
 */
export async function measureFloor(
  client: LibvirtClient,
  poolName: string,
  content: HostContent,
): Promise<number> {
  const pool = await poolOf(client, poolName);
  const domains = await client.domainList();
  await Promise.all(domains.map((ref) => client.domainUndefine(ref, { nvram: true })));
  const volumes = await client.storagePoolListVolumes(pool);
  const overlays = new Set(content.overlays.map((overlay) => overlay.name));
  await Promise.all(
    volumes.filter(({ name }) => overlays.has(name)).map((ref) => client.storageVolDelete(ref)),
  );
  const start = performance.now();
  await Promise.all([
    ...content.domains.map((xml) => client.domainDefineXml(xml)),
    ...content.overlays.map((overlay) => client.storageVolCreateXml(pool, overlayXml(overlay))),
  ]);
  return (performance.now() - start) / 1000;
}

function overlayXml(volume: VolumeFacts): string {
  return renderXml(
    element("volume", {}, [
      element("name", {}, volume.name),
      element("capacity", { unit: "bytes" }, volume.capacityBytes),
      element("target", {}, [
        element("format", { type: "qcow2" }),
        element("permissions", {}, [element("mode", {}, "0600")]),
        element("compat", {}, "1.1"),
      ]),
      element("backingStore", {}, [
        element("path", {}, volume.backing ?? ""),
        element("format", { type: "raw" }),
      ]),
    ]),
  );
}

async function poolOf(client: LibvirtClient, name: string) {
  const pool = await client.storagePoolLookupByName(name);
  if (pool === undefined) throw new Error(`the pool ${name} of the benchmarks is not there`);
  return pool;
}
