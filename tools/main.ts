import { Command, CommanderError } from "commander";
import { bench } from "./commands/bench.ts";
import { test, testMachines } from "./commands/check.ts";
import { createContext, showFindings } from "./commands/context.ts";
import { down } from "./commands/down.ts";
import { preview } from "./commands/preview.ts";
import { ssh } from "./commands/ssh.ts";
import { up } from "./commands/up.ts";
import { Refusal } from "./preflight/refusal.ts";
import { consoleReporter } from "./report/progress.ts";

const EXIT = { ok: 0, failed: 1, usage: 2, refused: 3, interrupted: 130 } as const;

const NOTES = `
Arguments follow "--", for example: npm run ssh -- hostname
Usage of one command: npm run COMMAND -- --help

Exit codes: 0 done, 1 failed or declined, 2 wrong usage, 3 refused because something on this machine stands in the way
(nothing was changed), 130 interrupted. ssh ends with the code of ssh.

Environment:
  HYPERLAB_STACK                 stack to work on (default dev); --stack wins
  XDG_STATE_HOME, XDG_CACHE_HOME where state and caches are (default ~/.local/state, ~/.cache)
  PULUMI_BACKEND_URL             another backend than the files in the state folder
  PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE
                                 another passphrase than the generated one
  NO_COLOR                       no colours`;

interface StackOptions {
  stack: string;
}

/** Parses the command line and runs a command. Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  let code: number = EXIT.ok;
  const program = new Command("npm run")
    .usage("COMMAND -- [options]")
    .description("An AI and HPC lab on libvirt hosts as one typed Pulumi program.")
    .addHelpText("after", NOTES)
    .showHelpAfterError("Commands and options: node tools/bootstrap.mjs --help")
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride();
  const command = (name: string, description: string, words = ""): Command =>
    program
      .command(name)
      .description(description)
      .usage(`-- [options]${words}`)
      .showHelpAfterError(`Usage: npm run ${name} -- --help`)
      .allowExcessArguments(false);
  const onStack = (name: string, description: string, words = ""): Command =>
    command(name, description, words).option(
      "-s, --stack <name>",
      "stack to work on (HYPERLAB_STACK)",
      process.env.HYPERLAB_STACK || "dev",
    );

  onStack("up", "bring the lab up, or make the changes that the cluster file asks for")
    .option("-y, --yes", "do not ask before machines are restarted, rebuilt, replaced, stopped or removed")
    .addHelpText(
      "after",
      "\nPreviews first. Nothing is touched where a change is forbidden; at a terminal it asks before it interrupts machines.",
    )
    .action(async (options: StackOptions & { yes?: true }) => {
      code = await up(createContext(options.stack), { yes: options.yes === true });
    });
  onStack("preview", "show what up would do to each machine; changes nothing")
    .option("--json", "print JSON instead of a table")
    .action(async (options: StackOptions & { json?: true }) => {
      code = await preview(createContext(options.stack), { json: options.json === true });
    });
  onStack("ssh", "log in to the controller, or run a command there", " [command...]")
    .option("-n, --node <name>", "another machine of the lab")
    .option("-u, --user <name>", "account to log in as (default: the first user of the cluster)")
    .argument("[command...]", "command to run instead of a login shell")
    .addHelpText(
      "after",
      "\nExamples:\n  npm run ssh -- sinfo\n  npm run ssh -- --node dev-compute-01 uptime",
    )
    .passThroughOptions()
    .action(async (words: string[], options: StackOptions & { node?: string; user?: string }) => {
      const { node, stack, user } = options;
      code = await ssh(createContext(stack), { node, user, command: words });
    });
  onStack("down", "remove everything that was made; protected volumes are asked for first")
    .option("-y, --yes", "remove protected volumes too, without asking")
    .option("--keep-protected", "keep protected volumes, without asking")
    .action(async (options: StackOptions & { yes?: true; keepProtected?: true }) => {
      const { stack, yes = false, keepProtected = false } = options;
      code = await down(createContext(stack), { yes, keepProtected });
    });
  const tests = (name: string, description: string): Command =>
    command(name, description, " [files...]")
      .argument("[files...]", "only tests whose path contains one of these")
      .option("-t, --name <pattern>", "only tests whose name, or whose group's name, matches");
  tests("test", "formatter, linter, types and all tests that boot no machine").action(
    async (files: string[], options: { name?: string }) => {
      code = await test({ files, ...options });
    },
  );
  tests("test:e2e", "tests that boot machines").action(
    async (files: string[], options: { name?: string }) => {
      code = await testMachines({ files, ...options });
    },
  );
  command("bench", "measure and write docs/benchmarks.md", " [arguments...]")
    .argument("[arguments...]", "handed to the benchmarks, options too")
    .allowUnknownOption()
    .action(async (words: string[]) => {
      code = await bench(words);
    });
  await program.parseAsync(args, { from: "user" });
  return code;
}

function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const report = consoleReporter(process.stderr);
  if (error instanceof Refusal) {
    showFindings(report, error.findings);
    report.line("Nothing was changed.");
    return EXIT.refused;
  }
  report.line(report.colour("red", error instanceof Error ? error.message : String(error)));
  return EXIT.failed;
}

process.exitCode = await main(process.argv.slice(2)).catch(explain);
