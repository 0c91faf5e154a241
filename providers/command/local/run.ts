/** Runs a command on this machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import { Archive, type Asset, type CallContext, errorText, ProviderError } from "../../plugin/index.ts";
import { previousOutput } from "../environment.ts";
import { type CommandText, failureText } from "../failure.ts";
import type { LocalInputs } from "../inputs.ts";
import { type CommandOutput, OutputCollector, streamsHeldOpen } from "../output.ts";
import type { Mask } from "../secrets.ts";
import { matchingFiles } from "./files.ts";

/** Time between the polite and the final signal to a cancelled command. */
const graceMilliseconds = 2000;

export interface LocalResult extends CommandOutput {
  readonly assets: Readonly<Record<string, Asset>> | undefined;
  readonly archive: Archive | undefined;
}

/**
 * Runs the command and gives back what it wrote.
 * @throws {ProviderError} when it cannot be started, fails, or is cancelled (its whole process group is ended then).
 */
export async function runLocal(
  context: CallContext,
  command: CommandText,
  inputs: LocalInputs,
  previous: CommandOutput | undefined,
  mask: Mask,
): Promise<LocalResult> {
  const { dir, assetPaths, archivePaths } = inputs;
  if (dir !== undefined) await requireDirectory(dir);
  const directory = dir ?? process.cwd();
  const collector = new OutputCollector(inputs.logging, context.logger.output, mask);
  const end = await execute(context, command, inputs, previous, directory, collector);
  if (end !== undefined) throw new ProviderError(failureText(end, command, collector, mask));
  const archived = archivePaths && (await matchingFiles(directory, archivePaths));
  return {
    ...collector.output(),
    assets: assetPaths && (await matchingFiles(directory, assetPaths)),
    archive: archived && new Archive({ from: "assets", assets: archived }),
  };
}

async function requireDirectory(dir: string): Promise<void> {
  const info = await stat(dir).catch((error: unknown) => {
    throw new ProviderError(
      `the command cannot run in dir ${dir}: ${errorText(error)}; create the directory first or correct dir`,
      "failedPrecondition",
    );
  });
  if (!info.isDirectory()) {
    throw new ProviderError(
      `the command cannot run in dir ${dir}: it is not a directory`,
      "failedPrecondition",
    );
  }
}

/** Why a command did not end well, or undefined. */
async function execute(
  context: CallContext,
  command: CommandText,
  inputs: LocalInputs,
  previous: CommandOutput | undefined,
  directory: string,
  collector: OutputCollector,
): Promise<string | undefined> {
  context.signal.throwIfAborted();
  const [program = "/bin/sh", ...args] = commandLine(command, inputs.interpreter);
  const hidden = command.secret && inputs.interpreter.length === 0;
  const child = spawn(program, args, {
    cwd: directory,
    env: { ...process.env, ...inputs.environment, ...previousOutput(inputs, previous, context.logger) },
    stdio: [inputs.stdin ? "pipe" : "ignore", "pipe", "pipe", hidden ? "pipe" : "ignore"],
    // An own process group: cancelling ends the command with everything that it started.
    detached: true,
  });
  const stopKilling = killOnAbort(child, context.signal);
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(`cannot start ${program}: ${error.message}`));
    child.once("exit", (code, signal) => resolve(endOf(code, signal)));
  });
  if (inputs.stdin) write(child.stdin, inputs.stdin);
  if (hidden) write(pipeOf(child, 3), command.text);
  const closed = collect(child, collector);
  const end = await ended;
  // The pipes are read on in any case: a process in the background must not die of a broken pipe.
  if (!(await collector.rest(closed))) context.logger.warning(streamsHeldOpen);
  stopKilling();
  collector.end();
  context.signal.throwIfAborted();
  return end;
}

/** Reads a secret command from a pipe: arguments can be seen by every user of the machine. */
const readCommand = 'eval "exec 3<&-\n$(cat <&3)"';

function commandLine(command: CommandText, interpreter: readonly string[]): string[] {
  if (interpreter.length > 0) return [...interpreter, command.text];
  return ["/bin/sh", "-c", command.secret ? readCommand : command.text];
}

function pipeOf(child: ChildProcess, descriptor: number): Writable | null {
  const stream = child.stdio[descriptor];
  return stream !== null && stream !== undefined && "write" in stream ? stream : null;
}

/** A command need not read its input: the broken pipe is its decision, not an error. */
function write(stream: Writable | null, text: string): void {
  stream?.on("error", () => {});
  stream?.end(text);
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string | undefined {
  if (code === 0) return undefined;
  return signal === null ? `exit status ${code}` : `signal: ${signal}`;
}

/** Ends when both streams are closed. */
function collect(child: ChildProcess, collector: OutputCollector): Promise<unknown> {
  const read = (name: "stdout" | "stderr", stream: Readable | null) =>
    new Promise<void>((resolve) => {
      if (stream === null) return resolve();
      stream.on("data", (chunk: Buffer) => collector.add(name, chunk));
      stream.once("close", resolve);
      return undefined;
    });
  return Promise.all([read("stdout", child.stdout), read("stderr", child.stderr)]);
}

function killOnAbort(child: ChildProcess, signal: AbortSignal): () => void {
  let timer: NodeJS.Timeout | undefined;
  const kill = (name: NodeJS.Signals) => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, name);
    } catch {
      // The group has ended already.
    }
  };
  const onAbort = () => {
    kill("SIGTERM");
    timer = setTimeout(() => kill("SIGKILL"), graceMilliseconds);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  return () => {
    signal.removeEventListener("abort", onAbort);
    // The leader has ended; whoever of the group ignored the first signal gets the second now.
    if (signal.aborted) kill("SIGKILL");
    clearTimeout(timer);
  };
}
