/** Runs a command on a remote host. */
import type { ClientChannel } from "ssh2";
import { type CallContext, ProviderError } from "../../plugin/index.ts";
import { previousOutput } from "../environment.ts";
import { type CommandText, failureText } from "../failure.ts";
import type { RemoteInputs } from "../inputs.ts";
import { type CommandOutput, OutputCollector, streamsHeldOpen } from "../output.ts";
import type { Mask } from "../secrets.ts";
import { connect, type Session } from "./dial.ts";
import { setEnvironment } from "./environment.ts";

/** Time that a cancelled command gets between the polite and the final signal, and again to end. */
const graceMilliseconds = 2000;

/**
 * Connects, runs the command once and gives back what it wrote.
 * @throws {ProviderError} when the host cannot be reached, the command fails, or is cancelled.
 */
export async function runRemote(
  context: CallContext,
  command: CommandText,
  inputs: RemoteInputs,
  previous: CommandOutput | undefined,
  mask: Mask,
): Promise<CommandOutput> {
  const session = await connect(context, inputs.connection);
  try {
    const collector = new OutputCollector(inputs.logging, context.logger.output, mask);
    const running = await start(context, session, command, inputs, previous, collector);
    const end = await finish(context, session, running, collector);
    if (end !== undefined) throw new ProviderError(failureText(end, command, collector, mask));
    return collector.output();
  } finally {
    session.close();
  }
}

interface Running {
  readonly channel: ClientChannel;
  /** Why the command did not end well, or undefined. */
  readonly ended: Promise<string | undefined>;
  readonly closed: Promise<void>;
}

function start(
  context: CallContext,
  session: Session,
  command: CommandText,
  inputs: RemoteInputs,
  previous: CommandOutput | undefined,
  collector: OutputCollector,
): Promise<Running> {
  const { environment } = inputs;
  const variables = { ...previousOutput(inputs, previous, context.logger), ...environment };
  setEnvironment(session.client, variables, (name) => {
    const text =
      `${session.name} does not accept the environment variable ${name}: its sshd needs it in AcceptEnv; ` +
      "or write it into the command (NAME=value command), or pass it by stdin";
    if (Object.hasOwn(environment, name)) return new ProviderError(text, "failedPrecondition");
    context.logger.warning(`${text}; or set addPreviousOutputInEnv to false. The command runs without it`);
    return undefined;
  });
  return new Promise((resolve, reject) => {
    session.client.once("error", reject);
    session.client.exec(command.text, (error, channel) => {
      session.client.removeListener("error", reject);
      // Listeners must be there before this turn ends: a fast command's exit may be in the same packet.
      if (error === undefined) resolve(follow(session, channel, inputs.stdin, collector));
      else reject(error instanceof ProviderError ? error : cannotRun(session, error));
    });
  });
}

function cannotRun(session: Session, error: Error): ProviderError {
  return new ProviderError(`${session.name} does not run the command: ${error.message}`);
}

function follow(
  session: Session,
  channel: ClientChannel,
  stdin: string | undefined,
  collector: OutputCollector,
): Running {
  const closed = new Promise<void>((resolve) => channel.once("close", resolve));
  const ended = new Promise<string | undefined>((resolve) => {
    let failure = `the connection to ${session.name} was lost while the command ran; it may still be running there`;
    session.client.on("error", (error) => {
      failure = `${failure} (${error.message})`;
    });
    channel.once("exit", (code: number | null, signal?: string) => resolve(endOf(code, signal)));
    // Also the answer to a lost connection: then no exit status came before.
    channel.once("close", () => resolve(failure));
  });
  channel.on("data", (chunk: Buffer) => collector.add("stdout", chunk));
  channel.stderr.on("data", (chunk: Buffer) => collector.add("stderr", chunk));
  // A command need not read its input.
  channel.on("error", () => {});
  channel.end(stdin ?? "");
  return { channel, ended, closed };
}

async function finish(
  context: CallContext,
  session: Session,
  { channel, ended, closed }: Running,
  collector: OutputCollector,
): Promise<string | undefined> {
  const stopWatching = endOnAbort(channel, session, context.signal);
  const end = await ended;
  if (!(await collector.rest(closed))) context.logger.warning(streamsHeldOpen);
  stopWatching();
  collector.end();
  context.signal.throwIfAborted();
  return end;
}

function endOf(code: number | null, signal: string | undefined): string | undefined {
  if (code === 0) return undefined;
  return code === null ? `signal: ${signal ?? "unknown"}` : `exit status ${code}`;
}

/**
 * Signals the groups of the other commands of this connection. sshd refuses signal requests of root's sessions; a
 * second command of the same connection has the same parent and can do it itself. Only under OpenSSH, which has one
 * process per connection: elsewhere the siblings may be somebody else's.
 */
const signalSiblings = (name: string) =>
  "ps -A -o pid= -o ppid= | while read -r pid parent; do " +
  `[ "$parent" = "$PPID" ] && [ "$pid" != "$$" ] && kill -${name} -- "-$pid"; done`;

/** Ends the remote process group, and closes the connection when that does not help. */
function endOnAbort(channel: ClientChannel, session: Session, signal: AbortSignal): () => void {
  const timers: NodeJS.Timeout[] = [];
  const end = (name: string) => {
    channel.signal(name);
    // Best effort: whatever it answers, the connection is closed in the end.
    session.client.exec(signalSiblings(name), (error, helper) => {
      if (error === undefined) helper.on("error", () => {}).resume();
    });
  };
  const onAbort = () => {
    end("TERM");
    timers.push(setTimeout(() => end("KILL"), graceMilliseconds));
    timers.push(setTimeout(() => session.client.destroy(), 2 * graceMilliseconds));
  };
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return () => {
    signal.removeEventListener("abort", onAbort);
    for (const timer of timers) clearTimeout(timer);
  };
}
