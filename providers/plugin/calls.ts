/** The life of a call: its signal and deadline, its log, its error. */
import type { handleUnaryCall, ServerUnaryCall } from "@grpc/grpc-js";
import { errorText, isDefect, ProviderError, toServiceError } from "./errors.ts";
import { createLogger, type LogQueue } from "./log.ts";
import type { CallContext } from "./types.ts";

/** The longest delay that a timer takes. */
const longestTimer = 2 ** 31 - 1;

/** What a call needs to know about its request, beside the data. */
export interface CallOptions {
  readonly urn?: string;
  readonly preview?: boolean;
  readonly timeoutSeconds?: number;
  /** Calls that change or wait for something are refused after Cancel. */
  readonly stopsAtCancel?: boolean;
}

/** Keeps the calls under way, so that Cancel and the end of the engine reach them. */
export class Calls {
  readonly #log: LogQueue;
  readonly #stop = new AbortController();
  readonly #active = new Set<Promise<void>>();

  constructor(log: LogQueue) {
    this.#log = log;
  }

  /** Ends every call under way and refuses later ones that would change something. */
  stop(reason: ProviderError): void {
    this.#stop.abort(reason);
  }

  /** Ends when no call is under way. */
  async idle(): Promise<void> {
    while (this.#active.size > 0) await Promise.allSettled(this.#active);
  }

  /** A gRPC handler from a function of context and request. */
  unary<Request, Response>(
    options: (request: Request) => CallOptions,
    answer: (context: CallContext, request: Request) => Promise<Response>,
  ): handleUnaryCall<Request, Response> {
    return (call, callback) => {
      const work = this.#run(call, options(call.request), answer).then(
        (response) => callback(null, response),
        (error: unknown) => {
          if (isDefect(error)) process.stderr.write(`${stackOf(error)}\n`);
          callback(toServiceError(error));
        },
      );
      const settled = work.finally(() => this.#active.delete(settled));
      this.#active.add(settled);
    };
  }

  async #run<Request, Response>(
    call: ServerUnaryCall<Request, Response>,
    options: CallOptions,
    answer: (context: CallContext, request: Request) => Promise<Response>,
  ): Promise<Response> {
    if (options.stopsAtCancel) this.#stop.signal.throwIfAborted();
    const own = new AbortController();
    const onCancelled = () => own.abort(new ProviderError("the engine cancelled the call", "cancelled"));
    call.once("cancelled", onCancelled);
    const seconds = options.timeoutSeconds ?? 0;
    const deadline = seconds > 0 ? Date.now() + seconds * 1000 : undefined;
    const timer = seconds > 0 ? startTimer(own, seconds) : undefined;
    try {
      return await answer(
        {
          logger: createLogger(this.#log, options.urn ?? ""),
          signal: AbortSignal.any([own.signal, this.#stop.signal]),
          preview: options.preview ?? false,
          deadline,
        },
        call.request,
      );
    } finally {
      clearTimeout(timer);
      call.off("cancelled", onCancelled);
      // The engine closes the resource's display with the answer: lines must arrive before it.
      await this.#log.flush();
    }
  }
}

function startTimer(controller: AbortController, seconds: number): NodeJS.Timeout {
  const abort = () =>
    controller.abort(
      new ProviderError(
        `not done within the time limit of ${seconds} s; raise customTimeouts of the resource`,
        "deadlineExceeded",
      ),
    );
  return setTimeout(abort, Math.min(seconds * 1000, longestTimer)).unref();
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : errorText(error);
}
