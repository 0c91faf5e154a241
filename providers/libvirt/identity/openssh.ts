import { createPrivateKey, createPublicKey, hash } from "node:crypto";

/** DER prefix of a PKCS #8 private key of type Ed25519 (RFC 8410); the 32 byte seed follows. */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
const KEY_TYPE = "ssh-ed25519";
const PEM_LINE = 70;
/** The unencrypted part of an OpenSSH private key is padded to the block size of cipher "none". */
const BLOCK = 8;

/** An Ed25519 key pair in OpenSSH's text forms. */
export interface OpenSshKeyPair {
  /** `ssh-ed25519 AAAA…`, one line, without comment and without line end. */
  readonly publicKey: string;
  /** The private key file, unencrypted, with a line end. Secret. */
  readonly privateKey: string;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function sshString(value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

const blobOf = (publicBytes: Uint8Array) => Buffer.concat([sshString(KEY_TYPE), sshString(publicBytes)]);
const lineOf = (publicBlob: Buffer) => `${KEY_TYPE} ${publicBlob.toString("base64")}`;

/** The public line of {@link ed25519KeyPair} alone, which costs half of both. */
export function ed25519PublicLine(seed: Uint8Array): string {
  return lineOf(blobOf(ed25519PublicKey(seed)));
}

function ed25519PublicKey(seed: Uint8Array): Buffer {
  if (seed.length !== 32) throw new RangeError(`an Ed25519 seed has 32 bytes, this one has ${seed.length}`);
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_ED25519, seed]),
    format: "der",
    type: "pkcs8",
  });
  // The last 32 bytes of the SubjectPublicKeyInfo are the key itself.
  return createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32);
}

function pad(bytes: Buffer): Buffer {
  const missing = (BLOCK - (bytes.length % BLOCK)) % BLOCK;
  return Buffer.concat([bytes, Buffer.from(Array.from({ length: missing }, (_, index) => index + 1))]);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString("base64").match(new RegExp(`.{1,${PEM_LINE}}`, "g")) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join(
    "\n",
  );
}

/**
 * OpenSSH's text forms of the Ed25519 key with this seed. The same seed always gives the same text.
 *
 * @param seed 32 bytes.
 * @param comment Comment inside the private key file.
 * @throws RangeError if the seed has another length.
 */
export function ed25519KeyPair(seed: Uint8Array, comment = ""): OpenSshKeyPair {
  const publicBytes = ed25519PublicKey(seed);
  const publicBlob = blobOf(publicBytes);
  // Both check numbers must be equal; OpenSSH takes random ones, here they follow from the key so that the text is stable.
  const check = hash("sha256", publicBlob, "buffer").subarray(0, 4);
  const secret = pad(
    Buffer.concat([
      check,
      check,
      sshString(KEY_TYPE),
      sshString(publicBytes),
      sshString(Buffer.concat([seed, publicBytes])),
      sshString(comment),
    ]),
  );
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    sshString("none"),
    sshString("none"),
    sshString(""),
    uint32(1),
    sshString(publicBlob),
    sshString(secret),
  ]);
  return { publicKey: lineOf(publicBlob), privateKey: pem(file) };
}
