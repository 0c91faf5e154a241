import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  encodeMessage,
  type Message,
  MessageDecoder,
  type MessageHeader,
  messageStatus,
  messageType,
} from "../../../providers/libvirt/client/message.ts";
import { host } from "../../../providers/libvirt/client/procedures/host.ts";
import { XdrWriter } from "../../../providers/libvirt/client/xdr.ts";

/**
 * Speaks the protocol as a script says, for faults that a real daemon cannot be made to show. It greets as a daemon
 * does; everything after that is the script's.
 */
export interface FakeDaemon {
  readonly uri: string;
  /** Connections made so far. */
  connections(): number;
  stop(): Promise<void>;
}

export interface Peer {
  /** Counts connections from 1. */
  readonly connection: number;
  send(bytes: Uint8Array): void;
  reply(call: Message, payload: Uint8Array, changed?: Partial<MessageHeader>): void;
  hangUp(): void;
  /** Says that nothing more will come, as a process that dies does, and goes on reading. */
  endWriting(): void;
  /** Bytes that were sent and that the client has not taken yet. */
  unread(): number;
}

export type Script = (call: Message, peer: Peer) => void;

export interface Greeting {
  /** Numbers of the ways to authenticate. Default: none is needed. */
  authentication?: number[];
  /** Default 9.0.0. */
  libVersion?: number;
}

export async function startFakeDaemon(script: Script, greeting: Greeting = {}): Promise<FakeDaemon> {
  const directory = await mkdtemp(join(tmpdir(), "hyperlab-fake-"));
  const socket = join(directory, "sock");
  const open = new Set<Socket>();
  let count = 0;
  const server: Server = createServer({ allowHalfOpen: true }, (connection) => {
    count += 1;
    open.add(connection);
    connection.on("error", () => {});
    connection.on("close", () => open.delete(connection));
    connection.on("end", () => connection.end());
    serve(connection, count, script, greeting);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    uri: `qemu+unix:///system?socket=${socket}`,
    connections: () => count,
    stop: async () => {
      for (const connection of open) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function serve(socket: Socket, connection: number, script: Script, greeting: Greeting): void {
  const decoder = new MessageDecoder();
  const peer: Peer = {
    connection,
    send: (bytes) => void socket.write(bytes),
    reply: (call, payload, changed) =>
      void socket.write(encodeMessage({ ...replyTo(call), ...changed }, payload)),
    hangUp: () => socket.destroy(),
    endWriting: () => void socket.end(),
    unread: () => socket.writableLength,
  };
  socket.on("data", (chunk: Buffer) => {
    for (const message of decoder.push(chunk)) {
      const answer = message.header.type === messageType.call ? greet(message, greeting) : undefined;
      if (answer === undefined) script(message, peer);
      else peer.reply(message, answer);
    }
  });
}

export function replyTo(call: Message): MessageHeader {
  return { ...call.header, type: messageType.reply, status: messageStatus.ok };
}

function greet(call: Message, greeting: Greeting): Uint8Array | undefined {
  switch (call.header.procedure) {
    case host.authList.number:
      return xdr((writer) => writer.array(greeting.authentication ?? [0], 20, (to, value) => to.int(value)));
    case host.supportsFeature.number:
      return xdr((writer) => writer.int(1));
    case host.connectOpen.number:
      return new Uint8Array(0);
    case host.getLibVersion.number:
      return xdr((writer) => writer.size(greeting.libVersion ?? 9_000_000));
    default:
      return undefined;
  }
}

export function xdr(write: (writer: XdrWriter) => void): Uint8Array {
  const writer = new XdrWriter();
  write(writer);
  return writer.bytes();
}

export const text = (value: string): Uint8Array => xdr((writer) => writer.string(value));

/** Payload of an answer that is an error. */
export const errorPayload = (code: number, message: string) =>
  xdr((writer) => {
    writer.int(code);
    writer.int(10);
    writer.optional(message, (to, value) => to.string(value));
    writer.int(2);
    for (let index = 0; index < 4; index++) writer.bool(false);
    writer.int(0);
    writer.int(0);
    writer.bool(false);
  });
