/**
 * Writes what is generated from the schema: `config/lab.schema.json` and `docs/reference/cluster-file.md`. The folder
 * of the checkout is the argument, by default the current one. With `--check` nothing is written: the exit code is 1
 * where a file is not up to date.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { labJsonSchema } from "./json-schema.ts";
import { clusterFileReference } from "./reference.ts";

const checkOnly = process.argv.includes("--check");
const root = process.argv.slice(2).find((argument) => !argument.startsWith("--")) ?? ".";
const files: [string, string][] = [
  [join(root, "config", "lab.schema.json"), labJsonSchema()],
  [join(root, "docs", "reference", "cluster-file.md"), clusterFileReference()],
];

for (const [path, content] of files) {
  if (existsSync(path) && readFileSync(path, "utf8") === content) continue;
  if (checkOnly) {
    console.error(`${path} is not what the schema gives; run node config/write-generated.ts`);
    process.exitCode = 1;
    continue;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
