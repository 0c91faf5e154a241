import type { Connection } from "./connection.ts";
import { LibvirtConnectionError } from "./errors.ts";
import { abortReason, type Limits, limitsOf, messageOf, pause, withinLimits } from "./limits.ts";
import { type CallContext, type Caller, describeCall, type Procedure } from "./procedure.ts";
import { ConnectFailure } from "./transport.ts";

export interface PoolOptions {
  readonly uri: string;
  readonly maxConnections: number;
  readonly maxCallsPerConnection: number;
  readonly callTimeoutMs: number;
  readonly reconnectTimeoutMs: number;
  /** Makes one connection; rejects with ConnectFailure. */
  open(signal: AbortSignal): Promise<Connection>;
}

/** A call that waits for a free slot. */
interface Job {
  readonly slow: boolean;
  readonly order: number;
  readonly since: number;
  cancelled: boolean;
  start(connection: Connection): void;
  fail(error: Error): void;
}

/** A read that kills the daemon each time must not do so for ever. */
const maximumAttempts = 5;
const firstPauseMs = 100;
const longestPauseMs = 2_000;

/**
 * Spreads calls over a few connections. libvirtd serves five requests per connection at a time, so each carries fewer;
 * the others wait here, in order, and those that may take long never hold the last slot of a connection.
 */
export class Pool implements Caller {
  readonly #options: PoolOptions;
  readonly #closing = new AbortController();
  readonly #fast: Job[] = [];
  readonly #slow: Job[] = [];
  #connections: Connection[] = [];
  #connecting = false;
  #order = 0;
  /** The daemon was reached before, so an outage is worth waiting for. */
  #reached = false;
  /** After a failed attempt to grow: not before this time again. */
  #growAfter = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  async call<A, R>(procedure: Procedure<A, R>, args: A, context: CallContext): Promise<R> {
    const limits = limitsOf(context, this.#options.callTimeoutMs);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(procedure, args, context, limits);
      } catch (error) {
        if (!isRepeatable(error) || attempt >= maximumAttempts) throw error;
      }
    }
  }

  close(): void {
    this.#closing.abort(new Error("the client was closed"));
    for (const connection of this.#connections) connection.close();
    this.#connections = [];
    this.#failWaiting((job) => job.fail(this.#closedError()));
  }

  #attempt<A, R>(procedure: Procedure<A, R>, args: A, context: CallContext, limits: Limits): Promise<R> {
    if (limits.signal?.aborted) return Promise.reject(abortReason(limits.signal));
    if (this.#closing.signal.aborted) return Promise.reject(this.#closedError());
    let started = false;
    let cancel = () => {};
    const answer = new Promise<R>((resolve, reject) => {
      const job: Job = {
        slow: procedure.slow,
        order: this.#order++,
        since: performance.now(),
        cancelled: false,
        start: (connection) => {
          started = true;
          connection.call(procedure, args, context).then(resolve, reject);
        },
        fail: (error) => {
          job.cancelled = true;
          reject(this.#explain(error, context));
        },
      };
      cancel = () => {
        job.cancelled = true;
      };
      (job.slow ? this.#slow : this.#fast).push(job);
      this.#dispatch();
    });
    const expired = () => this.#expiredError(context, started, procedure.readOnly);
    return withinLimits(answer, limits, expired).finally(() => cancel());
  }

  /** Gives slots to those who wait. */
  #dispatch(): void {
    for (;;) {
      const connection = leastLoaded(this.#connections);
      const next = this.#next(connection);
      if (next === undefined) break;
      if (connection === undefined || connection.load > 0) this.#grow();
      if (connection === undefined || !this.#hasSlot(connection, next)) break;
      (next.slow ? this.#slow : this.#fast).shift();
      next.start(connection);
    }
  }

  /** The oldest that fits on the connection; if none fits, the oldest. */
  #next(connection: Connection | undefined): Job | undefined {
    const candidates = [head(this.#fast), head(this.#slow)]
      .filter((job) => job !== undefined)
      .sort((left, right) => left.order - right.order);
    return (
      candidates.find((job) => connection !== undefined && this.#hasSlot(connection, job)) ?? candidates[0]
    );
  }

  #hasSlot(connection: Connection, job: Job): boolean {
    const limit = this.#options.maxCallsPerConnection;
    if (connection.load >= limit) return false;
    return !job.slow || connection.slowLoad < Math.max(1, limit - 1);
  }

  #grow(): void {
    const full = this.#connections.length >= this.#options.maxConnections;
    if (this.#connecting || full || this.#closing.signal.aborted) return;
    if (this.#connections.length > 0 && performance.now() < this.#growAfter) return;
    this.#connecting = true;
    void this.#connect().finally(() => {
      this.#connecting = false;
      this.#dispatch();
    });
  }

  /** Makes one connection; while there is none at all, keeps trying as long as somebody may wait for it. */
  async #connect(): Promise<void> {
    const { signal } = this.#closing;
    for (let wait = firstPauseMs; !signal.aborted; wait = Math.min(wait * 2, longestPauseMs)) {
      try {
        this.#adopt(await this.#options.open(signal));
        return;
      } catch (error) {
        if (signal.aborted) return;
        const failure = asFailure(error);
        this.#growAfter = performance.now() + longestPauseMs;
        if (this.#connections.length > 0) return;
        this.#giveUp(failure);
        if (head(this.#fast) === undefined && head(this.#slow) === undefined) return;
      }
      await pause(wait, signal).catch(() => undefined);
    }
  }

  #adopt(connection: Connection): void {
    if (this.#closing.signal.aborted) {
      connection.close();
      return;
    }
    this.#reached = true;
    this.#connections.push(connection);
    connection.onChange = () => {
      if (!connection.open) this.#connections = this.#connections.filter((other) => other !== connection);
      this.#dispatch();
    };
    // It may have ended between the handshake and here.
    connection.onChange();
  }

  /** Rejects those who have waited long enough, or all where waiting does not help. */
  #giveUp(failure: ConnectFailure): void {
    const patience = this.#reached && failure.retryable ? this.#options.reconnectTimeoutMs : 0;
    const now = performance.now();
    this.#failWaiting((job) => {
      if (now - job.since >= patience) job.fail(failure);
    });
  }

  #failWaiting(fail: (job: Job) => void): void {
    for (const job of [...this.#fast, ...this.#slow]) {
      if (!job.cancelled) fail(job);
    }
  }

  #explain(error: Error, context: CallContext): LibvirtConnectionError {
    if (error instanceof LibvirtConnectionError) return error;
    const { uri } = this.#options;
    const text = `cannot connect to ${uri} for ${describeCall(context)}: ${messageOf(error)}`;
    return new LibvirtConnectionError(text, { kind: "unreachable", outcome: "not-done", uri, cause: error });
  }

  #expiredError(context: CallContext, started: boolean, readOnly: boolean): LibvirtConnectionError {
    const { uri, callTimeoutMs } = this.#options;
    const what = `${describeCall(context)} (${uri}) had no answer within ${context.timeoutMs ?? callTimeoutMs} ms`;
    const outcome = started && !readOnly ? "unknown" : "not-done";
    const where = started
      ? "the daemon is still at it or hangs"
      : "it waited for a free connection and was never sent; other calls take long, or the host cannot be reached";
    const advice = outcome === "unknown" ? "; look before trying again" : "";
    return new LibvirtConnectionError(`${what}: ${where}${advice}`, { kind: "deadline", outcome, uri });
  }

  #closedError(): LibvirtConnectionError {
    const { uri } = this.#options;
    return new LibvirtConnectionError(`the client of ${uri} was closed`, {
      kind: "closed",
      outcome: "not-done",
      uri,
    });
  }
}

function leastLoaded(connections: readonly Connection[]): Connection | undefined {
  let best: Connection | undefined;
  for (const connection of connections) {
    if (connection.open && (best === undefined || connection.load < best.load)) best = connection;
  }
  return best;
}

/** The first that still waits. */
function head(queue: Job[]): Job | undefined {
  while (queue[0]?.cancelled) queue.shift();
  return queue[0];
}

function isRepeatable(error: unknown): boolean {
  return error instanceof LibvirtConnectionError && error.kind === "lost" && error.outcome === "not-done";
}

function asFailure(error: unknown): ConnectFailure {
  return error instanceof ConnectFailure
    ? error
    : new ConnectFailure(messageOf(error), { retryable: false, cause: error });
}
