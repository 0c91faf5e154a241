import type { LibvirtClient } from "../../../client/api.ts";
import { LibvirtConnectionError, LibvirtError } from "../../../client/errors.ts";
import type { DomainRef } from "../../../client/types.ts";
import type { Clock } from "../clock.ts";
import {
  AgentProtocolError,
  execCommand,
  execStatusCommand,
  parseExec,
  parseExecStatus,
  parsePing,
  pingCommand,
} from "./protocol.ts";

/** How a program in the guest ended, or why it could not be run. */
export type ProgramResult =
  | { readonly kind: "exited"; readonly exitCode: number; readonly stdout: string; readonly stderr: string }
  /** The guest has no such program. */
  | { readonly kind: "missing" }
  /** The agent does not answer: not started, not installed, or busy. */
  | { readonly kind: "unreachable"; readonly reason: string };

/** The guest agent as the hooks need it. */
export interface GuestAgent {
  /** True if the agent answers now. */
  answers(signal: AbortSignal): Promise<boolean>;
  /**
   * Runs a program to its end. `timeoutSeconds` is our patience: a program that takes longer counts as unreachable
   * (it goes on in the guest). Standard input never appears in an error.
   */
  run(
    program: string,
    options: {
      args?: readonly string[];
      input?: string;
      /** Variables for the program's environment. */
      env?: Readonly<Record<string, string>>;
      timeoutSeconds: number;
      signal: AbortSignal;
    },
  ): Promise<ProgramResult>;
}

/** The daemon's wait for one answer of the agent. */
const answerSeconds = 10;
const pollMilliseconds = 500;

/** Errors that say that the agent is not there now. */
const unreachableCodes = new Set([
  "VIR_ERR_AGENT_UNRESPONSIVE",
  "VIR_ERR_AGENT_UNSYNCED",
  "VIR_ERR_AGENT_COMMAND_TIMEOUT",
  "VIR_ERR_AGENT_COMMAND_FAILED",
  "VIR_ERR_ARGUMENT_UNSUPPORTED",
  "VIR_ERR_OPERATION_INVALID",
  "VIR_ERR_OPERATION_TIMEOUT",
  "VIR_ERR_NO_SUPPORT",
  "VIR_ERR_RESOURCE_BUSY",
]);

/** GLib's text in every guest whose agent cannot find the program. */
const missingProgram = /No such file or directory|Failed to execute (child )?process/i;

/** The agent of a domain, through libvirt. */
export function guestAgent(client: LibvirtClient, ref: DomainRef, clock: Clock): GuestAgent {
  const ask = (command: string, signal: AbortSignal) =>
    client.qemuAgentCommand(ref, command, answerSeconds, { signal });

  const run: GuestAgent["run"] = async (program, options) => {
    const deadline = clock.now() + options.timeoutSeconds * 1000;
    const command = execCommand(program, options.args ?? [], options.input, options.env);
    const pid = parseExec(await ask(command, options.signal));
    for (;;) {
      const status = parseExecStatus(await ask(execStatusCommand(pid), options.signal));
      if (!status.running) {
        const exitCode = status.exitCode ?? 128 + (status.signal ?? 0);
        return { kind: "exited", exitCode, stdout: status.stdout, stderr: status.stderr };
      }
      if (clock.now() >= deadline) {
        return { kind: "unreachable", reason: `${program} did not end within ${options.timeoutSeconds} s` };
      }
      await clock.sleep(pollMilliseconds, options.signal);
    }
  };

  return {
    async answers(signal) {
      try {
        parsePing(await ask(pingCommand(), signal));
        return true;
      } catch (error) {
        failure(error);
        return false;
      }
    },
    async run(program, options) {
      try {
        return await run(program, options);
      } catch (error) {
        return failure(error);
      }
    },
  };
}

/** What an error of the agent means; other errors are thrown on. */
function failure(error: unknown): ProgramResult {
  if (error instanceof AgentProtocolError) return { kind: "unreachable", reason: error.message };
  // The daemon was restarted: the guest and what it runs go on, and hooks may be called again.
  if (error instanceof LibvirtConnectionError && error.kind === "lost") {
    return { kind: "unreachable", reason: error.message };
  }
  if (!(error instanceof LibvirtError)) throw error;
  if (missingProgram.test(error.text)) return { kind: "missing" };
  if (unreachableCodes.has(error.codeName) || /agent/i.test(error.text)) {
    return { kind: "unreachable", reason: error.text };
  }
  throw error;
}
