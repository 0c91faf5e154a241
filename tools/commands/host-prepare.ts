import {
  chmodSync,
  existsSync,
  mkdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gatherHost, needsOf } from "../host/gather.ts";
import { diffLines, type Preparation, planPreparation } from "../host/prepare.ts";
import { isLocalHost } from "../host/probe.ts";
import { refuse } from "../preflight/refusal.ts";
import { run } from "../process/run.ts";
import { shellWord } from "../process/shell-word.ts";
import { ask } from "../report/ask.ts";
import type { Reporter } from "../report/progress.ts";
import type { Context } from "./context.ts";
import { forwardOf, hostOf } from "./host-check.ts";

/** Options of `host prepare`. */
export interface PrepareOptions {
  host: string | undefined;
  /** Write it instead of printing it only. */
  apply: boolean;
  /** Do not ask. */
  yes: boolean;
}

/** Shows, and with `apply` makes, the settings that a host needs. Returns the exit code. */
export async function prepareHost(context: Context, options: PrepareOptions): Promise<number> {
  const { report } = context;
  const host = await hostOf(context, options.host);
  const state = await report.step(`Looking at ${host.uri}`, () =>
    gatherHost(host.uri, host.machines, context.cache),
  );
  const plan = planPreparation(state.system, needsOf(host.machines, forwardOf(context, host.uri)));
  showPreparation(report, plan);
  const code = plan.conflicts.length > 0 ? 1 : 0;
  if (!options.apply || isReady(plan)) return code;
  mayApply(host.uri, process.getuid?.());
  const overrides = plan.files.flatMap((file) => file.overrides);
  if (!options.yes && context.interactive) {
    const answer = await ask("Make these changes? [y/N] ");
    if (answer === undefined || !/^y(es)?$/i.test(answer)) {
      report.line("Nothing was changed.");
      return 1;
    }
  } else if (!options.yes && overrides.length > 0) {
    refuse(
      "overrides",
      `values that somebody set would count no more: ${overrides.join(", ")}; nobody can be asked here`,
      "hyperlab host prepare --apply --yes, or change them by hand",
    );
  }
  await applyPreparation(plan, report);
  report.line(
    "Done. No machine was touched: settings for their end count from the next shutdown of the host on.",
  );
  return code;
}

/** Nothing is left to change. */
export const isReady = ({ commands, files, first }: Preparation): boolean =>
  first.length + files.length + commands.length === 0;

/** @throws Refusal where the settings cannot be written from here. */
export function mayApply(uri: string, uid: number | undefined): void {
  if (!isLocalHost(uri)) {
    refuse(
      "remote",
      `${uri} is another machine, and files are written on this one only`,
      "make the changes above there, or run hyperlab host prepare --apply there",
    );
  }
  if (uid !== 0) refuse("root", "only root can write these files", "run the command again as root");
}

/** Shows a preparation as one diff with the commands that follow. */
export function showPreparation(report: Reporter, plan: Preparation): void {
  for (const text of plan.open) report.line(report.colour("yellow", `unknown: ${text}`));
  for (const text of plan.conflicts) report.line(report.colour("red", `error: ${text}`));
  if (isReady(plan)) {
    report.line(
      plan.open.length + plan.conflicts.length > 0
        ? "Nothing else to do."
        : "Nothing to do: the settings are as they should be.",
    );
    return;
  }
  const commands = (list: Preparation["commands"]) => {
    for (const command of list) report.line(`# ${command.map(shellWord).join(" ")}`);
  };
  commands(plan.first);
  for (const file of plan.files) {
    report.line(`--- ${file.before === undefined ? "/dev/null" : file.path}`);
    report.line(`+++ ${file.after === undefined ? "/dev/null" : file.path}`);
    for (const line of diffLines(file.before ?? "", file.after ?? "")) {
      const colour = line.startsWith("+") ? "green" : line.startsWith("-") ? "red" : "dim";
      report.line(report.colour(colour, line));
    }
    for (const value of file.overrides) {
      report.line(report.colour("yellow", `somebody set ${value}: it would count no more`));
    }
  }
  commands(plan.commands);
}

/**
 * Writes the files, each at once, and runs the commands.
 * @param root Folder that stands for `/`, for tests.
 * @throws Error naming the command that failed; what was written stays, and the next run goes on from there.
 */
export async function applyPreparation(
  plan: Preparation,
  report: Reporter,
  root = "/",
  runCommand: (command: readonly string[]) => Promise<void> = runAsRoot,
): Promise<void> {
  const runAll = async (commands: Preparation["commands"]) => {
    for (const command of commands) await report.step(command.join(" "), () => runCommand(command));
  };
  await runAll(plan.first);
  for (const { after, path } of plan.files) {
    if (after === undefined) rmSync(join(root, path), { force: true });
    else writeAtOnce(join(root, path), after);
    report.line(`${after === undefined ? "Deleted" : "Written"}: ${path}`);
  }
  await runAll(plan.commands);
}

function writeAtOnce(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  // A link stays one.
  const target = existsSync(path) ? realpathSync(path) : path;
  const mode = existsSync(target) ? statSync(target).mode & 0o777 : 0o644;
  const temporary = `${target}.hyperlab-new`;
  writeFileSync(temporary, text, { mode });
  chmodSync(temporary, mode);
  renameSync(temporary, target);
}

const COMMAND_MS = 120_000;

async function runAsRoot(command: readonly string[]): Promise<void> {
  const [program = "", ...args] = command;
  const result = await run(program, args, { timeoutMs: COMMAND_MS });
  if (result.code === 0) return;
  const why = result.timedOut ? `no end within ${COMMAND_MS / 1000} s` : result.stderr.trim();
  throw new Error(`${command.join(" ")} failed: ${why}. Repair the cause and run the command again.`);
}
