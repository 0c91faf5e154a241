import { readFileSync } from "node:fs";
import { type LoadedLab, loadLabFile, printProblems } from "../config/index.ts";

/**
 * Reads the cluster file that the stack configuration names.
 *
 * @throws Error with every problem of the file, each with line, column, path and reason.
 */
export function readLabFile(file: string): LoadedLab {
  const loaded = loadLabFile(readText(file), file);
  if (loaded.ok) return loaded;
  throw new Error(printProblems(loaded.fileName, loaded.problems));
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The cluster file ${file} cannot be read: ${reason}. It is named by "hyperlab:file" in the stack configuration; paths are relative to the project's folder.`,
    );
  }
}
