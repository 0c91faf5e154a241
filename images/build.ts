/** Builds a golden image: Debian packages into a tree, the tree into a disk that boots by itself. No mounts, no loop devices. */
import { createHash } from "node:crypto";
import { copyFile, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { writeDisk } from "./disk.ts";
import { filesDigest, guestFiles, imagesDirectory } from "./guest.ts";
import { acquireLock } from "./lock.ts";
import { checkTools, installTree, searchPath } from "./packages.ts";
import { type Progress, stderrProgress } from "./process.ts";
import { canonicalRecipe, imagePath, manifestPath, type Recipe, recipeId, recipeProblems } from "./recipe.ts";
import { writeTar } from "./tar.ts";
import { makeWork, removeWork } from "./work.ts";

/** Result of a build, printed as one JSON line. */
export interface BuiltImage {
  /** Identity of the recipe. */
  readonly id: string;
  /** The qcow2 file. */
  readonly path: string;
  /** SHA-256 over the resolved packages with versions. */
  readonly packagesSha256: string;
  /** Size of the file. */
  readonly sizeBytes: number;
}

interface Manifest extends BuiltImage {
  readonly recipe: unknown;
  readonly packages: readonly string[];
}

/** How an image is built. */
export interface BuildOptions {
  /** Where the image and its manifest go; made when missing. */
  readonly outputDirectory: string;
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

interface Build {
  readonly recipe: Recipe;
  readonly id: string;
  readonly work: string;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

async function stageInputs(build: Build): Promise<void> {
  const files = guestFiles();
  if (filesDigest(files) !== build.recipe.guest) {
    throw new Error(
      "The recipe names another version of the guest software than this release of hyperlab carries. Run the release that made the recipe, or make the recipe anew.",
    );
  }
  const { recipe, work } = build;
  await writeTar(work, "guest.tar", files);
  const own = recipe.files.map((file) => ({
    path: file.path,
    content: file.content,
    mode: file.mode ?? 0o644,
  }));
  await writeTar(work, "files.tar", own);
  await writeFile(
    path.join(work, "preset"),
    [...recipe.enable.map((unit) => `enable ${unit}`), "disable *", ""].join("\n"),
  );
  await writeFile(path.join(work, "mask"), recipe.mask.map((unit) => `${unit}\n`).join(""));
  for (const hook of ["essential.sh", "customize.sh"]) {
    await copyFile(path.join(imagesDirectory(), "hooks", hook), path.join(work, hook));
  }
}

async function readManifest(file: string): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** The finished image, when its file is there and has the size that its manifest says. */
async function finished(directory: string, recipe: Recipe): Promise<BuiltImage | undefined> {
  const manifest = await readManifest(manifestPath(directory, recipe));
  const file = imagePath(directory, recipe);
  const size = await stat(file).then(
    (found) => found.size,
    () => -1,
  );
  if (manifest === undefined || manifest.id !== recipeId(recipe) || manifest.sizeBytes !== size)
    return undefined;
  return { id: manifest.id, path: file, packagesSha256: manifest.packagesSha256, sizeBytes: size };
}

async function buildInto(build: Build, directory: string): Promise<BuiltImage> {
  const { recipe, work, progress } = build;
  const environment = { ...process.env, PATH: searchPath, LC_ALL: "C.UTF-8", TMPDIR: work };
  const keyring = await checkTools();
  progress.step("preparing the guest software");
  await stageInputs(build);
  progress.step(`installing ${recipe.packages.length} packages and what they need (Debian ${recipe.suite})`);
  await installTree(recipe, { work, keyring, environment, progress, signal: build.signal });
  const draft = await writeDisk({ ...build, environment });
  const packages = (await readFile(path.join(work, "packages"), "utf8")).trimEnd().split("\n");
  const built: BuiltImage = {
    id: build.id,
    path: imagePath(directory, recipe),
    packagesSha256: createHash("sha256").update(packages.join("\n")).digest("hex"),
    sizeBytes: (await stat(draft)).size,
  };
  const manifest: Manifest = { ...built, recipe: JSON.parse(canonicalRecipe(recipe)), packages };
  progress.step("storing the image");
  await publish(draft, built.path, manifest, manifestPath(directory, recipe));
  return built;
}

/** The manifest comes last: an image without one counts as not built. */
async function publish(
  draft: string,
  image: string,
  manifest: Manifest,
  manifestFile: string,
): Promise<void> {
  const partial = `${image}.partial`;
  try {
    await rename(draft, partial).catch(() => copyFile(draft, partial));
    const handle = await open(partial, "r+");
    await handle.sync();
    await handle.close();
    await rm(manifestFile, { force: true });
    await rename(partial, image);
    await writeFile(`${manifestFile}.partial`, `${JSON.stringify(manifest, null, 1)}\n`);
    await rename(`${manifestFile}.partial`, manifestFile);
  } finally {
    await rm(partial, { force: true });
    await rm(`${manifestFile}.partial`, { force: true });
  }
}

/**
 * Build the image of a recipe, unless it is there.
 * @throws Error when the recipe is wrong, a program is missing, or a step fails; nothing is left behind then
 */
export async function buildImage(recipe: Recipe, options: BuildOptions): Promise<BuiltImage> {
  const problems = recipeProblems(recipe);
  if (problems.length > 0)
    throw new Error(`The recipe of the image has problems:\n  ${problems.join("\n  ")}`);
  const directory = path.resolve(options.outputDirectory);
  const ready = await finished(directory, recipe);
  if (ready !== undefined) return ready;
  const progress = options.progress ?? stderrProgress();
  const id = recipeId(recipe);
  try {
    progress.step(`building image ${id}`);
    await mkdir(directory, { recursive: true });
    const { signal } = options;
    const waiting = signal === undefined ? {} : { signal };
    const release = await acquireLock(path.join(directory, `${id}.lock`), progress.step, waiting);
    try {
      const meanwhile = await finished(directory, recipe);
      if (meanwhile !== undefined) return meanwhile;
      const work = await makeWork(directory, id);
      try {
        const built = await buildInto({ recipe, id, work, progress, ...waiting }, directory);
        progress.step(`image ${id} is ready (${Math.round(built.sizeBytes / 1024 ** 2)} MiB)`);
        return built;
      } finally {
        await removeWork(work);
      }
    } finally {
      await release();
    }
  } finally {
    progress.stop();
  }
}
