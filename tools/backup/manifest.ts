import { z } from "zod";

/** Version of the archive that this program writes, and the newest that it reads. */
export const ARCHIVE_FORMAT = 1;

const member = z.object({
  name: z.string(),
  bytes: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const guestManifest = z.object({
  format: z.literal(ARCHIVE_FORMAT),
  cluster: z.string().min(1),
  slurm: z.string().regex(/^\d+\.\d+$/),
  members: z.array(member),
});

const manifest = guestManifest.extend({ date: z.iso.datetime(), stack: z.string() });

/** A part of a backup. */
export type Member = z.infer<typeof member>;

/** What the controller says of its part. */
export type GuestManifest = z.infer<typeof guestManifest>;

/** What is in an archive: cluster, stack, SLURM's release, when it was made, and its members with their SHA-256. */
export type Manifest = z.infer<typeof manifest>;

/** Members that the controller takes back. The others are for a person (keys, the stack's state). */
export const RESTORED: readonly string[] = ["slurmctld.tar", "database.sql", "homes.tar"];

/** Reads a manifest; undefined for anything else. Never throws. */
export const parseManifest = (text: string): Manifest | undefined => parsed(manifest, text);

/** Reads what the controller ended its stream with; undefined for anything else. Never throws. */
export const parseGuestManifest = (text: string): GuestManifest | undefined => parsed(guestManifest, text);

function parsed<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Names of members that differ between what a manifest lists and what came. */
export function differing(listed: readonly Member[], came: readonly Member[]): string[] {
  const text = ({ bytes, sha256 }: Member): string => `${bytes} ${sha256}`;
  const sides = [listed, came].map((side) => new Map(side.map((each) => [each.name, text(each)])));
  const names = new Set([...listed, ...came].map(({ name }) => name));
  const twice = listed.length !== sides[0]?.size || came.length !== sides[1]?.size;
  const wrong = [...names].filter((name) => sides[0]?.get(name) !== sides[1]?.get(name));
  return twice && wrong.length === 0 ? [...names] : wrong;
}
