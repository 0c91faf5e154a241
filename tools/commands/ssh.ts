import { spawn } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { stackOutputs } from "../engine/query.ts";
import { shellWord } from "../process/shell-word.ts";
import { readLabOutputs } from "../report/lab-summary.ts";
import { hostNames, sshConfigText, sshFiles, writeSshFiles } from "../ssh/client-files.ts";
import { identityFiles } from "../ssh/own-key.ts";
import { readCheckpoint } from "../state/checkpoint.ts";
import { type Context, openSession } from "./context.ts";

/** Logs in to the controller or another machine, host keys checked. Returns ssh's exit code. */
export async function ssh(
  context: Context,
  options: { node: string | undefined; user: string | undefined; command: readonly string[] },
): Promise<number> {
  const { layout } = context;
  const nothing = `stack ${layout.stack} has no machines to log in to; bring them up first: npm run up`;
  // Without asking the engine, which may have to be obtained first and would only say that there is no such stack.
  if (readCheckpoint(layout)?.exists === false) throw new Error(nothing);
  const session = await openSession(context);
  const outputs = readLabOutputs(await stackOutputs(session));
  if (outputs.sshConfig === undefined || outputs.knownHosts === undefined) throw new Error(nothing);
  const names = hostNames(outputs.sshConfig);
  const host = options.node ?? names[0];
  if (host === undefined || !names.includes(host)) {
    throw new Error(`stack ${layout.stack} has no machine ${host ?? ""}; it has: ${names.join(", ")}`);
  }
  const files = sshFiles(layout.folder, layout.stack);
  const identities = identityFiles(layout.folder);
  const config = sshConfigText(outputs.sshConfig, files, identities, join(homedir(), ".ssh", "config"));
  writeSshFiles(files, config, outputs.knownHosts);
  const account = options.user === undefined ? [] : ["-l", options.user];
  return runInteractive("ssh", ["-F", files.config, ...account, host, ...quoted(options.command)]);
}

/** ssh joins its arguments with spaces for the remote shell; several of them are meant as words. */
function quoted(command: readonly string[]): string[] {
  if (command.length <= 1) return [...command];
  return command.map(shellWord);
}

function runInteractive(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    // The key press reaches ssh by itself; it decides what an interrupt means.
    const ignore = (): void => undefined;
    process.on("SIGINT", ignore);
    const child = spawn(program, args, { stdio: "inherit" });
    child.on("error", (error) => reject(new Error(`${program} could not be started: ${error.message}`)));
    child.on("close", (code) => {
      process.off("SIGINT", ignore);
      resolve(code ?? 130);
    });
  });
}
