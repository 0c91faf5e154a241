import { program } from "../message.ts";
import { change, nothing, type Procedure, read, slowChange } from "../procedure.ts";
import type { DomainRef } from "../types.ts";
import { uuidToBytes } from "../uuid.ts";
import {
  maximum,
  readDiskError,
  readDomain,
  readInterface,
  readList,
  readOptionalString,
  writeDomain,
  writeOptionalString,
} from "../wire.ts";
import type { XdrReader, XdrWriter } from "../xdr.ts";

type WithFlags = { domain: DomainRef; flags: number };
type WithXml = WithFlags & { xml: string };

const readString = (reader: XdrReader) => reader.string();

function writeWithFlags(writer: XdrWriter, args: WithFlags): void {
  writeDomain(writer, args.domain);
  writer.uint(args.flags);
}

function writeDevice(writer: XdrWriter, args: WithXml): void {
  writeDomain(writer, args.domain);
  writer.string(args.xml);
  writer.uint(args.flags);
}

/** Procedures about domains. */
export const domain = {
  list: read(
    273,
    (writer, flags: number) => {
      writer.int(1);
      writer.uint(flags);
    },
    readList(maximum.domains, readDomain),
  ),
  lookupByName: read(23, (writer, name: string) => writer.string(name), readDomain),
  lookupByUuid: read(24, (writer, uuid: string) => writer.fixed(uuidToBytes(uuid)), readDomain),
  defineXml: change(
    350,
    (writer, args: { xml: string; flags: number }) => {
      writer.string(args.xml);
      writer.uint(args.flags);
    },
    readDomain,
  ),
  getXmlDesc: read(14, writeWithFlags, readString),
  create: slowChange(196, writeWithFlags, readDomain),
  shutdown: slowChange(258, writeWithFlags, nothing),
  destroy: slowChange(234, writeWithFlags, nothing),
  undefine: change(231, writeWithFlags, nothing),
  suspend: change(34, writeDomain, nothing),
  resume: change(28, writeDomain, nothing),
  pmWakeup: change(267, writeWithFlags, nothing),
  hasManagedSave: read(183, writeWithFlags, (reader) => reader.int() !== 0),
  reset: change(245, writeWithFlags, nothing),
  getState: read(212, writeWithFlags, (reader) => ({ state: reader.int(), reason: reader.int() })),
  getInfo: read(16, writeDomain, (reader) => ({
    state: reader.uint(),
    maxMemoryKiB: reader.size(),
    memoryKiB: reader.size(),
    vcpus: reader.uint(),
    cpuTimeNs: reader.uhyper(),
  })),
  setMetadata: change(
    264,
    (
      writer,
      args: WithFlags & {
        type: number;
        metadata: string | undefined;
        key: string | undefined;
        uri: string | undefined;
      },
    ) => {
      writeDomain(writer, args.domain);
      writer.int(args.type);
      writeOptionalString(writer, args.metadata);
      writeOptionalString(writer, args.key);
      writeOptionalString(writer, args.uri);
      writer.uint(args.flags);
    },
    nothing,
  ),
  getMetadata: read(
    265,
    (writer, args: WithFlags & { type: number; uri: string | undefined }) => {
      writeDomain(writer, args.domain);
      writer.int(args.type);
      writeOptionalString(writer, args.uri);
      writer.uint(args.flags);
    },
    readString,
  ),
  setVcpus: slowChange(
    199,
    (writer, args: WithFlags & { vcpus: number }) => {
      writeDomain(writer, args.domain);
      writer.uint(args.vcpus);
      writer.uint(args.flags);
    },
    nothing,
  ),
  setMemory: change(
    204,
    (writer, args: WithFlags & { memoryKiB: number }) => {
      writeDomain(writer, args.domain);
      writer.size(args.memoryKiB);
      writer.uint(args.flags);
    },
    nothing,
  ),
  attachDevice: slowChange(160, writeDevice, nothing),
  detachDevice: slowChange(161, writeDevice, nothing),
  updateDevice: slowChange(174, writeDevice, nothing),
  setAutostart: change(
    29,
    (writer, args: { domain: DomainRef; autostart: boolean }) => {
      writeDomain(writer, args.domain);
      writer.bool(args.autostart);
    },
    nothing,
  ),
  getAutostart: read(15, writeDomain, (reader) => reader.int() !== 0),
  blockResize: slowChange(
    251,
    (writer, args: WithFlags & { disk: string; size: number }) => {
      writeDomain(writer, args.domain);
      writer.string(args.disk);
      writer.size(args.size);
      writer.uint(args.flags);
    },
    nothing,
  ),
  interfaceAddresses: slowRead(
    353,
    (writer: XdrWriter, args: WithFlags & { source: number }) => {
      writeDomain(writer, args.domain);
      writer.uint(args.source);
      writer.uint(args.flags);
    },
    (reader) => reader.array(maximum.interfaces, readInterface),
  ),
  pinVcpu: change(
    225,
    (writer, args: WithFlags & { vcpu: number; cpuMap: Uint8Array }) => {
      writeDomain(writer, args.domain);
      writer.uint(args.vcpu);
      writer.opaque(args.cpuMap, maximum.cpuMap);
      writer.uint(args.flags);
    },
    nothing,
  ),
  pinEmulator: change(
    279,
    (writer, args: WithFlags & { cpuMap: Uint8Array }) => {
      writeDomain(writer, args.domain);
      writer.opaque(args.cpuMap, maximum.cpuMap);
      writer.uint(args.flags);
    },
    nothing,
  ),
  getDiskErrors: read(
    263,
    (writer, args: WithFlags & { count: number }) => {
      writeDomain(writer, args.domain);
      writer.uint(args.count);
      writer.uint(args.flags);
    },
    (reader) => {
      const errors = reader.array(maximum.diskErrors, readDiskError);
      return { errors, count: reader.int() };
    },
  ),
};

function slowRead<A, R>(
  number: number,
  encode: (writer: XdrWriter, args: A) => void,
  decode: (reader: XdrReader) => R,
): Procedure<A, R> {
  return { ...read(number, encode, decode), slow: true };
}

/** A command to the guest agent; it belongs to the QEMU program. A lost answer leaves open whether the guest did it. */
export const agentCommand: Procedure<
  { domain: DomainRef; command: string; timeoutSeconds: number },
  string | undefined
> = {
  program: program.qemu,
  number: 3,
  readOnly: false,
  slow: true,
  encode(writer, args) {
    writeDomain(writer, args.domain);
    writer.string(args.command);
    writer.int(args.timeoutSeconds);
    writer.uint(0);
  },
  decode: readOptionalString,
};
