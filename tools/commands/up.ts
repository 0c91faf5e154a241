import { operate } from "../engine/operate.ts";
import { stackOutputs } from "../engine/query.ts";
import { readLabOutputs, renderLab } from "../report/lab-summary.ts";
import type { Context } from "./context.ts";
import { prepareRun } from "./prepare.ts";

/** Brings the lab up, or makes the changes that the cluster file asks for. Returns the exit code. */
export async function up(context: Context): Promise<number> {
  const { layout, report } = context;
  const session = await prepareRun(context, "change");
  const result = await operate(session, "up", report, { label: `Bringing up stack ${layout.stack}` });
  if (result.code !== 0) {
    report.line(result.interrupted ? "Interrupted; `npm run up` goes on from here." : failure(result.log));
    return result.code;
  }
  report.line();
  const outputs = readLabOutputs(await stackOutputs(session));
  for (const line of renderLab(outputs, layout.folder)) report.line(line);
  return 0;
}

export const failure = (log: string): string =>
  `Not finished. What was done is recorded; when the cause is gone, the same command goes on from here. Full output: ${log}`;
