/** What libvirt alone needs for what the provider makes: the same objects, made by the client without a provider. */
import type { LibvirtClient } from "../../providers/libvirt/client/index.ts";
import { parseVolume, type VolumeFacts } from "../../providers/libvirt/resources/volume/xml.ts";
import { element, renderXml } from "../../providers/libvirt/xml/index.ts";

/** Domains and overlays that the provider made, as XML that makes them again. */
export interface HostContent {
  readonly domains: readonly string[];
  readonly overlays: readonly string[];
  /** Seconds to read all of it, as a refresh must. */
  readonly readSeconds: number;
}

/** Seconds for all machines. */
export interface LibvirtFloors {
  /** Definitions without a look at libvirt's schema. */
  readonly defineUnchecked: number;
  readonly define: number;
  readonly overlays: number;
  /** Checked definitions and overlays, made at the same time. */
  readonly both: number;
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
  return { domains, overlays: overlays.map(overlayXml), readSeconds };
}

/** Takes away what the provider made and makes it again. In the end the host has no domain and no overlay. */
export async function measureFloors(
  client: LibvirtClient,
  poolName: string,
  content: HostContent,
): Promise<LibvirtFloors> {
  const pool = await poolOf(client, poolName);
  const define = (validate: boolean) =>
    Promise.all(content.domains.map((xml) => client.domainDefineXml(xml, { validate })));
  const makeOverlays = () =>
    Promise.all(content.overlays.map((xml) => client.storageVolCreateXml(pool, xml)));
  const removeDomains = async () => {
    const refs = await client.domainList();
    await Promise.all(refs.map((ref) => client.domainUndefine(ref, { nvram: true })));
  };
  const removeOverlays = async () => {
    for (const ref of await client.storagePoolListVolumes(pool)) {
      if (parseVolume(await client.storageVolGetXmlDesc(ref)).backing !== undefined) {
        await client.storageVolDelete(ref);
      }
    }
  };
  await removeDomains();
  await removeOverlays();
  const defineUnchecked = await timed(() => define(false));
  await removeDomains();
  const checked = await timed(() => define(true));
  await removeDomains();
  const overlays = await timed(makeOverlays);
  await removeOverlays();
  const both = await timed(() => Promise.all([define(true), makeOverlays()]));
  await removeDomains();
  await removeOverlays();
  return { defineUnchecked, define: checked, overlays, both };
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

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
