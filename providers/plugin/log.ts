/** Ordered, bounded sending of log lines to the engine. */
import { wellFormed } from "./codec.ts";
import type { Logger } from "./types.ts";

export type Severity = "debug" | "info" | "warning" | "error";

export interface LogLine {
  readonly severity: Severity;
  readonly urn: string;
  readonly message: string;
  /** Shown while the resource is worked on and not kept. */
  readonly ephemeral: boolean;
  /** Worth nothing any more when the next line of the same resource comes. */
  readonly replaceable: boolean;
}

/** Lines that wait for the engine are joined up to this size, so that a chatty command does not cost a call per line. */
const joinedSize = 32 * 1024;
/** Lines of output are shown one by one; only a program that writes faster than the engine takes gets them joined. */
const longQueue = 100;

/**
 * Sends lines one after the other, so that they appear in order. A status line that waits is replaced by its successor.
 */
export class LogQueue {
  readonly #send: (line: LogLine) => Promise<void>;
  /** Lines to send, and marks of those who wait for the lines before them. */
  readonly #waiting: (LogLine | (() => void))[] = [];
  #running = false;

  /** `send` must not reject. */
  constructor(send: (line: LogLine) => Promise<void>) {
    this.#send = send;
  }

  add(line: LogLine): void {
    const last = this.#waiting.at(-1);
    const behind = this.#waiting.length > longQueue;
    const joined = last === undefined || typeof last === "function" ? undefined : join(last, line, behind);
    if (joined === undefined) this.#waiting.push(line);
    else this.#waiting[this.#waiting.length - 1] = joined;
    void this.#run();
  }

  /** Ends when everything added so far has been sent. */
  flush(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    // One turn of the event loop: lines written together are sent together.
    await Promise.resolve();
    for (let item = this.#waiting.shift(); item !== undefined; item = this.#waiting.shift()) {
      if (typeof item === "function") item();
      else await this.#send(item);
    }
    this.#running = false;
  }
}

/** One line for two, where nothing is lost by it. */
function join(last: LogLine, next: LogLine, behind: boolean): LogLine | undefined {
  if (last.urn !== next.urn || last.severity !== next.severity || last.ephemeral !== next.ephemeral) {
    return undefined;
  }
  if (last.replaceable !== next.replaceable) return undefined;
  if (next.replaceable) return next;
  if (next.ephemeral && !behind) return undefined;
  if (last.message.length + next.message.length >= joinedSize) return undefined;
  return { ...last, message: `${last.message}\n${next.message}` };
}

/** A logger for one resource; `urn` is empty for the provider as a whole. */
export function createLogger(queue: LogQueue, urn: string): Logger {
  const line = (severity: Severity, kind: "kept" | "status" | "output") => (message: string) =>
    queue.add({
      severity,
      urn,
      message: wellFormed(message),
      ephemeral: kind !== "kept",
      replaceable: kind === "status",
    });
  return {
    debug: line("debug", "kept"),
    info: line("info", "kept"),
    warning: line("warning", "kept"),
    error: line("error", "kept"),
    status: line("info", "status"),
    output: line("info", "output"),
  };
}
