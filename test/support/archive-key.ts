import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

const packetTag = { signature: 2, publicKey: 6, userId: 13 } as const;
const signatureOf = { document: 0x00, keyItself: 0x13 } as const;
const subpacket = { creationTime: 2, issuer: 16, keyFlags: 27, issuerFingerprint: 33 } as const;
const mayCertifyAndSign = Buffer.of(0x03);
const rsa = 1;
const sha256 = 8;

/** A key that signs a package archive as apt checks it (OpenPGP, RFC 9580), without a program that has to be installed. */
export class ArchiveKey {
  /** File for `--keyring` of apt and mmdebstrap. */
  readonly keyring: Buffer;
  readonly #privateKey: KeyObject;
  readonly #body: Buffer;
  readonly #made = uint32(Math.floor(Date.now() / 1000) - 3600);

  constructor(owner: string) {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    this.#privateKey = privateKey;
    const { e = "", n = "" } = publicKey.export({ format: "jwk" });
    this.#body = Buffer.concat([Buffer.of(4), this.#made, Buffer.of(rsa), integer(n), integer(e)]);
    const name = Buffer.from(owner);
    const certified = Buffer.concat([this.#hashedKey(), Buffer.of(0xb4), uint32(name.length), name]);
    this.keyring = Buffer.concat([
      packet(packetTag.publicKey, this.#body),
      packet(packetTag.userId, name),
      this.#signature(signatureOf.keyItself, certified),
    ]);
  }

  /** Text of `Release.gpg` for the text of a `Release`. */
  sign(text: string): string {
    const lines = this.#signature(signatureOf.document, Buffer.from(text)).toString("base64");
    const wrapped = lines.replace(/.{64}/g, "$&\n");
    return `-----BEGIN PGP SIGNATURE-----\n\n${wrapped}\n-----END PGP SIGNATURE-----\n`;
  }

  #hashedKey(): Buffer {
    return Buffer.concat([Buffer.of(0x99), uint16(this.#body.length), this.#body]);
  }

  #signature(type: number, data: Buffer): Buffer {
    const fingerprint = createHash("sha1").update(this.#hashedKey()).digest();
    const described = Buffer.concat([
      field(subpacket.creationTime, this.#made),
      ...(type === signatureOf.keyItself ? [field(subpacket.keyFlags, mayCertifyAndSign)] : []),
      field(subpacket.issuerFingerprint, Buffer.concat([Buffer.of(4), fingerprint])),
      field(subpacket.issuer, fingerprint.subarray(-8)),
    ]);
    const head = Buffer.concat([Buffer.of(4, type, rsa, sha256), uint16(described.length), described]);
    const signed = Buffer.concat([data, head, Buffer.of(4, 0xff), uint32(head.length)]);
    const digest = createHash("sha256").update(signed).digest();
    const value = sign("sha256", signed, this.#privateKey).toString("base64url");
    const nothingUnhashed = uint16(0);
    const body = Buffer.concat([head, nothingUnhashed, digest.subarray(0, 2), integer(value)]);
    return packet(packetTag.signature, body);
  }
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A whole number with its length in bits before it. */
function integer(base64url: string): Buffer {
  const bytes = Buffer.from(base64url, "base64url");
  const from = bytes.findIndex((byte) => byte !== 0);
  const digits = bytes.subarray(from);
  const bits = digits.length * 8 - Math.clz32(digits[0] ?? 0) + 24;
  return Buffer.concat([uint16(bits), digits]);
}

/** With the length in five bytes, which every reader takes whatever the length. */
const packet = (tag: number, body: Buffer): Buffer =>
  Buffer.concat([Buffer.of(0xc0 | tag, 0xff), uint32(body.length), body]);

const field = (type: number, body: Buffer): Buffer => Buffer.concat([Buffer.of(body.length + 1, type), body]);
