/** Command line of the image builder; see `usage`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cacheFolder } from "../tools/paths.ts";
import { buildImage } from "./build.ts";
import { buildGuestDisk } from "./cloud-guest.ts";
import { fetchImage } from "./fetch.ts";
import { guestDigest } from "./guest.ts";
import { parseRecipe, type Recipe, slurmRecipe } from "./recipe.ts";

const usage = `Usage: images build [--recipe-json FILE|-] [--output DIRECTORY]
       images fetch --url URL --sha256 HEX [--output DIRECTORY]
       images guest --id HEX [--output DIRECTORY]
build: builds the golden image of a recipe (default: the plain SLURM image), unless it is there, and prints one JSON line:
{"id", "path", "packagesSha256", "sizeBytes"}.
fetch: downloads a cloud image, unless it is there, verifies it, and prints {"path", "sha256", "sizeBytes"}.
guest: makes the disk with the guest software for cloud images, unless it is there, and prints {"id", "path", "sizeBytes"}.
DIRECTORY is the image folder of hyperlab's cache unless given. Progress goes to standard error.`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      "recipe-json": { type: "string" },
      output: { type: "string" },
      url: { type: "string" },
      sha256: { type: "string" },
      id: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const output = values.output ?? join(cacheFolder(), "images");
  const abort = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, () => abort.abort());
  const verb = positionals.length === 1 ? positionals[0] : undefined;
  if (verb === "build") {
    const recipe = readRecipe(values["recipe-json"]);
    print(await buildImage(recipe, { outputDirectory: output, signal: abort.signal }));
  } else if (verb === "fetch" && values.url !== undefined && values.sha256 !== undefined) {
    print(await fetchImage({ url: values.url, sha256: values.sha256, folder: output, signal: abort.signal }));
  } else if (verb === "guest" && values.id !== undefined) {
    print(await buildGuestDisk(values.id, output));
  } else {
    throw new Error(usage);
  }
}

function readRecipe(file: string | undefined): Recipe {
  if (file === undefined) return slurmRecipe(guestDigest());
  return parseRecipe(readFileSync(file === "-" ? 0 : file, "utf8"));
}

function print(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
