import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type LoadedLab, loadLabFile, printProblems } from "../config/index.ts";

/**
 * Reads the cluster file that the stack configuration names.
 *
 * @throws Error with every problem of the file, each with line, column, path and reason.
 */
export function readLabFile(file: string): LoadedLab {
  const loaded = loadLabFile(readText(resolve(projectFolder(), file), file), file);
  if (loaded.ok) return loaded;
  throw new Error(printProblems(loaded.fileName, loaded.problems));
}

/** Folder of Pulumi.yaml; the program itself runs in the folder of its compiled code. */
function projectFolder(folder: string = process.cwd()): string {
  if (existsSync(join(folder, "Pulumi.yaml"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error(`There is no Pulumi.yaml in ${process.cwd()} or above it.`);
  return projectFolder(parent);
}

function readText(path: string, file: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `The cluster file ${file} cannot be read: ${reason}. It is named by "hyperlab:file" in the stack configuration; paths are relative to the project's folder.`,
    );
  }
}
