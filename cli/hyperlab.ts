import { Cli } from "./cli.ts";
import { addBackupCommands } from "./commands/backup.ts";
import { addDrainCommands } from "./commands/drain.ts";
import { addHostCommands } from "./commands/host.ts";
import { addImageCommands } from "./commands/image.ts";
import { addPowerCommands } from "./commands/power.ts";
import { addRotateCommands } from "./commands/rotate.ts";
import { addStackCommands } from "./commands/stack.ts";

/** The command `hyperlab`. Returns the exit code. */
export function hyperlab(args: readonly string[]): Promise<number> {
  const cli = new Cli({ name: "hyperlab", separator: "", help: "hyperlab --help" });
  addStackCommands(cli);
  addHostCommands(cli);
  addRotateCommands(cli);
  addDrainCommands(cli);
  addPowerCommands(cli);
  addImageCommands(cli);
  addBackupCommands(cli);
  return cli.run(args);
}
