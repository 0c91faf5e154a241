import type { Connection } from "./connection.ts";
import { LibvirtConnectionError } from "./errors.ts";
import { abortReason, messageOf } from "./limits.ts";
import { type CallContext, describeCall } from "./procedure.ts";
import type { StreamConnection, StreamConnections } from "./storage-functions.ts";

/** Connections for streams: made for one stream each, a few at a time; others wait in order. */
export class StreamSlots implements StreamConnections {
  readonly #uri: string;
  readonly #closing: AbortSignal;
  readonly #connect: (signal: AbortSignal) => Promise<Connection>;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(
    uri: string,
    count: number,
    closing: AbortSignal,
    connect: (signal: AbortSignal) => Promise<Connection>,
  ) {
    this.#uri = uri;
    this.#free = count;
    this.#closing = closing;
    this.#connect = connect;
  }

  async open(context: CallContext): Promise<StreamConnection> {
    const deadline = new AbortController();
    const expire = () => deadline.abort(this.#expired(context));
    const timer = context.timeoutMs ? setTimeout(expire, context.timeoutMs) : undefined;
    const signals = [this.#closing, deadline.signal, context.signal];
    const signal = AbortSignal.any(signals.filter((one) => one !== undefined));
    try {
      await this.#slot(signal);
    } catch (error) {
      clearTimeout(timer);
      throw error;
    }
    const release = () => {
      clearTimeout(timer);
      this.#release();
    };
    try {
      const connection = await this.#connect(signal);
      const end = () => {
        connection.close("the transfer ended");
        release();
      };
      return { connection, signal, release: end };
    } catch (error) {
      release();
      if (signal.aborted) throw abortReason(signal);
      const text = `cannot connect to ${this.#uri} for ${describeCall(context)}: ${messageOf(error)}`;
      const fields = { kind: "unreachable", outcome: "not-done", uri: this.#uri } as const;
      throw new LibvirtConnectionError(text, { ...fields, cause: error });
    }
  }

  #expired(context: CallContext): LibvirtConnectionError {
    const text = `${describeCall(context)} (${this.#uri}) did not end within ${context.timeoutMs} ms`;
    return new LibvirtConnectionError(text, { kind: "deadline", outcome: "unknown", uri: this.#uri });
  }

  #slot(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(abortReason(signal));
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(abortReason(signal));
      };
      this.#waiting.push(enter);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
