import { Argument } from "commander";
import { ROTATED_KEYS, type RotatedKey } from "../../components/hpc-cluster/key-generations.ts";
import { createContext } from "../../tools/commands/context.ts";
import { rotate } from "../../tools/commands/rotate.ts";
import type { Cli, StackOptions } from "../cli.ts";

/** The command that makes keys anew. */
export function addRotateCommands(cli: Cli): void {
  cli
    .onStack("rotate", "make a key anew while the cluster runs; no machine restarts, jobs go on", " KEY")
    .addArgument(new Argument("<key>", "the key").choices(ROTATED_KEYS))
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      `
  slurm-key      the key with which SLURM's programs know each other
  db-password    the password of the accounting database
  ssh-host-keys  the keys by which SSH knows the machines; sessions stay
  user-keys      the key with which hyperlab logs in to the machines, and yours where hyperlab made it. Users' own
                 public keys stand in the cluster file: change them there, then run ${cli.call("up").trim()}

The key's generation in the stack configuration (hyperlab:keys) goes up by one; that is previewed and applied as up does.
Who declines gets the old configuration back. A node that is off gets the new keys before its slurmd starts.
${cli.call("up").trim()} goes on with a rotation that was interrupted. More: docs/keys.md`,
    )
    .action(
      cli.action(async (key: RotatedKey, { stack, yes = false }: StackOptions & { yes?: boolean }) =>
        rotate(createContext(stack), key, { yes }),
      ),
    );
}
