import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeMessage,
  encodePrefix,
  MessageDecoder,
  type MessageHeader,
  maximumMessage,
  messageStatus,
  messageType,
  program,
} from "../../../providers/libvirt/client/message.ts";
import { XdrError } from "../../../providers/libvirt/client/xdr.ts";

const header = fc.record<MessageHeader>({
  program: fc.constantFrom(...Object.values(program)),
  procedure: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  type: fc.constantFrom(...Object.values(messageType)),
  serial: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  status: fc.constantFrom(...Object.values(messageStatus)),
});
const message = fc.record({ header, payload: fc.uint8Array({ maxLength: 300 }) });

/** Cuts bytes at the given places, as a socket does. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const pieces: Buffer[] = [];
  let start = 0;
  for (const end of [...ends, bytes.length]) {
    pieces.push(bytes.subarray(start, end));
    start = end;
  }
  return pieces;
}

function headerBytes(words: readonly number[]): Buffer {
  const bytes = Buffer.alloc(28);
  for (const [index, word] of words.entries()) bytes.writeUInt32BE(word, index * 4);
  return bytes;
}

describe("framing", () => {
  it("gives back the messages, however the stream was cut", () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (sent, places) => {
          const bytes = Buffer.concat(sent.map((one) => encodeMessage(one.header, one.payload)));
          const decoder = new MessageDecoder();
          const received = cut(bytes, places).flatMap((piece) => decoder.push(piece));
          expect(received.map((one) => ({ ...one, payload: new Uint8Array(one.payload) }))).toEqual(sent);
        },
      ),
    );
  });

  it("answers any bytes with messages or an XdrError", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 })), (chunks) => {
        const decoder = new MessageDecoder();
        try {
          for (const chunk of chunks) decoder.push(Buffer.from(chunk));
        } catch (error) {
          expect(error).toBeInstanceOf(XdrError);
        }
      }),
    );
  });

  it.each<[string, number[]]>([
    ["a message of 27 bytes has no room for its header", [27]],
    ["a message of 0 bytes has no room for its header", [0]],
    ["is larger than the allowed", [maximumMessage + 5]],
    ["a message of 4294967295 bytes is larger", [0xffff_ffff]],
    ["0x1 is no program", [28, 1, 1, 1, 1, 1, 0]],
    ["version 2 of the protocol is unknown", [28, program.remote, 2, 1, 1, 1, 0]],
    ["4 is no type of message", [28, program.remote, 1, 1, 4, 1, 0]],
    ["3 is no status of a message", [28, program.remote, 1, 1, 1, 1, 3]],
  ])("refuses: %s", (text, words) => {
    expect(() => new MessageDecoder().push(headerBytes(words))).toThrow(text);
  });

  it("does not send what the daemon would refuse", () => {
    const call = {
      program: program.remote,
      procedure: 1,
      type: messageType.call,
      serial: 1,
      status: messageStatus.ok,
    };
    expect(encodePrefix(call, maximumMessage - 24).readUInt32BE(0)).toBe(maximumMessage + 4);
    expect(() => encodePrefix(call, maximumMessage - 23)).toThrow("is larger than");
  });
});
