/**
 * Commands of the QEMU guest agent and their answers, as text. libvirt keeps request and answer together, so no
 * synchronisation is needed. What a guest answers is not to be trusted: everything is checked.
 */

/** More output than this of one program is cut: a guest cannot fill our memory or the display. */
const outputLimit = 64 * 1024;

/** State of a program that runs in the guest. */
export type ExecStatus =
  | { readonly running: true }
  | {
      readonly running: false;
      /** Exit code; absent where a signal ended the program. */
      readonly exitCode: number | undefined;
      readonly signal: number | undefined;
      readonly stdout: string;
      readonly stderr: string;
    };

/** The guest answered something else than the agent's protocol says. */
export class AgentProtocolError extends Error {
  override readonly name = "AgentProtocolError";
}

/** Asks whether the agent is there. */
export function pingCommand(): string {
  return JSON.stringify({ execute: "guest-ping" });
}

/** The agent gives a program its own environment or the one of the command, never both. */
const commandPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Starts a program in the guest and captures its output. `input` is its standard input, `env` its variables beside PATH. */
export function execCommand(
  path: string,
  args: readonly string[],
  input?: string,
  env: Readonly<Record<string, string>> = {},
): string {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  if (variables.length > 0) variables.unshift(`PATH=${commandPath}`);
  return JSON.stringify({
    execute: "guest-exec",
    arguments: {
      path,
      arg: args,
      "capture-output": true,
      ...(variables.length === 0 ? {} : { env: variables }),
      ...(input === undefined ? {} : { "input-data": Buffer.from(input).toString("base64") }),
    },
  });
}

/** Asks for the state of a program that {@link execCommand} started. */
export function execStatusCommand(pid: number): string {
  return JSON.stringify({ execute: "guest-exec-status", arguments: { pid } });
}

/** @throws AgentProtocolError unless the text is an answer without error. */
export function parsePing(answer: string): void {
  returnOf(answer);
}

/** Process id of the started program. @throws AgentProtocolError */
export function parseExec(answer: string): number {
  const pid = member(returnOf(answer), "pid");
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 0) {
    throw new AgentProtocolError("the guest agent started a program but gave no process id");
  }
  return pid;
}

/** @throws AgentProtocolError */
export function parseExecStatus(answer: string): ExecStatus {
  const result = returnOf(answer);
  const exited = member(result, "exited");
  if (typeof exited !== "boolean") {
    throw new AgentProtocolError("the guest agent does not say whether the program has ended");
  }
  if (!exited) return { running: true };
  return {
    running: false,
    exitCode: optionalNumber(result, "exitcode"),
    signal: optionalNumber(result, "signal"),
    stdout: output(result, "out-data"),
    stderr: output(result, "err-data"),
  };
}

function returnOf(answer: string): unknown {
  const parsed = parseJson(answer);
  const error = member(parsed, "error");
  if (error !== undefined) {
    const text = member(error, "desc");
    throw new AgentProtocolError(
      `the guest agent refused the command: ${typeof text === "string" ? text.slice(0, 500) : "no reason given"}`,
    );
  }
  const result = member(parsed, "return");
  if (result === undefined) throw new AgentProtocolError("the guest agent's answer holds no result");
  return result;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new AgentProtocolError("the guest agent's answer is not JSON");
  }
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  const found: unknown = Reflect.get(value, name);
  return found;
}

function optionalNumber(value: unknown, name: string): number | undefined {
  const found = member(value, name);
  if (found === undefined) return undefined;
  if (typeof found === "number" && Number.isSafeInteger(found)) return found;
  throw new AgentProtocolError(`the guest agent's answer has a ${name} that is not a number`);
}

function output(value: unknown, name: string): string {
  const found = member(value, name);
  if (found === undefined) return "";
  if (typeof found !== "string") throw new AgentProtocolError(`the guest agent's ${name} is not text`);
  const cut = found.slice(0, Math.ceil(outputLimit / 3) * 4);
  return Buffer.from(cut, "base64").toString("utf8");
}
