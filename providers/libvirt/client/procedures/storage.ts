import { change, nothing, read, slowChange } from "../procedure.ts";
import type { StoragePoolRef, StorageVolRef } from "../types.ts";
import { uuidToBytes } from "../uuid.ts";
import { maximum, readList, readNamed, readVol, writeNamed, writeVol } from "../wire.ts";
import type { XdrReader, XdrWriter } from "../xdr.ts";

type PoolWithFlags = { pool: StoragePoolRef; flags: number };
type VolWithFlags = { vol: StorageVolRef; flags: number };

const readString = (reader: XdrReader) => reader.string();

function writePoolWithFlags(writer: XdrWriter, args: PoolWithFlags): void {
  writeNamed(writer, args.pool);
  writer.uint(args.flags);
}

function writeVolWithFlags(writer: XdrWriter, args: VolWithFlags): void {
  writeVol(writer, args.vol);
  writer.uint(args.flags);
}

function writeTransfer(writer: XdrWriter, args: VolWithFlags & { offset: number; length: number }): void {
  writeVol(writer, args.vol);
  writer.size(args.offset);
  writer.size(args.length);
  writer.uint(args.flags);
}

/** Procedures about storage pools. */
export const storagePool = {
  list: read(
    281,
    (writer, flags: number) => {
      writer.int(1);
      writer.uint(flags);
    },
    readList(maximum.storagePools, readNamed),
  ),
  lookupByName: read(84, (writer, name: string) => writer.string(name), readNamed),
  lookupByUuid: read(85, (writer, uuid: string) => writer.fixed(uuidToBytes(uuid)), readNamed),
  lookupByVolume: read(86, writeVol, readNamed),
  defineXml: change(
    77,
    (writer, args: { xml: string; flags: number }) => {
      writer.string(args.xml);
      writer.uint(args.flags);
    },
    readNamed,
  ),
  build: slowChange(79, writePoolWithFlags, nothing),
  create: slowChange(78, writePoolWithFlags, nothing),
  destroy: change(80, writeNamed, nothing),
  delete: slowChange(81, writePoolWithFlags, nothing),
  undefine: change(82, writeNamed, nothing),
  refresh: slowChange(83, writePoolWithFlags, nothing),
  getInfo: read(87, writeNamed, (reader) => ({
    state: reader.uint(),
    capacity: reader.size(),
    allocation: reader.size(),
    available: reader.size(),
  })),
  getXmlDesc: read(88, writePoolWithFlags, readString),
  setAutostart: change(
    90,
    (writer, args: { pool: StoragePoolRef; autostart: boolean }) => {
      writeNamed(writer, args.pool);
      writer.bool(args.autostart);
    },
    nothing,
  ),
  getAutostart: read(89, writeNamed, (reader) => reader.int() !== 0),
  isActive: read(154, writeNamed, (reader) => reader.int() !== 0),
  listVolumes: read(
    282,
    (writer, pool: StoragePoolRef) => {
      writeNamed(writer, pool);
      writer.int(1);
      writer.uint(0);
    },
    readList(maximum.storageVols, readVol),
  ),
};

/** Procedures about storage volumes. */
export const storageVol = {
  lookupByName: read(
    95,
    (writer, args: { pool: StoragePoolRef; name: string }) => {
      writeNamed(writer, args.pool);
      writer.string(args.name);
    },
    readVol,
  ),
  lookupByKey: read(96, (writer, key: string) => writer.string(key), readVol),
  lookupByPath: read(97, (writer, path: string) => writer.string(path), readVol),
  createXml: slowChange(
    93,
    (writer, args: PoolWithFlags & { xml: string }) => {
      writeNamed(writer, args.pool);
      writer.string(args.xml);
      writer.uint(args.flags);
    },
    readVol,
  ),
  createXmlFrom: slowChange(
    125,
    (writer, args: PoolWithFlags & { xml: string; source: StorageVolRef }) => {
      writeNamed(writer, args.pool);
      writer.string(args.xml);
      writeVol(writer, args.source);
      writer.uint(args.flags);
    },
    readVol,
  ),
  delete: slowChange(94, writeVolWithFlags, nothing),
  getInfo: read(98, writeVol, (reader) => ({
    type: reader.int(),
    capacity: reader.size(),
    allocation: reader.size(),
  })),
  getPath: read(100, writeVol, readString),
  getXmlDesc: read(99, writeVolWithFlags, readString),
  resize: slowChange(
    260,
    (writer, args: VolWithFlags & { capacity: number }) => {
      writeVol(writer, args.vol);
      writer.size(args.capacity);
      writer.uint(args.flags);
    },
    nothing,
  ),
  upload: slowChange(208, writeTransfer, nothing),
  download: read(209, writeTransfer, nothing),
};
