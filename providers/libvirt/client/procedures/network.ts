import { change, nothing, read } from "../procedure.ts";
import type { NetworkRef } from "../types.ts";
import { uuidToBytes } from "../uuid.ts";
import { maximum, readLease, readList, readNamed, writeNamed, writeOptionalString } from "../wire.ts";
import type { XdrReader, XdrWriter } from "../xdr.ts";

type WithFlags = { network: NetworkRef; flags: number };

const readString = (reader: XdrReader) => reader.string();

/** Procedures about networks. */
export const network = {
  list: read(
    283,
    (writer, flags: number) => {
      writer.int(1);
      writer.uint(flags);
    },
    readList(maximum.networks, readNamed),
  ),
  lookupByName: read(46, (writer, name: string) => writer.string(name), readNamed),
  lookupByUuid: read(47, (writer, uuid: string) => writer.fixed(uuidToBytes(uuid)), readNamed),
  defineXml: change(
    432,
    (writer, args: { xml: string; flags: number }) => {
      writer.string(args.xml);
      writer.uint(args.flags);
    },
    readNamed,
  ),
  create: change(39, writeNamed, nothing),
  destroy: change(42, writeNamed, nothing),
  undefine: change(49, writeNamed, nothing),
  getXmlDesc: read(
    43,
    (writer, args: WithFlags) => {
      writeNamed(writer, args.network);
      writer.uint(args.flags);
    },
    readString,
  ),
  setAutostart: change(
    48,
    (writer, args: { network: NetworkRef; autostart: boolean }) => {
      writeNamed(writer, args.network);
      writer.bool(args.autostart);
    },
    nothing,
  ),
  getAutostart: read(44, writeNamed, (reader) => reader.int() !== 0),
  isActive: read(152, writeNamed, (reader) => reader.int() !== 0),
  update: change(
    291,
    (writer, args: WithFlags & { command: number; section: number; parentIndex: number; xml: string }) => {
      writeNamed(writer, args.network);
      writer.uint(args.command);
      writer.uint(args.section);
      writer.int(args.parentIndex);
      writer.string(args.xml);
      writer.uint(args.flags);
    },
    nothing,
  ),
  getDhcpLeases: read(
    341,
    (writer, args: { network: NetworkRef; mac: string | undefined }) => {
      writeNamed(writer, args.network);
      writeOptionalString(writer, args.mac);
      writer.int(1);
      writer.uint(0);
    },
    readList(maximum.dhcpLeases, readLease),
  ),
  setMetadata: change(
    444,
    (
      writer: XdrWriter,
      args: WithFlags & {
        type: number;
        metadata: string | undefined;
        key: string | undefined;
        uri: string | undefined;
      },
    ) => {
      writeNamed(writer, args.network);
      writer.int(args.type);
      writeOptionalString(writer, args.metadata);
      writeOptionalString(writer, args.key);
      writeOptionalString(writer, args.uri);
      writer.uint(args.flags);
    },
    nothing,
  ),
  getMetadata: read(
    445,
    (writer, args: WithFlags & { type: number; uri: string | undefined }) => {
      writeNamed(writer, args.network);
      writer.int(args.type);
      writeOptionalString(writer, args.uri);
      writer.uint(args.flags);
    },
    readString,
  ),
};
