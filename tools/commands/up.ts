import { isDeepStrictEqual } from "node:util";
import { controllerName } from "../../planning/names.ts";
import { type EngineSession, operate } from "../engine/operate.ts";
import { checkpoint, stackOutputs } from "../engine/query.ts";
import { ask } from "../report/ask.ts";
import { readLabOutputs, renderLab } from "../report/lab-summary.ts";
import { type PreviewSummary, renderPreview } from "../report/preview-table.ts";
import type { Reporter } from "../report/progress.ts";
import { judgePreview } from "../report/verdict.ts";
import { forgetRetiredKey } from "../ssh/own-key.ts";
import { isOnlyStack } from "../state/checkpoint.ts";
import { fingerprint } from "../state/fingerprint.ts";
import { type Context, clusterFile, readLab } from "./context.ts";
import { refuseLostState } from "./lost-state.ts";
import { prepareRun } from "./prepare.ts";
import { runPreview, showMessages, terminalWidth } from "./preview.ts";

export interface UpOptions {
  /** Do not ask before machines are interrupted or removed. */
  yes: boolean;
  /** What is asked even where no machine is interrupted. */
  confirm?: string;
}

/** Brings the lab up, or makes the changes that the cluster file asks for. Returns the exit code. */
export async function up(context: Context, options: UpOptions): Promise<number> {
  const session = await prepareRun(context, "change");
  const hpc = readLab(context)?.hpc;
  if (hpc !== undefined) {
    await refuseLostState(context, session, { controller: controllerName(hpc.name), uri: hpc.host.uri });
  }
  return bringUp(context, session, options);
}

/** As `tryUp`; returns the exit code. */
export async function bringUp(
  context: Context,
  session: EngineSession,
  options: UpOptions,
  question = ask,
): Promise<number> {
  return (await tryUp(context, session, options, question)).code;
}

/** How `up` ended. */
export interface UpResult {
  code: number;
  /** False where nothing was touched: refused, declined, interrupted before, or overtaken by another change. */
  begun: boolean;
}

/**
 * As `up`, with an engine that is there already: previews, stops where anything is forbidden or wrong, shows what
 * changes, asks where machines are interrupted, applies.
 *
 * @param question How the person at the terminal is asked.
 */
export async function tryUp(
  context: Context,
  session: EngineSession,
  options: UpOptions,
  question = ask,
): Promise<UpResult> {
  const { layout, report } = context;
  const basis = (): string => fingerprint(layout, clusterFile(context)?.path);
  const before = basis();
  const { result, summary } = await runPreview(session, report);
  if (result.interrupted) {
    report.line("Interrupted; nothing was changed.");
    return untouched(result.code);
  }
  showMessages(report, summary);
  const { pending } = await checkpoint(session, layout);
  const unsettled = pending.length > 0;
  const verdict = judgePreview(summary, result.events, { failed: result.code !== 0, unsettled });
  if (verdict.kind === "refused") {
    report.line(`Nothing was changed. Full output: ${result.log}`);
    return untouched(result.code || 1);
  }
  if (verdict.kind === "apply") {
    showChanges(context, summary);
    const answer = await agreed(context, verdict.interrupts, options, question);
    if (answer === "no") {
      report.line("Nothing was changed.");
      return untouched(1);
    }
    // A person may think for an hour.
    const again = answer === "yes" ? (await runPreview(session, report)).summary : summary;
    if (basis() !== before || !isDeepStrictEqual(again, summary)) {
      report.line(
        "The cluster file, the state or the host changed since the preview; nothing was changed. Run the command again.",
      );
      return untouched(1);
    }
    const code = await apply(context, session, summary);
    if (code !== 0) return { code, begun: true };
  } else {
    showHeld(report, summary);
    report.line("Nothing changes.");
  }
  // Other stacks may have been told of the old one, and not of the new one.
  if (isOnlyStack(layout)) forgetRetiredKey(layout.folder);
  report.line();
  const outputs = readLabOutputs(await stackOutputs(session));
  for (const line of renderLab(outputs, layout.folder)) report.line(line);
  return { code: 0, begun: true };
}

const untouched = (code: number): UpResult => ({ code, begun: false });

async function apply(context: Context, session: EngineSession, previewed: PreviewSummary): Promise<number> {
  const { layout, report } = context;
  const told = new Set([...previewed.notes, ...previewed.warnings]);
  const label = `Bringing up stack ${layout.stack}`;
  const { code, interrupted, log } = await operate(session, "up", report, { label, told });
  if (code !== 0) report.line(interrupted ? "Interrupted; `npm run up` goes on from here." : failure(log));
  return code;
}

/** The table of a preview, where a machine changes; other resources alone are one line. */
function showChanges({ report }: Context, summary: PreviewSummary): void {
  const lines = renderPreview(summary, terminalWidth());
  const machines = summary.machines.some((machine) => machine.effect !== "none");
  if (machines) for (const line of lines) report.line(line);
  else {
    showHeld(report, summary);
    const others = summary.others.length > 0;
    report.line(
      others
        ? `No machine is touched. ${lines.at(-1)}`
        : "Nothing changes but what is recorded for later runs.",
    );
  }
  report.line();
}

/** Machines that stay as they are for a reason that a person should know, where no table shows them. */
function showHeld(report: Reporter, summary: PreviewSummary): void {
  for (const { effect, name, note } of summary.machines) {
    if (effect === "none" && note !== "") report.line(report.colour("yellow", `${name}: ${note}`));
  }
}

/** Asks only where a person is there, and machines are interrupted or the command always asks. */
async function agreed(
  context: Context,
  interrupts: readonly string[],
  options: UpOptions,
  question: typeof ask,
): Promise<"yes" | "no" | "not asked"> {
  if (options.yes || !context.interactive) return "not asked";
  const what = interrupts.length <= 5 ? interrupts.join(", ") : `${interrupts.length} machines`;
  const reasons = [options.confirm ?? [], interrupts.length === 0 ? [] : `This interrupts ${what}.`].flat();
  if (reasons.length === 0) return "not asked";
  const answer = await question(`${reasons.join(" ")} Go on? [y/N] `);
  return answer !== undefined && /^y(es)?$/i.test(answer) ? "yes" : "no";
}

export const failure = (log: string): string =>
  `Not finished. What was done is recorded; when the cause is gone, the same command goes on from here. Full output: ${log}`;
