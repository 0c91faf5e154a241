import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";
import { z } from "zod";
import { canonicalJson } from "../../providers/libvirt/ownership/index.ts";
import { passphraseKey } from "./passphrase-key.ts";

const recovery = z.object({
  /** Owner id of the stack. */
  owner: z.string().min(1),
  /** 32 bytes in hex, from which every key is derived. Secret. */
  secret: z.string().regex(/^[0-9a-f]{64}$/),
  /** Generations of the keys that are in force, by key; the first ones are not listed. */
  keyGenerations: z.record(z.string(), z.number().int().positive()),
  /** What was decided once and is kept in the state, by the name of its resource. */
  decisions: z.record(z.string(), z.unknown()),
});

/** What makes a stack itself, and cannot be read from its machines: with it a state that was lost can be rebuilt. */
export type Recovery = z.infer<typeof recovery>;

/** A record that the passphrase does not open, that was altered, or that a newer hyperlab made. */
export class RecoveryRecordError extends Error {}

const FORMAT = 1;
const CIPHER = "aes-256-gcm";
const [SALT, NONCE, TAG] = [32, 12, 16] as const;

/**
 * Encrypts a stack's identity with its passphrase (scrypt, AES-256-GCM), to be kept where machines are.
 *
 * The same content and passphrase give the same text, so that a preview shows no change: salt and nonce are derived from
 * the stack's secret, which nobody knows who cannot open the record. The nonce is derived from the content too: under one
 * key no two contents share one.
 *
 * @returns Base64 of format, salt, nonce, tag and content.
 */
export async function sealRecovery(content: Recovery, passphrase: string): Promise<string> {
  const plain = Buffer.from(canonicalJson(content));
  const secret = Buffer.from(content.secret, "hex");
  const salt = Buffer.from(hkdfSync("sha256", secret, "", "hyperlab recovery salt v1", SALT));
  const nonceKey = Buffer.from(hkdfSync("sha256", secret, "", "hyperlab recovery nonce v1", 32));
  const nonce = createHmac("sha256", nonceKey).update(plain).digest().subarray(0, NONCE);
  const cipher = createCipheriv(CIPHER, await passphraseKey(passphrase, salt), nonce);
  cipher.setAAD(claims(content.owner));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.of(FORMAT), salt, nonce, cipher.getAuthTag(), sealed]).toString("base64");
}

/**
 * Decrypts what `sealRecovery` made.
 *
 * @param owner Owner id in the mark of the machine that the record is kept with.
 * @throws RecoveryRecordError for anything else.
 */
export async function openRecovery(record: string, passphrase: string, owner: string): Promise<Recovery> {
  const bytes = Buffer.from(record, "base64");
  const format = bytes[0] ?? 0;
  if (format > FORMAT) {
    throw new RecoveryRecordError(
      `it was made by a newer hyperlab (format ${format}; this one reads ${FORMAT}). Take a newer hyperlab`,
    );
  }
  if (bytes.length <= 1 + SALT + NONCE + TAG) throw new RecoveryRecordError("it is damaged");
  const [salt, nonce, tag, sealed] = cut(bytes.subarray(1), SALT, NONCE, TAG);
  const decipher = createDecipheriv(CIPHER, await passphraseKey(passphrase, salt), nonce);
  decipher.setAAD(claims(owner));
  decipher.setAuthTag(tag);
  return parsed(decipher, sealed);
}

function parsed(decipher: ReturnType<typeof createDecipheriv>, sealed: Buffer): Recovery {
  let text: string;
  try {
    text = Buffer.concat([decipher.update(sealed), decipher.final()]).toString("utf8");
  } catch {
    throw new RecoveryRecordError("the passphrase is not the one that it was made with, or it was altered");
  }
  const content = recovery.safeParse(JSON.parse(text));
  // Not the reason of the parser, which quotes what it found.
  if (!content.success) throw new RecoveryRecordError("its content is not of the expected form");
  return content.data;
}

function cut(bytes: Buffer, salt: number, nonce: number, tag: number): [Buffer, Buffer, Buffer, Buffer] {
  const [a, b, c] = [salt, salt + nonce, salt + nonce + tag];
  return [bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b, c), bytes.subarray(c)];
}

/** Binds a record to its format and to the owner: under another mark it does not open. */
const claims = (owner: string): Buffer => Buffer.from(`hyperlab recovery ${FORMAT} ${owner}`);
