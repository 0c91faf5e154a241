import type { Socket } from "node:net";
import { LibvirtConnectionError, LibvirtError } from "./errors.ts";
import { KeepAlive } from "./keep-alive.ts";
import { messageOf } from "./limits.ts";
import {
  encodeMessage,
  encodePrefix,
  type Message,
  MessageDecoder,
  type MessageHeader,
  type MessageStatus,
  messageStatus,
  messageType,
  program,
} from "./message.ts";
import { type CallContext, describeCall, type Procedure } from "./procedure.ts";
import { readError } from "./wire.ts";
import { XdrReader, XdrWriter } from "./xdr.ts";

/** Where a stream's messages go. */
export interface StreamSink {
  /** Data, or an empty buffer at the end of what the daemon sends. */
  data(piece: Buffer): void;
  /** The daemon has confirmed the end. */
  finished(): void;
  /** The daemon refused, or the connection broke. */
  failed(error: Error): void;
}

interface Pending {
  readonly header: MessageHeader;
  readonly slow: boolean;
  /** All bytes are with the operating system; before that the daemon cannot have carried out the call. */
  sent: boolean;
  succeed(payload: Buffer): void;
  refuse(payload: Buffer): void;
  lose(kind: "lost" | "protocol" | "closed", reason: string, certainlyNotDone: boolean): void;
}

interface OpenStream {
  readonly header: MessageHeader;
  readonly context: CallContext;
  readonly readOnly: boolean;
  readonly sink: StreamSink;
}

export interface ConnectionOptions {
  readonly uri: string;
  readonly keepAliveIntervalMs: number;
  readonly keepAliveCount: number;
  /** Events of the remote program: the procedure says which. */
  readonly onEvent?: (procedure: number, payload: Buffer) => void;
}

/** One connection to a daemon: calls with their answers, at most one stream, events, keep-alive. */
export class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #decoder = new MessageDecoder();
  readonly #pending = new Map<number, Pending>();
  readonly #keepAlive: KeepAlive;
  #stream: OpenStream | undefined;
  #serial = 0;
  #slow = 0;
  #broken: { kind: "lost" | "protocol" | "closed"; reason: string } | undefined;
  /** Told after each answer and when the connection has ended. */
  onChange: () => void = () => {};

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#keepAlive = new KeepAlive({
      intervalMs: options.keepAliveIntervalMs,
      count: options.keepAliveCount,
      ping: () => this.#sendKeepAlive(1),
      // Bytes that the daemon takes from us prove that it lives as well as bytes from it.
      progress: () => socket.bytesRead + socket.bytesWritten - socket.writableLength,
      dead: (silentMs) => this.#break("lost", `no sign of life for ${Math.round(silentMs / 1000)} s`),
    });
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.#break("lost", messageOf(error)));
    socket.on("close", () => this.#break("lost", "the daemon closed it"));
  }

  /** Calls under way, those that nobody waits for any more included: they hold a slot of the daemon. */
  get load(): number {
    return this.#pending.size;
  }

  get slowLoad(): number {
    return this.#slow;
  }

  get open(): boolean {
    return this.#broken === undefined;
  }

  /** Sends a call at once. Rejects with LibvirtError or LibvirtConnectionError. */
  call<A, R>(procedure: Procedure<A, R>, args: A, context: CallContext): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const payload = encodeArguments(procedure, args, context);
      const header = this.#callHeader(procedure);
      const pending: Pending = {
        header,
        slow: procedure.slow,
        sent: false,
        succeed: (answer) => {
          const reader = new XdrReader(answer);
          const result = procedure.decode(reader);
          reader.end();
          resolve(result);
        },
        refuse: (answer) => reject(this.#libvirtError(answer, context)),
        lose: (kind, reason, certainlyNotDone) => {
          const notDone = procedure.readOnly || certainlyNotDone;
          reject(this.#lostError(kind, reason, notDone, context));
        },
      };
      if (this.#broken !== undefined) return pending.lose(this.#broken.kind, this.#broken.reason, true);
      this.#pending.set(header.serial, pending);
      if (pending.slow) this.#slow += 1;
      this.#socket.write(encodeMessage(header, payload), (error) => {
        if (!error) pending.sent = true;
      });
    });
  }

  /** Sends a call that opens a stream; resolves when the daemon has accepted it. One stream per connection. */
  async openStream<A>(
    procedure: Procedure<A, void>,
    args: A,
    context: CallContext,
    sink: StreamSink,
  ): Promise<void> {
    const answer = this.call(procedure, args, context);
    // Data may come in the same packet as the answer, so the sink must be there before.
    this.#stream = {
      header: {
        program: procedure.program,
        procedure: procedure.number,
        type: messageType.stream,
        serial: this.#serial,
        status: messageStatus.continue,
      },
      context,
      readOnly: procedure.readOnly,
      sink,
    };
    try {
      await answer;
    } catch (error) {
      this.#stream = undefined;
      throw error;
    }
  }

  /**
   * Sends a piece, or the end. Resolves when the operating system has taken it: that bounds what is in memory. Rejects
   * with LibvirtConnectionError.
   */
  sendStream(status: MessageStatus, data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const stream = this.#stream;
      if (stream === undefined) throw new Error("a piece was sent to a stream that has ended");
      this.#socket.cork();
      this.#socket.write(encodePrefix({ ...stream.header, status }, data.length));
      this.#socket.write(data, (error) => {
        if (!error) return resolve();
        // A write fails before the socket says that it has closed: whoever waits is told of the connection, not of the write.
        this.#break("lost", messageOf(error));
        reject(this.#lostError("lost", messageOf(error), stream.readOnly, stream.context));
      });
      this.#socket.uncork();
    });
  }

  /** Stops and resumes reading: the daemon then waits with its next data. */
  setReading(reading: boolean): void {
    if (reading) this.#socket.resume();
    else this.#socket.pause();
    this.#keepAlive.suspend(!reading);
  }

  /** Starts to ask for signs of life. */
  startKeepAlive(): void {
    this.#keepAlive.start();
  }

  close(reason = "the client was closed"): void {
    this.#break("closed", reason);
  }

  #callHeader(procedure: { program: MessageHeader["program"]; number: number }): MessageHeader {
    this.#serial = (this.#serial % 0x7fff_ffff) + 1;
    return {
      program: procedure.program,
      procedure: procedure.number,
      type: messageType.call,
      serial: this.#serial,
      status: messageStatus.ok,
    };
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#decoder.push(chunk)) {
        if (this.#broken !== undefined) return;
        this.#keepAlive.heard();
        this.#dispatch(message);
      }
    } catch (error) {
      this.#break(
        "protocol",
        `the daemon sent something that is not libvirt's protocol: ${messageOf(error)}`,
      );
    }
  }

  #dispatch({ header, payload }: Message): void {
    if (header.program === program.keepAlive) this.#answerKeepAlive(header);
    else if (header.type === messageType.reply) this.#settle(header, payload);
    else if (header.type === messageType.stream) this.#dispatchStream(header, payload);
    else if (header.type === messageType.event) this.#options.onEvent?.(header.procedure, payload);
    else throw new Error("a daemon must not call its client");
  }

  #settle(header: MessageHeader, payload: Buffer): void {
    const pending = this.#pending.get(header.serial);
    if (pending === undefined) throw new Error(`an answer to call ${header.serial}, which nobody made`);
    if (pending.header.procedure !== header.procedure || pending.header.program !== header.program) {
      throw new Error(
        `the answer to procedure ${pending.header.procedure} came from procedure ${header.procedure}`,
      );
    }
    if (header.status === messageStatus.continue) throw new Error("an answer with the status of a stream");
    if (header.status === messageStatus.ok) pending.succeed(payload);
    else pending.refuse(payload);
    this.#pending.delete(header.serial);
    if (pending.slow) this.#slow -= 1;
    this.onChange();
  }

  #dispatchStream(header: MessageHeader, payload: Buffer): void {
    const stream = this.#stream;
    if (stream === undefined || stream.header.serial !== header.serial) {
      throw new Error(`data of stream ${header.serial}, which nobody opened`);
    }
    if (header.status === messageStatus.continue) {
      stream.sink.data(payload);
      return;
    }
    this.#stream = undefined;
    if (header.status === messageStatus.ok) stream.sink.finished();
    else stream.sink.failed(this.#libvirtError(payload, stream.context));
  }

  #answerKeepAlive(header: MessageHeader): void {
    if (header.procedure === 1) this.#sendKeepAlive(2);
  }

  #sendKeepAlive(procedure: number): void {
    const header = { program: program.keepAlive, procedure, type: messageType.event, serial: 0 };
    this.#socket.write(encodePrefix({ ...header, status: messageStatus.ok }, 0));
  }

  #libvirtError(payload: Buffer, context: CallContext): LibvirtError {
    return new LibvirtError({
      ...readError(new XdrReader(payload)),
      operation: context.operation,
      target: context.target,
    });
  }

  #lostError(
    kind: "lost" | "protocol" | "closed",
    reason: string,
    notDone: boolean,
    context: CallContext,
  ): LibvirtConnectionError {
    const { uri } = this.#options;
    const what = `the connection to ${uri} ended during ${describeCall(context)}: ${reason}`;
    const advice = notDone ? "" : "; whether it was carried out is unknown: look before trying again";
    return new LibvirtConnectionError(`${what}${advice}`, {
      kind,
      outcome: notDone ? "not-done" : "unknown",
      uri,
    });
  }

  #break(kind: "lost" | "protocol" | "closed", reason: string): void {
    if (this.#broken !== undefined) return;
    this.#broken = { kind, reason };
    this.#keepAlive.stop();
    this.#socket.destroy();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    this.#slow = 0;
    for (const call of pending) call.lose(kind, reason, kind === "lost" && !call.sent);
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.sink.failed(this.#lostError(kind, reason, stream.readOnly, stream.context));
    this.onChange();
  }
}

function encodeArguments<A, R>(procedure: Procedure<A, R>, args: A, context: CallContext): Buffer {
  const writer = new XdrWriter();
  try {
    procedure.encode(writer, args);
  } catch (error) {
    throw new TypeError(`${describeCall(context)} cannot be sent: ${messageOf(error)}`, { cause: error });
  }
  return writer.bytes();
}
