/** Runs the fault campaign and writes docs/reliability.md. Run by `npm run test:faults`. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { projectRoot } from "../../tools/paths.ts";
import { duration } from "../../tools/report/duration.ts";
import { catchInterrupts, interrupted } from "../benchmarks/interrupt.ts";
import { Campaign } from "./campaign.ts";
import { type Options, parseOptions } from "./options.ts";
import { describePoint, faultPlan } from "./plan.ts";
import { closingLine, type Result, renderReport } from "./report.ts";

const tell = (text: string) => process.stdout.write(`${text}\n`);

async function runPoints({ seed, count, only }: Options): Promise<Result[]> {
  const results: Result[] = [];
  const campaign = await Campaign.start();
  try {
    tell("A life cycle without faults …");
    const plan = faultPlan(seed, count, await campaign.record());
    for (const point of plan) {
      if (only.length > 0 && !only.includes(point.number)) continue;
      const start = Date.now();
      const problems = await campaign.run(point);
      // The engine was interrupted too, so this point says nothing.
      if (interrupted.aborted) break;
      results.push({ point, problems });
      const sign = problems.length === 0 ? "✓" : "✗";
      tell(`${sign} ${point.number} of ${count}: ${describePoint(point)} (${duration(Date.now() - start)})`);
      for (const problem of problems) tell(`    ${problem.replaceAll("\n", "\n    ")}`);
      if (problems.length > 0)
        tell(`    again: npm run test:faults -- --seed ${seed} --only ${point.number}`);
    }
  } finally {
    await campaign.stop();
  }
  return results;
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const results = await runPoints(options);
  const { seed, count: planned } = options;
  if (options.write && results.length > 0) {
    const text = renderReport({ seed, planned, results });
    await writeFile(join(projectRoot(), "docs", "reliability.md"), text);
  }
  tell(closingLine(results));
  return results.length > 0 && results.every(({ problems }) => problems.length === 0) ? 0 : 1;
}

catchInterrupts();
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
