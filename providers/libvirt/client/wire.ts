import type {
  DhcpLease,
  DomainDiskError,
  DomainInterface,
  DomainRef,
  NetworkRef,
  NodeDeviceRef,
  StoragePoolRef,
  StorageVolRef,
} from "./types.ts";
import { uuidFromBytes, uuidToBytes } from "./uuid.ts";
import type { XdrReader, XdrWriter } from "./xdr.ts";

/* Layouts of libvirt's structures on the wire (facts of remote_protocol.x and virnetprotocol.x). */

/** Limits of lists. */
export const maximum = {
  domains: 16_384,
  networks: 16_384,
  storagePools: 16_384,
  storageVols: 16_384,
  nodeDevices: 65_536,
  networkFilters: 4_096,
  dhcpLeases: 65_536,
  interfaces: 2_048,
  addresses: 2_048,
  diskErrors: 256,
  memoryStats: 16,
  cells: 1_024,
  cpuMap: 2_048,
  authTypes: 20,
} as const;

export function writeDomain(writer: XdrWriter, domain: DomainRef): void {
  writer.string(domain.name);
  writer.fixed(uuidToBytes(domain.uuid));
  writer.int(domain.id);
}

export function readDomain(reader: XdrReader): DomainRef {
  return { name: reader.string(), uuid: uuidFromBytes(reader.fixed(16)), id: reader.int() };
}

export function writeNamed(writer: XdrWriter, ref: NetworkRef | StoragePoolRef): void {
  writer.string(ref.name);
  writer.fixed(uuidToBytes(ref.uuid));
}

export function readNamed(reader: XdrReader): NetworkRef & StoragePoolRef {
  return { name: reader.string(), uuid: uuidFromBytes(reader.fixed(16)) };
}

export function writeVol(writer: XdrWriter, vol: StorageVolRef): void {
  writer.string(vol.pool);
  writer.string(vol.name);
  writer.string(vol.key);
}

export function readVol(reader: XdrReader): StorageVolRef {
  return { pool: reader.string(), name: reader.string(), key: reader.string() };
}

export function readNodeDevice(reader: XdrReader): NodeDeviceRef {
  return { name: reader.string() };
}

export function writeOptionalString(writer: XdrWriter, text: string | undefined): void {
  writer.optional(text, (to, value) => to.string(value));
}

export function readOptionalString(reader: XdrReader): string | undefined {
  return reader.optional((from) => from.string());
}

/** A list and its count, as the calls that list all of something answer. */
export function readList<T>(limit: number, readItem: (reader: XdrReader) => T): (reader: XdrReader) => T[] {
  return (reader) => {
    const items = reader.array(limit, readItem);
    reader.uint();
    return items;
  };
}

/** What the daemon says when a call failed. */
export interface WireError {
  code: number;
  domain: number;
  level: number;
  text: string;
}

export function readError(reader: XdrReader): WireError {
  const code = reader.int();
  const domain = reader.int();
  const text = readOptionalString(reader) ?? "no text given";
  const level = reader.int();
  reader.optional(readDomain);
  readOptionalString(reader);
  readOptionalString(reader);
  readOptionalString(reader);
  reader.int();
  reader.int();
  reader.optional(readNamed);
  reader.end();
  return { code, domain, level, text };
}

const family = (type: number): "ipv4" | "ipv6" => (type === 1 ? "ipv6" : "ipv4");

export function readInterface(reader: XdrReader): DomainInterface {
  return {
    name: reader.string(),
    mac: readOptionalString(reader) ?? "",
    addresses: reader.array(maximum.addresses, (from) => ({
      family: family(from.int()),
      address: from.string(),
      prefix: from.uint(),
    })),
  };
}

export function readLease(reader: XdrReader): DhcpLease {
  return {
    interface: reader.string(),
    expiry: Number(reader.hyper()),
    family: family(reader.int()),
    mac: readOptionalString(reader) ?? "",
    iaid: readOptionalString(reader) ?? "",
    address: reader.string(),
    prefix: reader.uint(),
    hostname: readOptionalString(reader) ?? "",
    clientId: readOptionalString(reader) ?? "",
  };
}

export function readDiskError(reader: XdrReader): DomainDiskError {
  const disk = reader.string();
  const code = reader.int();
  return { disk, error: code === 0 ? "none" : code === 2 ? "no-space" : "unspecified" };
}
