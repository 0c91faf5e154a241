/** Measures the budgets of hyperlab beside their floors and writes docs/benchmarks.md. Run by `npm run bench`. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { projectRoot } from "../../tools/paths.ts";
import { measureAddresses } from "./addresses.ts";
import { catchInterrupts } from "./interrupt.ts";
import { keptResult, measureAndKeep } from "./kept.ts";
import { machineFacts } from "./machine.ts";
import { largeCluster, type Options, parseOptions, type Task } from "./options.ts";
import { measurePlanning } from "./planning.ts";
import { renderReport, type Section } from "./report.ts";
import { measureStarts } from "./start.ts";
import { measureUnchanged } from "./unchanged.ts";
import { measureUp } from "./up.ts";

const tell = (text: string) => process.stderr.write(`${text}\n`);

function measure({ kind, nodes }: Task, options: Options): Promise<Section> {
  const conditions = { nodes, tell: (text: string) => tell(`${nodes} nodes: ${text}`) };
  switch (kind) {
    case "start":
      return measureStarts(process.env);
    case "planning":
      return measurePlanning();
    case "up":
      return measureUp({ ...conditions, checkpoints: options.allCheckpoints || nodes < largeCluster });
    case "addresses":
      return measureAddresses(conditions);
    case "unchanged":
      return measureUnchanged(conditions);
  }
}

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(args);
  const machine = await machineFacts();
  for (const task of options.measure) {
    if (options.continue && (await keptResult(task)) !== undefined) continue;
    tell(`${task.id} …`);
    await measureAndKeep(task, () => measure(task, options));
  }
  const kept = await Promise.all(options.page.map(keptResult));
  const sections = kept.filter((section) => section !== undefined);
  const missing = options.page.filter((_, index) => kept[index] === undefined).map((task) => task.id);
  const text = renderReport({ machine, sections, missing });
  process.stdout.write(text);
  if (options.write) await writeFile(join(projectRoot(), "docs", "benchmarks.md"), text);
}

catchInterrupts();
try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
