/** What a command writes: captured whole, shown line by line. */
import { StringDecoder } from "node:string_decoder";
import type { Logging } from "./fields.ts";
import type { Mask } from "./secrets.ts";

/** How much of the output an error quotes: its end, where the reason usually is. */
const quotedLength = 16 * 1024;

/** Milliseconds without output, and in all, that the streams of an ended command are waited for. */
const defaultLinger = { silence: 5000, total: 30_000 };

const delay = (milliseconds: number) =>
  new Promise<false>((resolve) => setTimeout(() => resolve(false), milliseconds).unref());

/** Said when a command has ended and its streams have not. */
export const streamsHeldOpen =
  "the command has ended, but a process that it started keeps its output open; " +
  "what it writes from now on is not recorded (redirect its output to avoid this)";

export interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
}

export type StreamName = "stdout" | "stderr";

/** Takes the chunks of both streams of one command. */
export class OutputCollector {
  readonly #streams: Readonly<Record<StreamName, Stream>>;
  readonly #mask: Mask;
  #combined = "";
  #cut = false;
  #lastAt = 0;
  #closed = false;

  constructor(logging: Logging, show: (line: string) => void, mask: Mask) {
    const shown = (line: string) => show(mask(line));
    this.#mask = mask;
    this.#streams = {
      stdout: new Stream(logging === "stdout" || logging === "stdoutAndStderr" ? shown : undefined),
      stderr: new Stream(logging === "stderr" || logging === "stdoutAndStderr" ? shown : undefined),
    };
  }

  /** Output after `end` is not taken any more. */
  add(stream: StreamName, chunk: Buffer): void {
    if (this.#closed) return;
    this.#lastAt = Date.now();
    const text = this.#streams[stream].add(chunk);
    this.#combined += text;
    if (this.#combined.length > 2 * quotedLength) {
      this.#combined = this.#combined.slice(-quotedLength);
      this.#cut = true;
    }
  }

  /**
   * Waits for the rest of the output of a command that has ended. A process that it left behind may hold the streams
   * open for ever: silence, or a long time, ends the wait.
   * @returns false when the streams are still open.
   */
  async rest(streamsClosed: Promise<unknown>, linger = defaultLinger): Promise<boolean> {
    const start = Date.now();
    const done = streamsClosed.then(() => true);
    for (;;) {
      const end = Math.min(Math.max(start, this.#lastAt) + linger.silence, start + linger.total);
      const left = end - Date.now();
      if (left <= 0) return Promise.race([done, Promise.resolve(false)]);
      if (await Promise.race([done, delay(left)])) return true;
    }
  }

  /** Shows what has no line end yet. */
  end(): void {
    this.#closed = true;
    this.#streams.stdout.end();
    this.#streams.stderr.end();
  }

  /** Both streams without their last line end. */
  output(): CommandOutput {
    return {
      stdout: this.#streams.stdout.text.replace(/\n$/, ""),
      stderr: this.#streams.stderr.text.replace(/\n$/, ""),
    };
  }

  /** The end of both streams as they came, for an error. */
  quoted(): string {
    const cut = this.#cut || this.#combined.length > quotedLength;
    const text = this.#mask(this.#combined.slice(-quotedLength)).trimEnd();
    return cut ? `[earlier output left out]\n${text}` : text;
  }
}

class Stream {
  text = "";
  readonly #decoder = new StringDecoder("utf8");
  readonly #show: ((line: string) => void) | undefined;
  #line = "";

  constructor(show: ((line: string) => void) | undefined) {
    this.#show = show;
  }

  add(chunk: Buffer): string {
    const text = this.#decoder.write(chunk);
    this.text += text;
    if (this.#show !== undefined) {
      const lines = (this.#line + text).split("\n");
      this.#line = lines.pop() ?? "";
      for (const line of lines) this.#show(line.replace(/\r$/, ""));
    }
    return text;
  }

  end(): void {
    const rest = this.#decoder.end();
    this.text += rest;
    if (this.#show !== undefined && this.#line + rest !== "") this.#show(this.#line + rest);
    this.#line = "";
  }
}
