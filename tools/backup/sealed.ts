import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { passphraseKey } from "../../components/stack-identity/index.ts";
import { ARCHIVE_FORMAT } from "./manifest.ts";

const MAGIC = "hyperlab-backup ";
/** A head is some hundred bytes; what has no end by then is none. */
const HEAD_LIMIT = 4096;
const CHUNK_BYTES = 1024 * 1024;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

const head = z.object({
  format: z.number().int().positive(),
  cluster: z.string(),
  date: z.string(),
});
const sealedHead = head.extend({
  salt: z.base64().length(44),
  /** Proves the passphrase and that the head is unchanged. */
  proof: z.base64().length(44),
});

/** What everybody may read of an archive. */
export type Head = z.infer<typeof head>;

/** A file that is no backup, is damaged, or that the passphrase does not open. */
export class SealedFileError extends Error {}

const ALTERED = "it was cut off or altered after it was made; nothing of it is used. Take another copy of it";

/**
 * Encrypts a stream with a key from a passphrase. Readers need no end of the file to check its beginning: each piece
 * of 1 MiB has its own tag, with its number and whether it is the last one in the nonce.
 */
export async function* seal(
  content: AsyncIterable<Buffer>,
  passphrase: string,
  about: Head,
): AsyncGenerator<Buffer> {
  const salt = randomBytes(32);
  const keys = await keysOf(passphrase, salt, about);
  const written = { ...about, salt: salt.toString("base64"), proof: keys.proof.toString("base64") };
  yield Buffer.from(`${MAGIC}${JSON.stringify(written)}\n`);
  let number = 0;
  for await (const { last, piece } of inPieces(content, CHUNK_BYTES)) {
    const cipher = createCipheriv(CIPHER, keys.content, nonce(number, last));
    number += 1;
    yield Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()]);
  }
}

/**
 * Decrypts what `seal` made. Nothing is given out before its tag was checked.
 * @throws SealedFileError for anything else, also after parts were given out: who acts on them reads to the end first.
 */
export async function* unseal(sealed: AsyncIterable<Buffer>, passphrase: string): AsyncGenerator<Buffer> {
  const { begin, rest } = await splitHead(sealed);
  const { proof, salt, ...about } = begin;
  const keys = await keysOf(passphrase, Buffer.from(salt, "base64"), about);
  if (!timingSafeEqual(keys.proof, Buffer.from(proof, "base64"))) {
    throw new SealedFileError(
      "the passphrase is not the one that it was made with, or its beginning was altered. It opens with the passphrase of the " +
        "stack that was backed up: name a file that holds it with --passphrase-file",
    );
  }
  let number = 0;
  for await (const { last, piece } of inPieces(rest, CHUNK_BYTES + TAG_BYTES)) {
    if (piece.length < TAG_BYTES) throw new SealedFileError(ALTERED);
    const decipher = createDecipheriv(CIPHER, keys.content, nonce(number, last));
    decipher.setAuthTag(piece.subarray(-TAG_BYTES));
    number += 1;
    yield opened(decipher, piece.subarray(0, -TAG_BYTES));
  }
}

/** The head of an archive, which nothing but its own claim vouches for. */
export async function readHead(sealed: AsyncIterable<Buffer>): Promise<Head> {
  const { begin, rest } = await splitHead(sealed);
  // A generator that never began would close nothing.
  await rest.next();
  await rest.return(undefined);
  return begin;
}

function opened(decipher: ReturnType<typeof createDecipheriv>, content: Buffer): Buffer {
  try {
    return Buffer.concat([decipher.update(content), decipher.final()]);
  } catch {
    throw new SealedFileError(ALTERED);
  }
}

async function keysOf(
  passphrase: string,
  salt: Buffer,
  about: Head,
): Promise<{ content: Buffer; proof: Buffer }> {
  const master = await passphraseKey(passphrase, salt);
  const claims = JSON.stringify([about.format, about.cluster, about.date]);
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync("sha256", master, salt, `hyperlab backup ${purpose} ${claims}`, 32));
  return { content: derive("content"), proof: derive("proof") };
}

/** Twelve bytes that no two pieces of a key share. */
function nonce(number: number, last: boolean): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64BE(BigInt(number), 3);
  bytes[11] = last ? 1 : 0;
  return bytes;
}

async function splitHead(
  sealed: AsyncIterable<Buffer>,
): Promise<{ begin: z.infer<typeof sealedHead>; rest: AsyncGenerator<Buffer> }> {
  const pieces = sealed[Symbol.asyncIterator]();
  let read = Buffer.alloc(0);
  while (!read.includes("\n") && read.length <= HEAD_LIMIT) {
    const { done, value } = await pieces.next();
    if (done) break;
    read = Buffer.concat([read, value]);
  }
  const end = read.subarray(0, HEAD_LIMIT).indexOf("\n");
  const rest = goingOn(read.subarray(end + 1), pieces);
  try {
    return { begin: parseHead(read.subarray(0, Math.max(0, end)).toString("utf8")), rest };
  } catch (error) {
    await pieces.return?.();
    throw error;
  }
}

function parseHead(line: string): z.infer<typeof sealedHead> {
  const claimed = line.startsWith(MAGIC) ? jsonOf(line.slice(MAGIC.length)) : undefined;
  const format = z.object({ format: z.number() }).safeParse(claimed);
  if (format.success && format.data.format > ARCHIVE_FORMAT) {
    throw new SealedFileError(
      `it was made by a newer hyperlab (format ${format.data.format}; this one reads ${ARCHIVE_FORMAT}). Take a newer hyperlab`,
    );
  }
  const begin = sealedHead.safeParse(claimed);
  if (!begin.success) throw new SealedFileError("it is no backup of hyperlab, or its beginning is damaged");
  return begin.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function* goingOn(first: Buffer, pieces: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield first;
    for (;;) {
      const { done, value } = await pieces.next();
      if (done) return;
      yield value;
    }
  } finally {
    await pieces.return?.();
  }
}

/** Pieces of one size; only the last may be shorter, and there is always a last one. */
async function* inPieces(
  content: AsyncIterable<Buffer>,
  size: number,
): AsyncGenerator<{ piece: Buffer; last: boolean }> {
  let waiting: Buffer[] = [];
  let held = 0;
  for await (const part of content) {
    waiting.push(part);
    held += part.length;
    // One byte more than a piece: what is given out here is not the last one.
    if (held <= size) continue;
    let all = Buffer.concat(waiting);
    for (; all.length > size; all = all.subarray(size)) yield { piece: all.subarray(0, size), last: false };
    waiting = [all];
    held = all.length;
  }
  yield { piece: Buffer.concat(waiting), last: true };
}
