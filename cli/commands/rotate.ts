import { Argument } from "commander";
import { createContext } from "../../tools/commands/context.ts";
import { ROTATE_TARGETS, type RotateTarget, rotate } from "../../tools/commands/rotate.ts";
import type { Cli, StackOptions } from "../cli.ts";

/** The command that makes keys anew. */
export function addRotateCommands(cli: Cli): void {
  cli
    .onStack("rotate", "make a key anew while the cluster runs; no machine restarts, jobs go on", " KEY")
    .addArgument(new Argument("<key>", "the key").choices(ROTATE_TARGETS))
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      `
  slurm-key      the key with which SLURM's programs know each other
  db-password    the password of the accounting database
  ssh-host-keys  not available yet
  user-keys      not available yet. Users' own public keys stand in the cluster file: change them there, then run
                 ${cli.call("up").trim()}; no machine restarts either

The key's generation in the stack configuration (hyperlab:keys) goes up by one; that is previewed and applied as up does.
Who declines gets the old configuration back. A node that is off gets the new key before its slurmd starts.
${cli.call("up").trim()} goes on with a rotation that was interrupted. More: docs/keys.md`,
    )
    .action(
      cli.action(async (key: RotateTarget, { stack, yes = false }: StackOptions & { yes?: boolean }) =>
        rotate(() => createContext(stack), key, { yes }),
      ),
    );
}
