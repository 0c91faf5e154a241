import type { Connection, StreamSink } from "./connection.ts";
import { abortReason } from "./limits.ts";
import { messageStatus, streamPieceBytes } from "./message.ts";
import type { CallContext, Procedure } from "./procedure.ts";

/** Data that may wait for the consumer of a download; above it we stop reading. */
const downloadBufferBytes = 1_048_576;

const nothing = new Uint8Array(0);

/** Follows one stream: what came, whether it ended, and the one wait that may be under way. */
class StreamState implements StreamSink {
  readonly #pieces: Buffer[] = [];
  #buffered = 0;
  #ended = false;
  #confirmed = false;
  #failure: Error | undefined;
  #wake: () => void = () => {};
  /** Told when the amount of waiting data changes. */
  onBuffered: (bytes: number) => void = () => {};

  data(piece: Buffer): void {
    if (piece.length === 0) this.#ended = true;
    else this.#pieces.push(piece);
    this.#buffered += piece.length;
    this.onBuffered(this.#buffered);
    this.#wake();
  }

  finished(): void {
    this.#confirmed = true;
    this.#wake();
  }

  failed(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** The result of a promise, or the stream's failure if that comes first. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const check = () => {
        if (this.#failure !== undefined) reject(this.#failure);
      };
      this.#wake = check;
      promise.then(resolve, reject);
      check();
    });
  }

  /** The next piece; undefined at the end. */
  async take(): Promise<Buffer | undefined> {
    await this.#until(() => this.#pieces.length > 0 || this.#ended);
    const piece = this.#pieces.shift();
    this.#buffered -= piece?.length ?? 0;
    this.onBuffered(this.#buffered);
    return piece;
  }

  confirmation(): Promise<void> {
    return this.#until(() => this.#confirmed);
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wake = () => {
        if (condition()) resolve();
        else if (this.#failure !== undefined) reject(this.#failure);
      };
      this.#wake();
    });
  }
}

export interface TransferContext extends CallContext {
  readonly onProgress: ((bytes: number) => void) | undefined;
}

/** Sends content into a stream. One piece is with the operating system at a time, so memory stays bounded. */
export async function upload<A>(
  connection: Connection,
  procedure: Procedure<A, void>,
  args: A,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  context: TransferContext,
): Promise<number> {
  const state = new StreamState();
  const iterator = pieces(content)[Symbol.asyncIterator]();
  let sent = 0;
  const stopWatching = watchSignal(context.signal, connection, state);
  try {
    await state.guard(connection.openStream(procedure, args, context, state));
    for (;;) {
      const next = await state.guard(iterator.next());
      if (next.done) break;
      await state.guard(connection.sendStream(messageStatus.continue, next.value));
      sent += next.value.length;
      context.onProgress?.(sent);
    }
    await state.guard(connection.sendStream(messageStatus.ok, nothing));
    await state.confirmation();
    return sent;
  } finally {
    stopWatching();
    // A source that never answers must not hold us.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

/** Receives a stream. Reading stops while the consumer is behind. */
export async function* download<A>(
  connection: Connection,
  procedure: Procedure<A, void>,
  args: A,
  context: TransferContext,
): AsyncGenerator<Uint8Array, void, undefined> {
  const state = new StreamState();
  let reading = true;
  state.onBuffered = (bytes) => {
    const wanted = bytes < downloadBufferBytes;
    if (wanted !== reading) connection.setReading(wanted);
    reading = wanted;
  };
  const stopWatching = watchSignal(context.signal, connection, state);
  let received = 0;
  try {
    await state.guard(connection.openStream(procedure, args, context, state));
    for (;;) {
      const piece = await state.take();
      if (piece === undefined) break;
      received += piece.length;
      context.onProgress?.(received);
      yield piece;
    }
    await state.guard(connection.sendStream(messageStatus.ok, nothing));
    await state.confirmation();
  } finally {
    stopWatching();
  }
}

/** An abort ends the connection as well: the daemon then drops the stream, even while nobody takes its data. */
function watchSignal(
  signal: AbortSignal | undefined,
  connection: Connection,
  state: StreamState,
): () => void {
  if (signal === undefined) return () => {};
  const onAbort = () => {
    state.failed(abortReason(signal));
    connection.close("the transfer was aborted");
  };
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}

/**
 * The same bytes in pieces of the size that goes into one message. All pieces share one buffer: each must be done with
 * before the next is asked for.
 */
export async function* pieces(
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  size: number = streamPieceBytes,
): AsyncGenerator<Uint8Array, void, undefined> {
  const piece = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const chunk of content) {
    for (let from = 0; from < chunk.length; ) {
      const count = Math.min(size - filled, chunk.length - from);
      piece.set(chunk.subarray(from, from + count), filled);
      filled += count;
      from += count;
      if (filled === size) {
        yield piece;
        filled = 0;
      }
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
