import { spawn } from "node:child_process";
import { shellWord } from "../process/shell-word.ts";
import { sshClient } from "../ssh/controller.ts";
import type { Context } from "./context.ts";

/** Logs in to the controller or another machine, host keys checked. Returns ssh's exit code. */
export async function ssh(
  context: Context,
  options: { node: string | undefined; user: string | undefined; command: readonly string[] },
): Promise<number> {
  const { config, hosts } = await sshClient(context);
  const host = options.node ?? hosts[0];
  if (host === undefined || !hosts.includes(host)) {
    throw new Error(
      `stack ${context.layout.stack} has no machine ${host ?? ""}; it has: ${hosts.join(", ")}`,
    );
  }
  const account = options.user === undefined ? [] : ["-l", options.user];
  return runInteractive("ssh", ["-F", config, ...account, host, ...quoted(options.command)]);
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
