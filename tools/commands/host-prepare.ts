import { chmodSync, existsSync, mkdirSync, realpathSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gatherHost, needsOf } from "../host/gather.ts";
import { diffLines, type FileChange, type Preparation, planPreparation } from "../host/prepare.ts";
import { isLocalHost } from "../host/probe.ts";
import { refuse } from "../preflight/refusal.ts";
import { run } from "../process/run.ts";
import { shellWord } from "../process/shell-word.ts";
import { ask } from "../report/ask.ts";
import type { Reporter } from "../report/progress.ts";
import type { Context } from "./context.ts";
import { hostOf } from "./host-check.ts";

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
  const plan = planPreparation(state.system, needsOf(host.machines));
  showPreparation(report, plan);
  if (!options.apply || isReady(plan)) return 0;
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
  report.line("Done. Nothing was restarted: the settings count from the next shutdown of the host on.");
  return 0;
}

/** Nothing is left to change. */
export const isReady = (plan: Preparation): boolean => plan.files.length === 0 && plan.commands.length === 0;

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
  if (isReady(plan)) {
    report.line(
      plan.open.length > 0 ? "Nothing else to do." : "Nothing to do: the settings are as they should be.",
    );
    return;
  }
  for (const file of plan.files) {
    report.line(`--- ${file.before === undefined ? "/dev/null" : file.path}`);
    report.line(`+++ ${file.path}`);
    for (const line of diffLines(file.before ?? "", file.after)) {
      const colour = line.startsWith("+") ? "green" : line.startsWith("-") ? "red" : "dim";
      report.line(report.colour(colour, line));
    }
    for (const value of file.overrides) {
      report.line(report.colour("yellow", `somebody set ${value}: it would count no more`));
    }
  }
  for (const command of plan.commands) report.line(`# ${command.map(shellWord).join(" ")}`);
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
  for (const file of plan.files) {
    writeAtOnce(join(root, file.path), file);
    report.line(`Written: ${file.path}`);
  }
  for (const command of plan.commands) {
    await report.step(command.join(" "), () => runCommand(command));
  }
}

function writeAtOnce(path: string, file: FileChange): void {
  mkdirSync(dirname(path), { recursive: true });
  // A link stays one.
  const target = existsSync(path) ? realpathSync(path) : path;
  const mode = existsSync(target) ? statSync(target).mode & 0o777 : 0o644;
  const temporary = `${target}.hyperlab-new`;
  writeFileSync(temporary, file.after, { mode });
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
