import { Cli } from "../cli/cli.ts";
import { addStackCommands } from "../cli/commands/stack.ts";
import { hyperlab } from "../cli/hyperlab.ts";
import { bench, testFaults } from "./commands/bench.ts";
import { test, testMachines } from "./commands/check.ts";

const NOTES = `
Arguments follow "--", for example: npm run ssh -- hostname
Usage of one command: npm run COMMAND -- --help
`;

/** The scripts of package.json. Returns the exit code. */
function scripts(args: readonly string[]): Promise<number> {
  const cli = new Cli({ name: "npm run", separator: "-- ", help: "node tools/bootstrap.mjs --help" }, NOTES);
  addStackCommands(cli);
  const tests = (name: string, description: string, work: typeof test) =>
    cli
      .command(name, description, " [files...]")
      .argument("[files...]", "only tests whose path contains one of these")
      .option("-t, --name <pattern>", "only tests whose name, or whose group's name, matches")
      .action(cli.action(async (files: string[], options: { name?: string }) => work({ files, ...options })));
  tests("test", "formatter, linter, types and all tests that boot no machine", test);
  tests("test:e2e", "tests that boot machines", testMachines);
  cli
    .command("test:faults", "break runs at 100 moments and write docs/reliability.md", " [arguments...]")
    .argument("[arguments...]", "handed to the campaign, options too")
    .allowUnknownOption()
    .action(cli.action(testFaults));
  cli
    .command("bench", "measure and write docs/benchmarks.md", " [arguments...]")
    .argument("[arguments...]", "handed to the benchmarks, options too")
    .allowUnknownOption()
    .action(cli.action(bench));
  return cli.run(args);
}

// Who reads the output may have seen enough, as `head` does; nothing is wrong then.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

const [first, ...rest] = process.argv.slice(2);
process.exitCode = await (first === "hyperlab" ? hyperlab(rest) : scripts(process.argv.slice(2)));
