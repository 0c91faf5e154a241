import { scrypt } from "node:crypto";

/** 64 MiB and some 0.2 s for each guess: the passphrase may be a person's own. */
const SCRYPT = { N: 65_536, r: 8, p: 1, maxmem: 256 * 1024 * 1024 } as const;

/** A key of 32 bytes from a passphrase (scrypt). */
export function passphraseKey(passphrase: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, SCRYPT, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
