/** Results of the benchmarks, kept one by one: a run that is broken off is continued, a part is measured anew. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../../tools/paths.ts";
import type { Task } from "./options.ts";
import type { Section } from "./report.ts";

const fileOf = (task: Task) => join(cacheFolder(), "benchmarks", `${task.id}.json`);

/** Measures a task and keeps what it found, with the day and what else kept the machine busy. */
export async function measureAndKeep(task: Task, measure: () => Promise<Section>): Promise<void> {
  const before = load();
  const section = await measure();
  const measured: Section = {
    ...section,
    circumstances: { date: new Date().toISOString().slice(0, 10), load: [before, load()] },
  };
  const file = fileOf(task);
  await mkdir(join(cacheFolder(), "benchmarks"), { recursive: true });
  // Whole or not at all, also where the run is broken off here.
  await writeFile(`${file}.new`, JSON.stringify(measured, undefined, 1));
  await rename(`${file}.new`, file);
}

const load = () => loadavg()[0] ?? 0;

/** What a task found last; undefined where it was never measured. */
export async function keptResult(task: Task): Promise<Section | undefined> {
  try {
    return JSON.parse(await readFile(fileOf(task), "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
