import { type EngineSession, type OperationResult, operate } from "../engine/operate.ts";
import { type PreviewSummary, renderPreview, summarisePreview } from "../report/preview-table.ts";
import { consoleReporter, type Reporter } from "../report/progress.ts";
import { isExpected } from "../report/run-display.ts";
import type { Context } from "./context.ts";
import { prepareRun } from "./prepare.ts";
import { readSlurmDrift, renderSlurmDrift } from "./slurm-drift.ts";

/** Shows what `up` would do to each machine, as a table or as JSON. Changes nothing. Returns the exit code. */
export async function preview(context: Context, options: { json: boolean }): Promise<number> {
  // JSON owns standard output; everything else goes to standard error then.
  const report = options.json ? consoleReporter(process.stderr) : context.report;
  const session = await prepareRun({ ...context, report }, "preview");
  const { result, summary } = await runPreview(session, report);
  const slurm = result.code === 0 ? await readSlurmDrift(context, session) : undefined;
  if (options.json) process.stdout.write(`${JSON.stringify({ ...summary, slurm }, undefined, 2)}\n`);
  else {
    showMessages(report, summary);
    if (result.code === 0) for (const line of renderPreview(summary, terminalWidth())) report.line(line);
    for (const line of renderSlurmDrift(slurm)) report.line(line);
  }
  if (result.code !== 0) report.line(`The preview failed; nothing was changed. Full output: ${result.log}`);
  const forbidden = summary.machines.some((machine) => machine.effect === "forbidden");
  return result.code || (forbidden ? 1 : 0);
}

/** Lines are cut at the edge of a terminal; a file or a pipe gets them whole. */
export const terminalWidth = (): number => process.stdout.columns ?? Number.POSITIVE_INFINITY;

/** Runs the engine's preview without showing more than that it runs. */
export async function runPreview(
  session: EngineSession,
  report: Reporter,
  args: readonly string[] = [],
): Promise<{ result: OperationResult; summary: PreviewSummary }> {
  const result = await operate(session, "preview", report, {
    label: `Previewing stack ${session.stack}`,
    showLines: false,
    args,
  });
  return { result, summary: summarisePreview(result.events) };
}

/** Shows what program, provider and engine said besides the machines' effects, and what is forbidden. */
export function showMessages(report: Reporter, summary: PreviewSummary): void {
  for (const note of summary.notes) report.line(note);
  for (const warning of summary.warnings.filter((text) => !isExpected(text)))
    report.line(report.colour("yellow", `warning: ${warning}`));
  const forbidden = summary.machines
    .filter((machine) => machine.effect === "forbidden")
    .map(
      ({ name, note, why }) => `${name}: forbidden: ${[why, note].filter((part) => part !== "").join(": ")}`,
    );
  // The engine repeats an error for each component around the resource.
  for (const error of new Set([...forbidden, ...summary.errors]))
    report.line(report.colour("red", `error: ${error}`));
}
