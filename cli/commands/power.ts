import { createContext } from "../../tools/commands/context.ts";
import { changePower, holdMachines, type PowerCommand } from "../../tools/commands/power.ts";
import type { Cli, StackOptions } from "../cli.ts";

const NAMES = `
MACHINE is a machine (dev-compute-01, compute-01, controller), compute for all compute nodes, or the cluster's name or
all for everything.`;

interface Options extends StackOptions {
  yes?: boolean;
  temporary?: boolean;
  reason?: string;
}

/** The commands for the power of machines: start, stop, restart. */
export function addPowerCommands(cli: Cli): void {
  command(
    cli,
    "start",
    "declare machines on, release their holds, and start them",
    "\nThe declaration stands in the stack configuration (hyperlab:power); the change is shown, previewed and applied like any other.",
  );
  command(
    cli,
    "stop",
    "declare machines off and stop them, or stop them for a time",
    `
Machines are emptied first: their jobs end. What is declared off stays off until it is started.
--temporary declares nothing: it notes on the host who stopped the machine and why. Previews show that, and up leaves
the machine off until hyperlab start releases it.`,
  )
    .option("--temporary", "stop now and for a time; the stack configuration stays as it is")
    .option("--reason <text>", "why, for everybody who sees the hold; with --temporary");
  command(
    cli,
    "restart",
    "restart machines once, no more at a time than their group allows",
    "\nEach is emptied, stopped, started and waited for.",
  );
}

function command(cli: Cli, name: PowerCommand, description: string, notes: string) {
  const made = cli
    .onStack(name, description, " MACHINE...")
    .argument("<machine...>", "machines or groups")
    .option("-y, --yes", "do not ask before machines are interrupted")
    .addHelpText("after", `${NAMES}\n${notes}`);
  return made.action(
    cli.action(async (words: string[], options: Options) => {
      const { reason, stack, temporary = false, yes = false } = options;
      if (reason !== undefined && !temporary) made.error("error: --reason goes with --temporary only");
      if (temporary) return holdMachines(createContext(stack), { words, yes, reason: reason ?? "" });
      return changePower(createContext(stack), name, { words, yes });
    }),
  );
}
