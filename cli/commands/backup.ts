import { adopt } from "../../tools/commands/adopt.ts";
import { backup } from "../../tools/commands/backup.ts";
import { createContext } from "../../tools/commands/context.ts";
import { restore } from "../../tools/commands/restore.ts";
import type { Cli, StackOptions } from "../cli.ts";

interface BackupOptions extends StackOptions {
  homes?: boolean;
  to?: string;
  json?: boolean;
  user?: string;
}

interface RestoreOptions extends StackOptions {
  withoutHomes?: boolean;
  passphraseFile?: string;
  check?: boolean;
  member?: string;
  state?: boolean;
  yes?: boolean;
  json?: boolean;
  user?: string;
}

const USER = [
  "-u, --user <name>",
  "account on the controller, with sudo (default: the first user of the cluster)",
] as const;

/** The commands for what was lost: backup, restore, adopt. */
export function addBackupCommands(cli: Cli): void {
  cli
    .onStack("backup", "save SLURM's state, its accounting, keys and the stack's state in one encrypted file")
    .option("--homes", "users' homes too")
    .option("--to <file>", "file to write (default: named after cluster and time, in the current folder)")
    .option(...USER)
    .option("--json", "print what was written as JSON")
    .addHelpText(
      "after",
      `
Nothing stops meanwhile. The file is encrypted with the stack's passphrase: keep a copy of that, apart from the file.
A file appears only when it is complete. More: docs/backup.md`,
    )
    .action(
      cli.action(async (options: BackupOptions) => {
        const { homes = false, json = false, stack, to, user } = options;
        return backup(createContext(stack), { homes, json, to, user });
      }),
    );
  cli
    .onStack("restore", "put a backup in the place of what the controller has", " FILE")
    .argument("<file>", "a file that backup wrote")
    .option("--without-homes", "leave homes as they are")
    .option("--passphrase-file <file>", "passphrase of the stack that was backed up (default: this stack's)")
    .option("--check", "check the whole file and show what is in it; changes nothing")
    .option("--member <name>", "check the whole file and print one of its members; changes nothing")
    .option("--state", "put the stack's state back, where it was lost; touches no machine")
    .option("-y, --yes", "do not ask before jobs, accounting or homes are replaced")
    .option(...USER)
    .option("--json", "print JSON instead of text")
    .addHelpText(
      "after",
      `
The cluster must be up, on an empty host too: ${cli.call("up").trim()} first. The whole file is checked before anything is touched. SLURM stops for
about a minute; what was there comes back if what was restored does not serve. More: docs/backup.md`,
    )
    .action(
      cli.action(async (file: string, options: RestoreOptions) => {
        const { check = false, json = false, state = false, withoutHomes = false, yes = false } = options;
        const { member, passphraseFile, stack, user } = options;
        const request = { file, check, json, member, passphraseFile, state, user, withoutHomes, yes };
        return restore(createContext(stack), request);
      }),
    );
  cli
    .onStack("adopt", "rebuild the stack's state, which was lost, from what is on its host")
    .option("-y, --yes", "do not ask before the machines are taken over")
    .addHelpText(
      "after",
      `
For a state that is in no backup. Needs the stack's passphrase and the cluster file as it was. Machines, disks and jobs stay as they
are; one that is not as declared is named, and nothing is changed. Interrupted, it goes on when it is called again. More: docs/backup.md`,
    )
    .action(
      cli.action(async ({ stack, yes = false }: StackOptions & { yes?: boolean }) =>
        adopt(createContext(stack), { yes }),
      ),
    );
}
