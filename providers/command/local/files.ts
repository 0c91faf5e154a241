/** Files that a command left behind, as assets. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Asset } from "../../plugin/index.ts";
import { compileGlobs } from "./glob.ts";

/** The files under a directory that the globs match, by their path relative to it. */
export async function matchingFiles(
  directory: string,
  globs: readonly string[],
): Promise<Record<string, Asset>> {
  const matches = compileGlobs(globs);
  const found: [string, Asset][] = [];
  for await (const path of files(directory, "")) {
    if (!matches(path)) continue;
    const file = join(directory, path);
    found.push([path, new Asset({ from: "path", path: file }, await hashOf(file))]);
  }
  return Object.fromEntries(found);
}

async function* files(directory: string, prefix: string): AsyncGenerator<string> {
  const entries = await readdir(join(directory, prefix), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) yield* files(directory, path);
    else if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(join(directory, path))))) yield path;
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false; // a link to nothing is not a file that could be returned
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
