import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import {
  encodeMessage,
  type Message,
  MessageDecoder,
  type MessageHeader,
  messageType,
} from "../../providers/libvirt/client/message.ts";

/** A procedure of libvirt's protocol; those of `providers/libvirt/client/procedures` are such. */
interface Procedure {
  readonly program: number;
  readonly number: number;
}

/** Tells the message at which the gate closes. */
export type Moment = (header: MessageHeader, payloadBytes: number) => boolean;

/** The moment in which the host is asked for the procedure: all before it is done, nothing of it and after it. */
export function calling(procedure: Procedure): Moment {
  return (header) =>
    header.type === messageType.call &&
    header.program === procedure.program &&
    header.procedure === procedure.number;
}

/** The moment in which the host has done the procedure, and nobody knows yet. */
export function answering(procedure: Procedure): Moment {
  return (header) =>
    header.type === messageType.reply &&
    header.program === procedure.program &&
    header.procedure === procedure.number;
}

/** The moment in which so many bytes of an upload are on the host. */
export function uploaded(bytes: number): Moment {
  let sum = 0;
  return (header, payloadBytes) => {
    if (header.type !== messageType.stream) return false;
    sum += payloadBytes;
    return sum > bytes;
  };
}

/** The moment in which the second moment comes, once the first was there. */
export function inOrder(first: Moment, second: Moment): Moment {
  let passed = false;
  return (header, payloadBytes) => {
    if (passed) return second(header, payloadBytes);
    passed = first(header, payloadBytes);
    return false;
  };
}

/**
 * A socket in front of a daemon's. On demand it closes at an exact message: that one and everything after it, in both
 * directions and of all clients, waits until it is opened again. So a test may end clients or the daemon at a known
 * moment, however fast or slow the machine is.
 */
export class Gate {
  readonly socket: string;
  readonly #server: Server;
  readonly #passages = new Set<Passage>();
  #moment: Moment | undefined;
  #closed = false;

  private constructor(daemon: string) {
    this.socket = `${daemon}-gate`;
    this.#server = createServer((client) => {
      const passage = new Passage(client, createConnection({ path: daemon }), (message) =>
        this.#passes(message),
      );
      this.#passages.add(passage);
      client.once("close", () => this.#passages.delete(passage));
    });
  }

  static async before(daemon: string): Promise<Gate> {
    const gate = new Gate(daemon);
    gate.#server.listen(gate.socket);
    await once(gate.#server, "listening");
    return gate;
  }

  /** Closes at the first message from now on that is the moment. */
  closeAt(moment: Moment): void {
    this.#moment = moment;
  }

  /** The moment is there. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Lets everything pass again. */
  open(): void {
    this.#moment = undefined;
    this.#closed = false;
    for (const passage of this.#passages) passage.flush();
  }

  /**
   * Cuts the connections that there are, so that nothing happens of what waited, and lets new ones pass. For clients that
   * were killed: a passage that is held reads nothing, so it does not see that its client has gone.
   */
  openForOthers(): void {
    for (const passage of this.#passages) passage.cut();
    this.open();
  }

  /** Cuts all connections and removes the socket. */
  async stop(): Promise<void> {
    const ended = once(this.#server, "close");
    this.#server.close();
    for (const passage of this.#passages) passage.cut();
    await ended;
  }

  #passes(message: Message): boolean {
    this.#closed ||= this.#moment?.(message.header, message.payload.length) === true;
    return !this.#closed;
  }
}

/** One client's connection through the gate. */
class Passage {
  readonly #sides: readonly Socket[];
  readonly #ways: readonly Way[];

  constructor(client: Socket, daemon: Socket, passes: (message: Message) => boolean) {
    this.#sides = [client, daemon];
    this.#ways = [new Way(client, daemon, passes), new Way(daemon, client, passes)];
    // Either side may be killed at any time; the other then sees the end of its connection.
    for (const side of this.#sides) {
      side.on("error", () => this.cut());
      side.once("close", () => this.cut());
    }
  }

  flush(): void {
    for (const way of this.#ways) way.flush();
  }

  cut(): void {
    for (const side of this.#sides) side.destroy();
  }
}

/** One direction. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #passes: (message: Message) => boolean;
  #waiting: Message[] = [];

  constructor(from: Socket, to: Socket, passes: (message: Message) => boolean) {
    this.#from = from;
    this.#to = to;
    this.#passes = passes;
    const decoder = new MessageDecoder();
    from.on("data", (chunk: Buffer) => {
      this.#waiting.push(...decoder.push(chunk));
      this.flush();
    });
    to.on("drain", () => this.flush());
  }

  /** Sends on what may pass; the sender waits with the rest. */
  flush(): void {
    while (!this.#to.writableNeedDrain) {
      const [next] = this.#waiting;
      if (next === undefined) {
        this.#from.resume();
        return;
      }
      if (!this.#passes(next)) break;
      this.#waiting.shift();
      this.#to.write(encodeMessage(next.header, next.payload));
    }
    this.#from.pause();
  }
}
