/** Measures the budgets of hyperlab beside their floors and writes docs/benchmarks.md. Run by `npm run bench`. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { projectRoot } from "../../tools/paths.ts";
import { catchInterrupts } from "./interrupt.ts";
import { machineFacts } from "./machine.ts";
import { measureNodes } from "./nodes.ts";
import { nodesSection } from "./nodes-section.ts";
import { type Options, parseOptions } from "./options.ts";
import { measurePlanning } from "./planning.ts";
import { renderReport, type Section } from "./report.ts";
import { measureStarts } from "./start.ts";

const tell = (text: string) => process.stderr.write(`${text}\n`);

async function measure(options: Options): Promise<Section[]> {
  const sections: Section[] = [];
  if (options.groups.includes("start")) {
    tell("starts of program and provider …");
    sections.push(await measureStarts(process.env));
  }
  if (options.groups.includes("planning")) {
    tell("planning …");
    sections.push(measurePlanning());
  }
  if (options.groups.includes("nodes")) {
    for (const nodes of options.nodes) {
      const checkpoints = nodes < options.checkpointsBelow;
      const { reservations } = options;
      sections.push(nodesSection(await measureNodes({ nodes, checkpoints, reservations, tell })));
    }
  }
  return sections;
}

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(args);
  const machine = await machineFacts();
  const sections = await measure(options);
  const date = new Date().toISOString().slice(0, 10);
  const command = ["npm run bench", ...(args.length > 0 ? ["--", ...args] : [])].join(" ");
  const text = renderReport({ date, command, machine, sections });
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
