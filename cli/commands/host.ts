import { createContext } from "../../tools/commands/context.ts";
import { checkHost } from "../../tools/commands/host-check.ts";
import { evacuateHost, returnHost } from "../../tools/commands/host-evacuate.ts";
import { prepareHost } from "../../tools/commands/host-prepare.ts";
import type { Cli, StackOptions } from "../cli.ts";

/** The commands for the maintenance of a host: host check, prepare, evacuate, return. */
export function addHostCommands(cli: Cli): void {
  const group = cli.group("host", "look after the host that the machines are on");
  const hostOption = ["--host <uri>", "connection URI of the host, where the stack has several"] as const;
  cli
    .onStack(
      "check",
      "look at everything on the host that the machines depend on; changes nothing",
      "",
      group,
    )
    .option(...hostOption)
    .option("--json", "print JSON instead of a table")
    .addHelpText(
      "after",
      `
Ends with 0 where no check found an error, with 1 where one did; warnings and what could not be seen do not count. A host
behind qemu+ssh is asked through ssh, as your own configuration of OpenSSH says. As root it sees the firewall's rules.`,
    )
    .action(
      cli.action(async ({ host, json = false, stack }: StackOptions & { host?: string; json?: boolean }) =>
        checkHost(createContext(stack), { host, json }),
      ),
    );
  cli
    .onStack("prepare", "show the settings that the host needs, as a diff; --apply makes them", "", group)
    .option(...hostOption)
    .option("--apply", "write the files and run the commands (as root, on this machine)")
    .option("-y, --yes", "do not ask, also where a value is replaced that somebody set")
    .addHelpText(
      "after",
      `
How libvirt-guests and systemd end the machines with their host: with time for jobs, all at once. And the port of the host
that the cluster file declares for logins (access: forward), or the end of one that it declares no more. Files say who wrote
them and how to undo it. No machine is restarted. A second run finds nothing to do.`,
    )
    .action(
      cli.action(async (options: StackOptions & { host?: string; apply?: boolean; yes?: boolean }) => {
        const { apply = false, host, stack, yes = false } = options;
        return prepareHost(createContext(stack), { host, apply, yes });
      }),
    );
  cli
    .onStack("evacuate", "empty and stop this stack's machines on the host, for its maintenance", "", group)
    .option(...hostOption)
    .option("--reason <text>", "why, for people who find the machines off", "maintenance of the host")
    .option("-y, --yes", "do not ask before machines are stopped")
    .addHelpText(
      "after",
      `
Compute nodes are emptied first, all at once, then stopped; the controller follows. Jobs end, as for any other stop. A
machine whose jobs do not end in time is left as it is, the command ends with 1, and the same command goes on later.
Machines of others are listed and not touched. Machines stay off, also when the host is booted, until: ${cli.call("host return").trim()}`,
    )
    .action(
      cli.action(
        async (options: StackOptions & { host?: string; yes?: boolean; reason: string }): Promise<number> => {
          const { host, reason, stack, yes = false } = options;
          return evacuateHost(createContext(stack), { host, yes, reason });
        },
      ),
    );
  cli
    .onStack("return", "start what an evacuation stopped, and wait until it is ready", "", group)
    .option(...hostOption)
    .addHelpText("after", "\nThe controller comes first; the nodes follow when it is ready.")
    .action(
      cli.action(async ({ host, stack }: StackOptions & { host?: string }) =>
        returnHost(createContext(stack), { host }),
      ),
    );
}
