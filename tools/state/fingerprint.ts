import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { checkpointFile } from "./checkpoint.ts";
import type { StateLayout } from "./layout.ts";

/**
 * Digest of what a preview was made from and may change under a person who thinks about it: cluster file, stack file
 * and, with a file backend, the state.
 *
 * @param clusterFile Undefined where the stack names none.
 */
export function fingerprint(layout: StateLayout, clusterFile: string | undefined): string {
  const hash = createHash("sha256");
  for (const file of [clusterFile, layout.stackFile, checkpointFile(layout)]) {
    hash.update(`\0${file === undefined ? "" : contentOf(file)}`);
  }
  return hash.digest("hex");
}

function contentOf(file: string): string {
  try {
    return createHash("sha256").update(readFileSync(file)).digest("hex");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "absent";
    throw error;
  }
}
