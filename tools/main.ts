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
Every command is an npm script as well: npm run up, npm run preview, npm run ssh, npm run down, npm test.
Arguments follow "--": npm run ssh -- hostname

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused because something on this machine stands in the way
(nothing was changed), 130 interrupted. ssh ends with the code of ssh.

Environment:
  HYPERLAB_STACK                 stack to work on (default dev); --stack wins
  XDG_STATE_HOME, XDG_CACHE_HOME where state and caches are (default ~/.local/state, ~/.cache)
  PULUMI_BACKEND_URL             another backend than the files in the state folder
  PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE
                                 another passphrase than the generated one
  NO_COLOR                       no colours`;

/** Parses the command line and runs a command. Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  let code: number = EXIT.ok;
  const program = new Command("hyperlab")
    .description("An AI and HPC lab on libvirt hosts as one typed Pulumi program.")
    .option("-s, --stack <name>", "stack to work on", process.env.HYPERLAB_STACK || "dev")
    .addHelpText("after", NOTES)
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ showGlobalOptions: true });
  const context = () => createContext(program.opts<{ stack: string }>().stack);
  const command = (name: string, description: string): Command =>
    program.command(name).description(description).allowExcessArguments(false);

  command("up", "bring the lab up, or make the changes that the cluster file asks for")
    .option("-y, --yes", "do not ask before machines are restarted, rebuilt, replaced or removed", false)
    .action(async (options: { yes: boolean }) => {
      code = await up(context(), options);
    });
  command("preview", "show what up would do to each machine")
    .option("--json", "print JSON instead of a table", false)
    .action(async (options: { json: boolean }) => {
      code = await preview(context(), options);
    });
  command("ssh", "log in to the controller, or run a command there")
    .option("-n, --node <name>", "another machine of the lab")
    .argument("[command...]", "command to run instead of a login shell")
    .passThroughOptions()
    .action(async (words: string[], options: { node?: string }) => {
      code = await ssh(context(), { node: options.node, command: words });
    });
  command("down", "remove everything that was made; protected volumes are asked for first")
    .option("-y, --yes", "remove protected volumes too, without asking", false)
    .option("--keep-protected", "keep protected volumes, without asking", false)
    .action(async (options: { yes: boolean; keepProtected: boolean }) => {
      code = await down(context(), options);
    });
  command("test", "formatter, linter, types and all tests that boot no machine")
    .argument("[files...]", "only tests whose path contains one of these")
    .action(async (files: string[]) => {
      code = await test(files);
    });
  command("test:e2e", "tests that boot machines")
    .argument("[files...]", "only tests whose path contains one of these")
    .action(async (files: string[]) => {
      code = await testMachines(files);
    });
  command("bench", "measure and write docs/benchmarks.md")
    .argument("[arguments...]", "handed to the benchmarks, options too")
    .allowUnknownOption()
    .action(async (words: string[]) => {
      code = await bench(context(), words);
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
