import { createHash, createHmac } from "node:crypto";
import { inputHash } from "../../ownership/index.ts";
import type { VolumeInputs } from "../inputs.ts";

/**
 * libvirt keeps no metadata for volumes. What makes a volume provably ours is an empty volume beside it whose name
 * carries owner and URN (as one hash), the content that was asked for, and the generation. It is made before the
 * volume and deleted after it, so that a create or delete that was killed half-way is recognised.
 */
export interface Marker {
  readonly volume: string;
  /** Hash of owner and URN. */
  readonly identity: string;
  /** Hash of the inputs that decide about the content. */
  readonly content: string;
  readonly generation: string;
}

const pattern = /^(.+)\.hyperlab-([0-9a-f]{16})-([0-9a-f]{16})-([0-9a-f]{16})$/;

/** Name of the marker's volume. */
export function markerName(marker: Marker): string {
  return `${marker.volume}.hyperlab-${marker.identity}-${marker.content}-${marker.generation}`;
}

/** The marker of a volume's name; undefined for other volumes. */
export function parseMarker(name: string): Marker | undefined {
  const [, volume, identity, content, generation] = pattern.exec(name) ?? [];
  if (volume === undefined || identity === undefined || content === undefined || generation === undefined) {
    return undefined;
  }
  return { volume, identity, content, generation };
}

/** The markers of one volume among the names of a pool. */
export function markersOf(volume: string, names: readonly string[]): readonly Marker[] {
  return names.flatMap((name) => {
    const marker = parseMarker(name);
    return marker?.volume === volume ? [marker] : [];
  });
}

/** Who makes the volume. */
export function markerIdentity(owner: string, urn: string): string {
  return createHash("sha256").update(`${owner}\0${urn}`).digest("hex").slice(0, 16);
}

/** What it is made of. Keyed with the owner, because a seed may hold secrets and file names are no secret. */
export function markerContent(owner: string, inputs: VolumeInputs): string {
  const { source, seed, format } = inputs;
  const content = {
    format,
    seed,
    source: source === undefined ? undefined : { id: source.id, sha256: source.sha256 },
  };
  return createHmac("sha256", owner).update(inputHash(content)).digest("hex").slice(0, 16);
}

/** What a create finds under the volume's name, and what it may do. */
export type VolumeVerdict =
  | { readonly verdict: "create" }
  /** Ours, made by a create that was killed: a blank one is kept, an uploaded one is made again. */
  | { readonly verdict: "resume" }
  | { readonly verdict: "refuse"; readonly reason: string };

/** Decides about the volume's name. `names` are all volumes of the pool. */
export function judgeVolume(wanted: Omit<Marker, "generation">, names: readonly string[]): VolumeVerdict {
  const exists = names.includes(wanted.volume);
  const markers = markersOf(wanted.volume, names);
  const refuse = (reason: string): VolumeVerdict => ({ verdict: "refuse", reason });
  const foreign = markers.find((marker) => marker.identity !== wanted.identity);
  if (foreign !== undefined) return refuse("it belongs to another stack or to another resource of this one");
  if (!exists) return { verdict: "create" };
  if (markers.length === 0) return refuse("it was not made by hyperlab");
  if (markers.some((marker) => marker.content !== wanted.content)) {
    return refuse("an earlier, interrupted run of this stack made it from other content");
  }
  return { verdict: "resume" };
}
