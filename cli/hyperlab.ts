import { Cli } from "./cli.ts";
import { addStackCommands } from "./commands/stack.ts";

/** The command `hyperlab`. Returns the exit code. */
export function hyperlab(args: readonly string[]): Promise<number> {
  const cli = new Cli({ name: "hyperlab", separator: "", help: "hyperlab --help" });
  addStackCommands(cli);
  return cli.run(args);
}
