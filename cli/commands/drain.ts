import { createContext } from "../../tools/commands/context.ts";
import { drain } from "../../tools/commands/drain.ts";
import type { Cli, StackOptions } from "../cli.ts";

interface DrainOptions extends StackOptions {
  cancel?: boolean;
  reason?: string;
  json?: boolean;
  user?: string;
}

/** The command for drained nodes: drain. */
export function addDrainCommands(cli: Cli): void {
  const call = cli.call("drain");
  cli
    .onStack(
      "drain",
      "show drained nodes and their jobs; drain nodes, or take drains of hyperlab back",
      " [nodes...]",
    )
    .option("--cancel", "take drains of hyperlab back: of the nodes, or all; never a drain of somebody else")
    .option("-r, --reason <text>", "why, for those who look at the node")
    .option(
      "-u, --user <name>",
      "account on the controller, with sudo (default: the first user of the cluster)",
    )
    .option("--json", "print JSON instead of text")
    .argument("[nodes...]", "nodes to drain, or with --cancel to take back")
    .addHelpText(
      "after",
      `\nA drained node takes no new jobs; those that run go on.\n\nExamples:\n  ${call}\n  ${call}dev-compute-01 --reason "new disk"\n  ${call}--cancel dev-compute-01`,
    )
    .action(
      cli.action(async (names: string[], options: DrainOptions) => {
        const { cancel = false, json = false, reason = "", stack, user } = options;
        return drain(createContext(stack), { names, cancel, reason, json, user });
      }),
    );
}
