import { XdrError } from "./xdr.ts";

/** Program numbers of the protocol; all are at version 1. */
export const program = {
  remote: 0x2000_8086,
  qemu: 0x2000_8087,
  keepAlive: 0x6b65_6570,
} as const;

export type ProgramNumber = (typeof program)[keyof typeof program];

export const programVersion = 1;

export const messageType = { call: 0, reply: 1, event: 2, stream: 3 } as const;

export type MessageType = (typeof messageType)[keyof typeof messageType];

export const messageStatus = { ok: 0, error: 1, continue: 2 } as const;

export type MessageStatus = (typeof messageStatus)[keyof typeof messageStatus];

export interface MessageHeader {
  program: ProgramNumber;
  procedure: number;
  type: MessageType;
  serial: number;
  status: MessageStatus;
}

export interface Message {
  header: MessageHeader;
  payload: Buffer;
}

/** Length word and header: what every message starts with. */
export const prefixBytes = 28;

/** Largest message without its length word. */
export const maximumMessage = 33_554_432;

/** Data in one stream message; the size that every libvirt since 0.6 accepts. */
export const streamPieceBytes = 262_120;

const lengthBytes = 4;

const types: ReadonlyMap<number, MessageType> = new Map(
  Object.values(messageType).map((value) => [value, value]),
);
const statuses: ReadonlyMap<number, MessageStatus> = new Map(
  Object.values(messageStatus).map((value) => [value, value]),
);
const programs: ReadonlyMap<number, ProgramNumber> = new Map(
  Object.values(program).map((value) => [value, value]),
);

/** Length word and header of a message with a payload of that many bytes. */
export function encodePrefix(header: MessageHeader, payloadBytes: number): Buffer {
  const total = prefixBytes + payloadBytes;
  if (total - lengthBytes > maximumMessage) {
    throw new XdrError(
      `a message of ${total} bytes is larger than the ${maximumMessage} that libvirt accepts`,
    );
  }
  const bytes = Buffer.allocUnsafe(prefixBytes);
  bytes.writeUInt32BE(total, 0);
  bytes.writeUInt32BE(header.program, 4);
  bytes.writeUInt32BE(programVersion, 8);
  bytes.writeInt32BE(header.procedure, 12);
  bytes.writeUInt32BE(header.type, 16);
  bytes.writeUInt32BE(header.serial, 20);
  bytes.writeUInt32BE(header.status, 24);
  return bytes;
}

export function encodeMessage(header: MessageHeader, payload: Uint8Array): Buffer {
  return Buffer.concat([encodePrefix(header, payload.length), payload]);
}

/** Cuts a byte stream into messages. After an error it must not be used again: the stream is out of step. */
export class MessageDecoder {
  #chunks: Buffer[] = [];
  #buffered = 0;
  /** Bytes of the message that is being received; 0 while its length is not known. */
  #expected = 0;

  /** Takes what arrived and returns the messages that are complete. Throws XdrError on anything that is not one. */
  push(chunk: Buffer): Message[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const messages: Message[] = [];
    while (this.#buffered >= Math.max(this.#expected, lengthBytes)) {
      if (this.#expected === 0) this.#expected = checkedLength(this.#join().readUInt32BE(0));
      else messages.push(decodeMessage(this.#cut(this.#expected)));
    }
    return messages;
  }

  #join(): Buffer {
    const [first, ...more] = this.#chunks;
    if (first !== undefined && more.length === 0) return first;
    const joined = Buffer.concat(this.#chunks, this.#buffered);
    this.#chunks = [joined];
    return joined;
  }

  #cut(count: number): Buffer {
    const joined = this.#join();
    const rest = joined.subarray(count);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#buffered = rest.length;
    this.#expected = 0;
    return joined.subarray(0, count);
  }
}

function checkedLength(length: number): number {
  if (length < prefixBytes) throw new XdrError(`a message of ${length} bytes has no room for its header`);
  if (length - lengthBytes > maximumMessage) {
    throw new XdrError(`a message of ${length} bytes is larger than the allowed ${maximumMessage}`);
  }
  return length;
}

function decodeMessage(bytes: Buffer): Message {
  const programNumber = programs.get(bytes.readUInt32BE(4));
  if (programNumber === undefined) {
    throw new XdrError(`0x${bytes.readUInt32BE(4).toString(16)} is no program of libvirt's protocol`);
  }
  const version = bytes.readUInt32BE(8);
  if (version !== programVersion) throw new XdrError(`version ${version} of the protocol is unknown`);
  const type = types.get(bytes.readUInt32BE(16));
  if (type === undefined) throw new XdrError(`${bytes.readUInt32BE(16)} is no type of message`);
  const status = statuses.get(bytes.readUInt32BE(24));
  if (status === undefined) throw new XdrError(`${bytes.readUInt32BE(24)} is no status of a message`);
  return {
    header: {
      program: programNumber,
      procedure: bytes.readInt32BE(12),
      type,
      serial: bytes.readUInt32BE(20),
      status,
    },
    payload: bytes.subarray(prefixBytes),
  };
}
