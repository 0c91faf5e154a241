import { operate } from "../engine/operate.ts";
import { renderPreview, summarisePreview } from "../report/preview-table.ts";
import { consoleReporter } from "../report/progress.ts";
import type { Context } from "./context.ts";
import { prepareRun } from "./prepare.ts";

/** Shows what `up` would do to each machine, as a table or as JSON. Changes nothing. Returns the exit code. */
export async function preview(context: Context, options: { json: boolean }): Promise<number> {
  // JSON owns standard output; everything else goes to standard error then.
  const report = options.json ? consoleReporter(process.stderr) : context.report;
  const session = await prepareRun({ ...context, report }, "preview");
  const result = await operate(session, "preview", report, {
    label: `Previewing stack ${context.layout.stack}`,
    showLines: false,
  });
  const summary = summarisePreview(result.events);
  if (options.json) process.stdout.write(`${JSON.stringify(summary, undefined, 2)}\n`);
  else {
    for (const note of summary.notes) report.line(note);
    for (const warning of summary.warnings.filter(isNews))
      report.line(report.colour("yellow", `warning: ${warning}`));
    for (const error of summary.errors) report.line(report.colour("red", `error: ${error}`));
    if (result.code === 0)
      for (const line of renderPreview(summary, process.stdout.columns ?? 160)) report.line(line);
  }
  if (result.code !== 0) report.line(`The preview failed; nothing was changed. Full output: ${result.log}`);
  return result.code;
}

const isNews = (warning: string): boolean => !/^using pulumi-\S+ from \$PATH/.test(warning);
