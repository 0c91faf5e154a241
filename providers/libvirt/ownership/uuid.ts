import { createHash } from "node:crypto";

/** Namespace of owner ids that are not UUIDs themselves. */
const ownerNamespace = "6f9c2f4e-7a58-5d0e-9c39-0b7a2d0c1f11";
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Version 5 UUID (RFC 9562): the same namespace and name always give the same UUID. Lower case. */
export function uuidV5(namespace: string, name: string): string {
  if (!uuidPattern.test(namespace)) throw new TypeError(`${JSON.stringify(namespace)} is not a UUID`);
  const bytes = createHash("sha1")
    .update(Buffer.from(namespace.replaceAll("-", ""), "hex"))
    .update(name)
    .digest()
    .subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** UUID of the object that a resource stands for on the host: proves whose it is where libvirt keeps no metadata. */
export function ownedUuid(owner: string, urn: string): string {
  return uuidV5(uuidPattern.test(owner) ? owner : uuidV5(ownerNamespace, owner), urn);
}
