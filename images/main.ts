/** Command line of the image builder: `build --recipe-json FILE|- --output DIR` prints one JSON line. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { buildImage } from "./build.ts";
import { guestDigest } from "./guest.ts";
import { parseRecipe, slurmRecipe } from "./recipe.ts";

const usage = `Usage: images build [--recipe-json FILE|-] --output DIRECTORY
Builds the golden image of a recipe (default: the plain SLURM image), unless it is there, and prints one JSON line:
{"id", "path", "packagesSha256", "sizeBytes"}. Progress goes to standard error.`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { "recipe-json": { type: "string" }, output: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help === true) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  if (positionals.length !== 1 || positionals[0] !== "build" || values.output === undefined)
    throw new Error(usage);
  const file = values["recipe-json"];
  const recipe =
    file === undefined
      ? slurmRecipe(guestDigest())
      : parseRecipe(readFileSync(file === "-" ? 0 : file, "utf8"));
  const abort = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => abort.abort());
  const built = await buildImage(recipe, { outputDirectory: values.output, signal: abort.signal });
  process.stdout.write(`${JSON.stringify(built)}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
