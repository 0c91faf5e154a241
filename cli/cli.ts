import { Command, CommanderError } from "commander";
import { showFindings } from "../tools/commands/context.ts";
import { Refusal } from "../tools/preflight/refusal.ts";
import { consoleReporter } from "../tools/report/progress.ts";

/** What a command ends with; `hyperlab ssh` ends with the code of ssh instead. */
export const EXIT = { ok: 0, failed: 1, usage: 2, refused: 3, interrupted: 130 } as const;

const NOTES = `
Exit codes: 0 done, 1 failed or declined, 2 wrong usage, 3 refused because something on this machine stands in the way
(nothing was changed), 130 interrupted. ssh ends with the code of ssh.

Environment:
  HYPERLAB_STACK                 stack to work on (default dev); --stack wins
  XDG_STATE_HOME, XDG_CACHE_HOME where state and caches are (default ~/.local/state, ~/.cache)
  PULUMI_BACKEND_URL             another backend than the files in the state folder
  PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE
                                 another passphrase than the generated one
  HYPERLAB_SNAPSHOT_MIRROR       archive for image.snapshot instead of http://snapshot.debian.org/archive
  NO_COLOR                       no colours`;

/** How a program is called: `npm run` needs two hyphens before what follows the command, `hyperlab` does not. */
export interface Calling {
  name: string;
  /** Between a command and its options. */
  separator: "" | "-- ";
  /** What shows the list of commands. */
  help: string;
}

export interface StackOptions {
  stack: string;
}

/** A command line that is being put together. */
export class Cli {
  readonly program: Command;
  readonly #calling: Calling;
  #code: number = EXIT.ok;

  constructor(calling: Calling, notes = "") {
    this.#calling = calling;
    this.program = new Command(calling.name)
      .usage(`COMMAND ${calling.separator}[options]`)
      .description("An AI and HPC lab on libvirt hosts as one typed Pulumi program.")
      .addHelpText("after", `${notes}${NOTES}`)
      .showHelpAfterError(`Commands and options: ${calling.help}`)
      .helpCommand(false)
      .enablePositionalOptions()
      .exitOverride();
  }

  /**
   * Adds a command.
   * @param parent Where it belongs, such as `host` of `hyperlab host check`. Default: the program itself.
   * @param words Arguments after the options, for the usage line, such as " [files...]".
   */
  command(name: string, description: string, words = "", parent: Command = this.program): Command {
    const path = parent === this.program ? name : `${parent.name()} ${name}`;
    return parent
      .command(name)
      .description(description)
      .usage(`${this.#calling.separator}[options]${words}`)
      .showHelpAfterError(`Usage: ${this.call(path)}--help`)
      .allowExcessArguments(false);
  }

  /** How a person calls a command, up to its options: `hyperlab ssh ` or `npm run ssh -- `. */
  call(path: string): string {
    return `${this.#calling.name} ${path} ${this.#calling.separator}`;
  }

  /** Adds a command that works on a stack. */
  onStack(name: string, description: string, words = "", parent: Command = this.program): Command {
    return this.command(name, description, words, parent).option(
      "-s, --stack <name>",
      "stack to work on (HYPERLAB_STACK)",
      process.env.HYPERLAB_STACK || "dev",
    );
  }

  /** Adds a group of commands, such as `host`. */
  group(name: string, description: string): Command {
    return this.command(name, description).usage("COMMAND [options]").helpCommand(false);
  }

  /** What a command does; it returns the exit code. */
  action<A extends unknown[]>(work: (...args: A) => Promise<number>): (...args: A) => Promise<void> {
    return async (...args) => {
      this.#code = await work(...args);
    };
  }

  /** Runs the command that the arguments name. Returns the exit code; errors are explained on standard error. */
  async run(args: readonly string[]): Promise<number> {
    try {
      await this.program.parseAsync(args, { from: "user" });
      return this.#code;
    } catch (error) {
      return explain(error);
    }
  }
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
