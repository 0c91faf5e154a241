import { XdrError } from "./xdr.ts";

const form = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

/** The 16 bytes of a UUID in its text form, with or without hyphens. */
export function uuidToBytes(uuid: string): Buffer {
  if (!form.test(uuid)) throw new XdrError(`"${uuid}" is not a UUID`);
  return Buffer.from(uuid.replaceAll("-", ""), "hex");
}

/** Lower case with hyphens. */
export function uuidFromBytes(bytes: Buffer): string {
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  );
}
