import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { lineSplitter } from "../process/run.ts";
import { controllerOptions, SSH_FAILED, type SshClient } from "./controller.ts";

/** Verbs of the controller's program that stream. */
export type StreamVerb = "backup" | "inventory" | "restore";

/**
 * Runs a verb of the controller's program and gives what it prints, as it comes. Ends with an error where the program
 * fails, or where its input does.
 *
 * @param input Written to its standard input.
 * @param say Each line of its standard error.
 * @param signal Ends the program.
 */
export type ControllerProgram = (
  verb: StreamVerb,
  input: AsyncIterable<Buffer>,
  say: (line: string) => void,
  signal?: AbortSignal,
) => AsyncIterable<Buffer>;

/** The controller's program through ssh, as root by sudo. `user`: account; default: the first user of the cluster. */
export function controllerProgram(client: SshClient, user: string | undefined): ControllerProgram {
  const { host, options } = controllerOptions(client, user);
  return (verb, input, say, signal) => {
    const words = ["sudo", "-n", "/usr/lib/hyperlab/controller", verb];
    const explain = (code: number | null, said: string) => failureText(host, code, said);
    return streamed("ssh", [...options, "-o", "ServerAliveInterval=15", host, words.join(" ")], input, {
      say,
      signal,
      explain,
    });
  };
}

function failureText(host: string, code: number | null, said: string): string {
  if (code === SSH_FAILED) {
    return `the controller ${host} cannot be reached by ssh, or the connection was lost: ${said}. Look whether it runs (npm run preview), then try again.`;
  }
  if (said.includes("Usage: controller ")) {
    return `the controller ${host} has an image from before backups; take a newer one first (hyperlab image update)`;
  }
  if (/^sudo: /m.test(said)) {
    return `on the controller ${host} this account may not become root: ${said}. Name an administrator of the cluster with --user.`;
  }
  return `the controller ${host} says: ${said || `nothing (code ${code})`}`;
}

const KEPT_LINES = 5;

/** How {@link streamed} treats a program. */
export interface StreamOptions {
  /** Each line of standard error. */
  readonly say: (line: string) => void;
  /** Ends the program. */
  readonly signal: AbortSignal | undefined;
  /** The error's text for an exit code and the last lines of standard error. */
  readonly explain: (code: number | null, said: string) => string;
}

/** Runs a program with a stream on either side. */
export async function* streamed(
  program: string,
  args: readonly string[],
  input: AsyncIterable<Buffer>,
  { explain, say, signal }: StreamOptions,
): AsyncGenerator<Buffer> {
  signal?.throwIfAborted();
  // A session of its own: what an interrupt means is this process's affair.
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  const closed = once(child, "close");
  // Looked at below; an error before that is no unhandled one.
  closed.catch(() => undefined);
  const end = (): boolean => child.kill("SIGTERM");
  signal?.addEventListener("abort", end);
  const lines: string[] = [];
  const splitter = lineSplitter((line) => {
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
    say(line);
  });
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) => splitter.push(text));
  // Where the input is at fault, the program is ended in the middle of it.
  const given = feed(input, child.stdin, () => child.kill("SIGKILL"));
  try {
    for await (const piece of child.stdout) yield Buffer.from(piece);
    const [code] = await closed;
    splitter.end();
    signal?.throwIfAborted();
    const { error, failed } = await given;
    if (failed) throw error;
    if (code !== 0) throw new Error(explain(typeof code === "number" ? code : null, lines.join("\n").trim()));
  } finally {
    signal?.removeEventListener("abort", end);
    end();
  }
}

/** Writes everything, and tells how the source failed. A program that stops to read says itself why. */
async function feed(
  input: AsyncIterable<Buffer>,
  target: Writable,
  onFailure: () => void,
): Promise<{ failed: boolean; error?: unknown }> {
  let error: unknown;
  let failed = false;
  async function* watched(): AsyncGenerator<Buffer> {
    try {
      yield* input;
    } catch (reason) {
      failed = true;
      error = reason;
      onFailure();
      throw reason;
    }
  }
  await pipeline(Readable.from(watched(), { objectMode: false }), target).catch(() => undefined);
  return { failed, error };
}
