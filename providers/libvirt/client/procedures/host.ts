import { nothing, read } from "../procedure.ts";
import { maximum, readList, readNamed, readNodeDevice, writeOptionalString } from "../wire.ts";
import type { XdrReader, XdrWriter } from "../xdr.ts";

const readString = (reader: XdrReader) => reader.string();
const writeFlags = (writer: XdrWriter, flags: number) => writer.uint(flags);

/** Procedures about the connection and the host. */
export const host = {
  authList: read(66, nothing, (reader) => reader.array(maximum.authTypes, (from) => from.int())),
  authPolkit: read(70, nothing, (reader) => reader.int()),
  connectOpen: read(
    1,
    (writer, name: string) => {
      writeOptionalString(writer, name);
      writer.uint(0);
    },
    nothing,
  ),
  supportsFeature: read(
    60,
    (writer, feature: number) => writer.int(feature),
    (reader) => reader.int() !== 0,
  ),
  getType: read(3, nothing, readString),
  getVersion: read(4, nothing, (reader) => reader.size()),
  getLibVersion: read(157, nothing, (reader) => reader.size()),
  getHostname: read(59, nothing, readString),
  getUri: read(110, nothing, readString),
  getSysinfo: read(203, writeFlags, readString),
  getCapabilities: read(7, nothing, readString),
  getDomainCapabilities: read(
    342,
    (
      writer,
      query: {
        emulator: string | undefined;
        arch: string | undefined;
        machine: string | undefined;
        virttype: string | undefined;
      },
    ) => {
      writeOptionalString(writer, query.emulator);
      writeOptionalString(writer, query.arch);
      writeOptionalString(writer, query.machine);
      writeOptionalString(writer, query.virttype);
      writer.uint(0);
    },
    readString,
  ),
  nodeGetInfo: read(6, nothing, (reader) => ({
    cpuModel: readCharacters(reader, 32),
    memoryKiB: reader.size(),
    cpus: reader.int(),
    mhz: reader.int(),
    numaNodes: reader.int(),
    socketsPerNode: reader.int(),
    coresPerSocket: reader.int(),
    threadsPerCore: reader.int(),
  })),
  nodeGetMemoryStats: read(
    228,
    (writer, args: { count: number; cell: number }) => {
      writer.int(args.count);
      writer.int(args.cell);
      writer.uint(0);
    },
    (reader) => {
      const stats = reader.array(maximum.memoryStats, (from) => ({
        field: from.string(),
        value: from.size(),
      }));
      return { stats, count: reader.int() };
    },
  ),
  nodeGetFreePages: read(
    340,
    (writer, args: { pageSizesKiB: readonly number[]; startCell: number; cellCount: number }) => {
      writer.array(args.pageSizesKiB, maximum.cells, (to, size) => to.uint(size));
      writer.int(args.startCell);
      writer.uint(args.cellCount);
      writer.uint(0);
    },
    (reader) => reader.array(maximum.cells, (from) => from.size()),
  ),
  nodeDeviceList: read(
    285,
    (writer, flags: number) => {
      writer.int(1);
      writer.uint(flags);
    },
    readList(maximum.nodeDevices, readNodeDevice),
  ),
  networkFilterList: read(
    286,
    (writer) => {
      writer.int(1);
      writer.uint(0);
    },
    readList(maximum.networkFilters, (reader) => readNamed(reader).name),
  ),
  nodeDeviceGetXmlDesc: read(
    114,
    (writer, name: string) => {
      writer.string(name);
      writer.uint(0);
    },
    readString,
  ),
};

/** A C array of characters: one word for each, ended by a zero. */
function readCharacters(reader: XdrReader, length: number): string {
  const codes: number[] = [];
  for (let index = 0; index < length; index++) codes.push(reader.int() & 0xff);
  const end = codes.indexOf(0);
  return Buffer.from(end === -1 ? codes : codes.slice(0, end)).toString("utf8");
}
