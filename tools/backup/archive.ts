import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { DamagedStream, decodeFrames, encodeFrame, type Frame } from "./frames.ts";
import { differing, type Manifest, type Member, parseGuestManifest, parseManifest } from "./manifest.ts";
import { type Head, readHead, SealedFileError, seal, unseal } from "./sealed.ts";

/** A member that does not come from the controller. */
export interface OwnMember {
  readonly name: string;
  readonly content: Buffer;
}

/** Told of each part as it passes. */
export type Watch = (member: string, bytes: number) => void;

/** Adds up a stream's members. */
class Tally {
  readonly members: Member[] = [];
  #hash = createHash("sha256");
  #open: { name: string; bytes: number } | undefined;

  take(frame: Frame): void {
    if (frame.kind === "data") {
      this.#hash.update(frame.content);
      if (this.#open !== undefined) this.#open.bytes += frame.content.length;
      return;
    }
    if (this.#open !== undefined) this.members.push({ ...this.#open, sha256: this.#hash.digest("hex") });
    this.#hash = createHash("sha256");
    this.#open = frame.kind === "member" ? { name: frame.name, bytes: 0 } : undefined;
  }

  get name(): string {
    return this.#open?.name ?? "";
  }
}

/**
 * Frames of a whole backup: the controller's members, checked against what it says of them, then those of this machine,
 * then the manifest.
 * @throws DamagedStream where the controller's part is not what it says.
 */
export async function* composed(
  guest: AsyncIterable<Buffer>,
  own: readonly OwnMember[],
  facts: { readonly date: string; readonly stack: string },
  watch: Watch,
): AsyncGenerator<Frame> {
  const tally = new Tally();
  for await (const frame of decodeFrames(guest)) {
    tally.take(frame);
    if (frame.kind === "data") watch(tally.name, frame.content.length);
    if (frame.kind !== "end") {
      yield frame;
      continue;
    }
    const said = parseGuestManifest(frame.text);
    if (said === undefined) throw new DamagedStream("its manifest is none");
    const wrong = differing(said.members, tally.members);
    if (wrong.length > 0) throw new DamagedStream(`${wrong.join(", ")} came altered`);
    for (const { content, name } of own) {
      for (const each of framesOf(name, content)) {
        tally.take(each);
        yield each;
      }
    }
    tally.take(frame);
    const manifest: Manifest = { ...said, ...facts, members: tally.members };
    yield { kind: "end", text: JSON.stringify(manifest) };
  }
}

function* framesOf(name: string, content: Buffer): Generator<Frame> {
  yield { kind: "member", name };
  const step = 256 * 1024;
  for (let start = 0; start < content.length; start += step) {
    yield { kind: "data", content: content.subarray(start, start + step) };
  }
}

/**
 * Writes an archive: compressed, then encrypted. It appears under its name when it is complete, and never in the place of
 * another file; what is broken off leaves nothing.
 * @throws Error where the file exists, cannot be written, or the frames fail.
 */
export async function writeArchive(
  file: string,
  frames: AsyncIterable<Frame>,
  passphrase: string,
  about: Head,
  signal?: AbortSignal,
): Promise<void> {
  mustNotExist(file);
  const partial = `${file}.${process.pid}.tmp`;
  // Opened before anything can fail: a stream that is just opening its file makes it after it was removed.
  const target = (await open(partial, "wx", 0o600)).createWriteStream({ flush: true });
  try {
    await pipeline(
      Readable.from(encoded(frames), { objectMode: false }),
      createGzip({ level: 3 }),
      (compressed: AsyncIterable<Buffer>) => seal(compressed, passphrase, about),
      target,
      { signal },
    );
    mustNotExist(file);
    await rename(partial, file);
    await saved(dirname(file));
  } catch (error) {
    target.destroy();
    await rm(partial, { force: true });
    throw error;
  }
}

function mustNotExist(file: string): void {
  if (existsSync(file)) throw new Error(`${file} exists already; name another file with --to, or remove it`);
}

/** A name that a power cut does not take back. */
async function saved(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* encoded(frames: AsyncIterable<Frame>): AsyncGenerator<Buffer> {
  for await (const frame of frames) yield encodeFrame(frame);
}

/** The head of an archive: whose it claims to be. */
export const archiveHead = (file: string): Promise<Head> => about(file, () => readHead(piecesOf(file)));

/**
 * Reads a whole archive and checks everything: encryption, frames, and the SHA-256 of each member.
 * @throws Error that names the file and what is wrong with it.
 */
export async function checkArchive(file: string, passphrase: string, watch: Watch): Promise<Manifest> {
  return about(file, async () => {
    const head = await readHead(piecesOf(file));
    const tally = new Tally();
    let manifest: Manifest | undefined;
    for await (const frame of plainFrames(file, passphrase)) {
      tally.take(frame);
      if (frame.kind === "data") watch(tally.name, frame.content.length);
      if (frame.kind === "end") manifest = parseManifest(frame.text);
    }
    if (manifest === undefined) throw new DamagedStream("its manifest is none");
    const wrong = differing(manifest.members, tally.members);
    if (wrong.length > 0) throw new DamagedStream(`${wrong.join(", ")} is not what the manifest says`);
    if (manifest.cluster !== head.cluster) throw new DamagedStream("it is of two clusters");
    return manifest;
  });
}

/**
 * Chosen members of an archive that was checked before, as bytes of frames, with a manifest of only these.
 * @throws Error as {@link checkArchive}, where the file changed since.
 */
export async function* chosenMembers(
  file: string,
  passphrase: string,
  { members, ...facts }: Manifest,
  wanted: readonly string[],
  watch: Watch,
): AsyncGenerator<Buffer> {
  let taken = "";
  for await (const frame of plainFrames(file, passphrase)) {
    if (frame.kind === "member") taken = wanted.includes(frame.name) ? frame.name : "";
    if (frame.kind === "end") {
      const text = JSON.stringify({ ...facts, members: members.filter(({ name }) => wanted.includes(name)) });
      yield encodeFrame({ kind: "end", text });
    } else if (taken !== "") {
      if (frame.kind === "data") watch(taken, frame.content.length);
      yield encodeFrame(frame);
    }
  }
}

/** The content of one member of an archive that was checked before. */
export async function* memberContent(file: string, passphrase: string, name: string): AsyncGenerator<Buffer> {
  let taken = false;
  for await (const frame of plainFrames(file, passphrase)) {
    if (frame.kind === "member") taken = frame.name === name;
    if (frame.kind === "data" && taken) yield frame.content;
  }
}

async function* plainFrames(file: string, passphrase: string): AsyncGenerator<Frame> {
  const failure: { error?: unknown } = {};
  const opened = kept(unseal(piecesOf(file), passphrase), failure);
  const source = Readable.from(opened, { objectMode: false });
  const plain = source.pipe(createGunzip());
  source.on("error", (error) => plain.destroy(error));
  try {
    yield* decodeFrames(plain);
  } catch (error) {
    throw described(file, failure.error ?? error);
  } finally {
    source.destroy();
    plain.destroy();
  }
}

/** Remembers why a stream failed: who reads it through others hears only that it broke. */
async function* kept(content: AsyncIterable<Buffer>, failure: { error?: unknown }): AsyncGenerator<Buffer> {
  try {
    yield* content;
  } catch (error) {
    failure.error = error;
    throw error;
  }
}

async function* piecesOf(file: string): AsyncGenerator<Buffer> {
  for await (const piece of createReadStream(file)) yield Buffer.from(piece);
}

/** Says of which file an error is. */
async function about<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw described(file, error);
  }
}

/** What is wrong with an archive, with its name. */
class ArchiveError extends Error {}

function described(file: string, error: unknown): ArchiveError {
  if (error instanceof ArchiveError) return error;
  const why = error instanceof Error ? error.message : String(error);
  const known = error instanceof SealedFileError || error instanceof DamagedStream;
  return new ArchiveError(
    `${basename(file)} cannot be restored: ${known ? why : `it cannot be read (${why})`}.`,
  );
}
