import type { DomainSnapshot, VolumeSnapshot } from "../../context.ts";
import { at, attribute, childrenOf, parseXml } from "../../xml/index.ts";
import { parseVolume } from "./xml.ts";

/** Identity of a volume as domains refer to it. */
export interface VolumePlace {
  readonly pool: string;
  readonly name: string;
  readonly path: string;
}

/** A disk of a domain that is the volume. */
export interface DiskUse {
  readonly domain: DomainSnapshot;
  /** Guest device, for example `vdb`. */
  readonly target: string;
  readonly running: boolean;
}

/** The domains' disks that are the volume, running or only defined. */
export function disksOn(volume: VolumePlace, domains: readonly DomainSnapshot[]): readonly DiskUse[] {
  return domains.flatMap((domain) => {
    const live = domain.liveXml === undefined ? [] : targets(volume, domain.liveXml);
    const defined = targets(volume, domain.xml).filter((target) => !live.includes(target));
    return [
      ...live.map((target) => ({ domain, target, running: true })),
      ...defined.map((target) => ({ domain, target, running: false })),
    ];
  });
}

function targets(volume: VolumePlace, xml: string): string[] {
  // Most domains do not mention it; a look at the text saves parsing them.
  if (!xml.includes(volume.name)) return [];
  const disks = childrenOf(at(parseXml(xml), "devices"), "disk");
  return disks.flatMap((disk) => {
    const source = at(disk, "source");
    const isVolume =
      attribute(source, "file") === volume.path ||
      attribute(source, "dev") === volume.path ||
      (attribute(source, "pool") === volume.pool && attribute(source, "volume") === volume.name);
    return isVolume ? [attribute(at(disk, "target"), "dev") ?? "?"] : [];
  });
}

/** Names of the volumes that are overlays of this one. */
export function overlaysOf(volume: VolumePlace, volumes: readonly VolumeSnapshot[]): readonly string[] {
  return volumes.flatMap((candidate) => {
    if (!candidate.xml.includes("<backingStore>")) return [];
    return parseVolume(candidate.xml).backing === volume.path ? [candidate.ref.name] : [];
  });
}

/** Text for people: what uses the volume; undefined where nothing does. */
export function describeUse(disks: readonly DiskUse[], overlays: readonly string[]): string | undefined {
  const parts = [
    ...new Set(disks.map((disk) => `domain ${disk.domain.ref.name}${disk.running ? " (running)" : ""}`)),
    ...overlays.map((name) => `volume ${name}`),
  ];
  if (parts.length === 0) return undefined;
  const shown = parts.slice(0, 5).join(", ");
  return parts.length > 5 ? `${shown} and ${parts.length - 5} more` : shown;
}
