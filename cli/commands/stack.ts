import { createContext } from "../../tools/commands/context.ts";
import { down } from "../../tools/commands/down.ts";
import { preview } from "../../tools/commands/preview.ts";
import { ssh } from "../../tools/commands/ssh.ts";
import { up } from "../../tools/commands/up.ts";
import type { Cli, StackOptions } from "../cli.ts";

/** The commands for the whole life of a stack: up, preview, ssh, down. */
export function addStackCommands(cli: Cli): void {
  cli
    .onStack("up", "bring the lab up, or make the changes that the cluster file asks for")
    .option("-y, --yes", "do not ask before machines are restarted, rebuilt, replaced, stopped or removed")
    .addHelpText(
      "after",
      "\nPreviews first. Nothing is touched where a change is forbidden; at a terminal it asks before it interrupts machines.",
    )
    .action(
      cli.action(async ({ stack, yes = false }: StackOptions & { yes?: boolean }) =>
        up(createContext(stack), { yes }),
      ),
    );
  cli
    .onStack("preview", "show what up would do to each machine; changes nothing")
    .option("--json", "print JSON instead of a table")
    .action(
      cli.action(async ({ json = false, stack }: StackOptions & { json?: boolean }) =>
        preview(createContext(stack), { json }),
      ),
    );
  addSsh(cli);
  cli
    .onStack("down", "remove everything that was made; protected volumes are asked for first")
    .option("-y, --yes", "remove protected volumes too, without asking")
    .option("--keep-protected", "keep protected volumes, without asking")
    .action(
      cli.action(async (options: StackOptions & { yes?: boolean; keepProtected?: boolean }) => {
        const { stack, yes = false, keepProtected = false } = options;
        return down(createContext(stack), { yes, keepProtected });
      }),
    );
}

function addSsh(cli: Cli): void {
  const call = cli.call("ssh");
  cli
    .onStack("ssh", "log in to the controller, or run a command there", " [command...]")
    .option("-n, --node <name>", "another machine of the lab")
    .option("-u, --user <name>", "account to log in as (default: the first user of the cluster)")
    .argument("[command...]", "command to run instead of a login shell")
    .addHelpText("after", `\nExamples:\n  ${call}sinfo\n  ${call}--node dev-compute-01 uptime`)
    .passThroughOptions()
    .action(
      cli.action(async (words: string[], options: StackOptions & { node?: string; user?: string }) => {
        const { node, stack, user } = options;
        return ssh(createContext(stack), { node, user, command: words });
      }),
    );
}
