import { homedir } from "node:os";
import { join } from "node:path";
import { type Context, openSession } from "../commands/context.ts";
import { stackOutputs } from "../engine/query.ts";
import { run } from "../process/run.ts";
import { readLabOutputs } from "../report/lab-summary.ts";
import { readCheckpoint } from "../state/checkpoint.ts";
import type { StateLayout } from "../state/layout.ts";
import { hostNames, sshConfigText, sshFiles, writeSshFiles } from "./client-files.ts";
import { identityFiles } from "./own-key.ts";

/** How the machines of a stack are reached. */
export interface SshClient {
  /** Client configuration with pinned host keys. */
  readonly config: string;
  /** Names of the machines, the controller first. */
  readonly hosts: readonly string[];
}

/**
 * Writes the client files of a stack from its outputs.
 * @throws Error where the stack has no machines.
 */
export async function sshClient(context: Context): Promise<SshClient> {
  const { layout } = context;
  const nothing = `stack ${layout.stack} has no machines to log in to; bring them up first: npm run up`;
  // Without asking the engine, which may have to be obtained first and would only say that there is no such stack.
  if (readCheckpoint(layout)?.exists === false) throw new Error(nothing);
  const session = await openSession(context);
  const outputs = readLabOutputs(await stackOutputs(session));
  if (outputs.sshConfig === undefined || outputs.knownHosts === undefined) throw new Error(nothing);
  const { knownHosts, sshConfig } = outputs;
  return { config: prepareSsh(layout, { sshConfig, knownHosts }), hosts: hostNames(sshConfig) };
}

/** Writes ssh's files for a lab's machines with their pinned host keys, and gives the client's configuration file. */
export function prepareSsh(
  layout: StateLayout,
  outputs: { readonly sshConfig: string; readonly knownHosts: string },
): string {
  const files = sshFiles(layout.folder, layout.stack);
  const identities = identityFiles(layout.folder);
  const config = sshConfigText(outputs.sshConfig, files, identities, join(homedir(), ".ssh", "config"));
  writeSshFiles(files, config, outputs.knownHosts);
  return files.config;
}

/** Runs a command line on the controller and gives what it printed. */
export type ControllerShell = (command: string) => Promise<string>;

/** For a question that nobody waits at: ssh asks for nothing, and an answer that is late is none. */
export interface ShellLimits {
  readonly connectSeconds: number;
  readonly answerMs: number;
}

const CONNECT_SECONDS = 30;
/** ssh's own exit code, where the connection failed. */
export const SSH_FAILED = 255;

/**
 * The controller, and ssh's options to it.
 * @param user Account; default: the first user of the cluster.
 * @param limits Without them ssh may ask, and an answer may take any time.
 */
export function controllerOptions(
  client: SshClient,
  user: string | undefined,
  limits?: ShellLimits,
): { host: string; options: string[] } {
  const [host] = client.hosts;
  if (host === undefined) throw new Error("the stack has no controller; bring it up first: npm run up");
  const account = user === undefined ? [] : ["-l", user];
  const connect = ["-o", `ConnectTimeout=${limits?.connectSeconds ?? CONNECT_SECONDS}`];
  const silent = limits === undefined ? [] : ["-o", "BatchMode=yes"];
  return { host, options: ["-F", client.config, ...connect, ...silent, ...account] };
}

/**
 * A shell on the controller.
 * @param user Account; default: the first user of the cluster.
 * @param limits Without them ssh may ask, and an answer may take any time.
 * @throws Error of each command that fails, gets no answer, or does not get there.
 */
export function controllerShell(
  client: SshClient,
  user: string | undefined,
  limits?: ShellLimits,
): ControllerShell {
  const { host, options } = controllerOptions(client, user, limits);
  const deadline = limits === undefined ? {} : { timeoutMs: limits.answerMs };
  return async (command) => {
    const done = await run("ssh", [...options, host, command], deadline);
    if (done.code === 0) return done.stdout;
    if (done.timedOut) {
      throw new Error(
        `the controller ${host} gave no answer in ${(limits?.answerMs ?? 0) / 1000} s. Look whether it runs, then try again.`,
      );
    }
    const said = (done.stderr.trim() || done.stdout.trim()).split("\n").slice(-5).join("\n");
    throw new Error(
      done.code === SSH_FAILED
        ? `the controller ${host} cannot be reached by ssh: ${said}. Look whether it runs (npm run preview), then try again.`
        : `on the controller ${host} a command failed with ${done.code ?? done.signal}: ${said} (command: ${command})`,
    );
  };
}
