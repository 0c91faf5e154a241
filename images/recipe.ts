/**
 * The recipe of a golden image as data, and its identity. Everything here is pure: a program knows an image's file
 * before the image exists.
 */
import { createHash } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import {
  basePackages,
  enabledUnits,
  kernelArguments,
  kernelPackages,
  maskedUnits,
  slurmPackages,
} from "./contents.ts";

/** A file that the user adds to the image. */
export interface RecipeFile {
  /** Absolute path in the guest. */
  readonly path: string;
  /** Text of the file. */
  readonly content: string;
  /** Permission bits, for example 0o755. Default 0o644. */
  readonly mode?: number;
}

/** What a user may add to an image. */
export interface RecipeAdditions {
  /** Debian packages. */
  readonly packages?: readonly string[];
  readonly files?: readonly RecipeFile[];
  /** systemd units to enable. */
  readonly units?: readonly string[];
  readonly kernelArguments?: readonly string[];
  /** `cloud` (default): small kernel for virtual machines. `generic`: all drivers, for guests with passed-through devices. */
  readonly kernel?: "cloud" | "generic";
  /** Moment of Debian's archive that the packages come from, such as 20261101T000000Z. Default: the mirror as it is. */
  readonly snapshot?: string;
  /** Size of the image's disk in MiB; a machine's own disk is at least as large. Default 4096. */
  readonly sizeMiB?: number;
}

/** Complete description of an image. Its canonical text decides its identity. */
export interface Recipe {
  readonly format: 1;
  readonly suite: "trixie";
  readonly architecture: "amd64";
  /** `slurm`: serves a SLURM controller and a compute node alike. */
  readonly role: "slurm";
  readonly packages: readonly string[];
  readonly files: readonly RecipeFile[];
  /** Units enabled in the image; every other unit is disabled. */
  readonly enable: readonly string[];
  readonly mask: readonly string[];
  readonly kernelArguments: readonly string[];
  readonly sizeMiB: number;
  /** Moment of Debian's archive; absent: the mirror as it is at the build. */
  readonly snapshot?: string;
  /** Digest of the guest software (`guestDigest`); the builder refuses to build with another. */
  readonly guest: string;
}

const sorted = (values: Iterable<string>): string[] => [...new Set(values)].sort();

/**
 * Recipe of the image for SLURM machines.
 * @param guest digest of the guest software, from `guestDigest`
 * @param additions what the user adds
 */
export function slurmRecipe(guest: string, additions: RecipeAdditions = {}): Recipe {
  const kernel = kernelPackages[additions.kernel ?? "cloud"];
  return {
    format: 1,
    suite: "trixie",
    architecture: "amd64",
    role: "slurm",
    packages: sorted([...basePackages, ...slurmPackages, kernel, ...(additions.packages ?? [])]),
    files: [...(additions.files ?? [])],
    enable: sorted([...enabledUnits, ...(additions.units ?? [])]),
    mask: sorted(maskedUnits),
    kernelArguments: [...kernelArguments, ...(additions.kernelArguments ?? [])],
    sizeMiB: additions.sizeMiB ?? 4096,
    ...(additions.snapshot === undefined ? {} : { snapshot: additions.snapshot }),
    guest,
  };
}

/** Text that two recipes share exactly when they describe the same image: sorted keys, sorted sets, defaults filled in. */
export function canonicalRecipe(recipe: Recipe): string {
  const files = recipe.files
    .map((file) => ({ content: file.content, mode: file.mode ?? 0o644, path: file.path }))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return JSON.stringify({
    architecture: recipe.architecture,
    enable: sorted(recipe.enable),
    files,
    format: recipe.format,
    guest: recipe.guest,
    kernelArguments: recipe.kernelArguments,
    mask: sorted(recipe.mask),
    packages: sorted(recipe.packages),
    role: recipe.role,
    sizeMiB: recipe.sizeMiB,
    // Left out where there is none: images from before there were snapshots keep their identity.
    ...(recipe.snapshot === undefined ? {} : { snapshot: recipe.snapshot }),
    suite: recipe.suite,
  });
}

/** Identity of an image: 16 hex digits, a hash of the canonical recipe. */
export function recipeId(recipe: Recipe): string {
  return createHash("sha256").update(canonicalRecipe(recipe)).digest("hex").slice(0, 16);
}

/** File of an image in a cache directory, before it is built. */
export function imagePath(cacheDirectory: string, recipe: Recipe): string {
  return path.join(cacheDirectory, `${recipeId(recipe)}.qcow2`);
}

/** Manifest beside the image: its recipe, the packages with versions, the size. */
export function manifestPath(cacheDirectory: string, recipe: Recipe): string {
  return path.join(cacheDirectory, `${recipeId(recipe)}.json`);
}

const packageName = /^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+~:-]+)?$/;
const unitName = /^[A-Za-z0-9:_.@\\-]+\.(service|socket|timer|target|mount|automount|path)$/;
const kernelArgument = /^[!-~]+$/;

/** Problems of a recipe, each with the value and what is allowed; empty when it can be built. */
export function recipeProblems(recipe: Recipe): string[] {
  const problems: string[] = [];
  for (const name of recipe.packages) {
    if (!packageName.test(name)) problems.push(`packages: "${name}" is not a Debian package name`);
  }
  for (const unit of [...recipe.enable, ...recipe.mask]) {
    if (!unitName.test(unit))
      problems.push(`units: "${unit}" is not a systemd unit name, for example "nginx.service"`);
  }
  for (const argument of recipe.kernelArguments) {
    if (!kernelArgument.test(argument))
      problems.push(`kernelArguments: "${argument}" is not one printable word`);
  }
  const seen = new Set<string>();
  for (const file of recipe.files) {
    if (
      !file.path.startsWith("/") ||
      path.posix.normalize(file.path) !== file.path ||
      file.path.endsWith("/")
    ) {
      problems.push(`files: "${file.path}" is not a plain absolute path`);
    }
    if (seen.has(file.path)) problems.push(`files: "${file.path}" appears twice`);
    seen.add(file.path);
    const mode = file.mode ?? 0o644;
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777) {
      problems.push(`files: mode of "${file.path}" is not between 0 and 07777`);
    }
  }
  if (!Number.isInteger(recipe.sizeMiB) || recipe.sizeMiB < 2048 || recipe.sizeMiB > 1048576) {
    problems.push(`sizeMiB: ${recipe.sizeMiB} is not an integer between 2048 and 1048576`);
  }
  if (recipe.snapshot !== undefined && !/^\d{8}T\d{6}Z$/.test(recipe.snapshot))
    problems.push(`snapshot: "${recipe.snapshot}" is no moment such as 20261101T000000Z`);
  if (!/^[0-9a-f]{64}$/.test(recipe.guest)) problems.push(`guest: "${recipe.guest}" is not a SHA-256`);
  return problems;
}

/**
 * Recipe from JSON text, as the builder's command line takes it.
 * @throws Error that names every problem
 */
export function parseRecipe(text: string): Recipe {
  const parsed = recipeSchema.safeParse(parseJson(text));
  if (!parsed.success) throw new Error(`The recipe is not valid:\n${z.prettifyError(parsed.error)}`);
  const { files, snapshot, ...rest } = parsed.data;
  return {
    ...rest,
    ...(snapshot === undefined ? {} : { snapshot }),
    files: files.map((file) => ({
      path: file.path,
      content: file.content,
      ...(file.mode === undefined ? {} : { mode: file.mode }),
    })),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`The recipe is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const recipeSchema = z.strictObject({
  format: z.literal(1),
  suite: z.literal("trixie"),
  architecture: z.literal("amd64"),
  role: z.literal("slurm"),
  packages: z.array(z.string()),
  files: z.array(z.strictObject({ path: z.string(), content: z.string(), mode: z.int().optional() })),
  enable: z.array(z.string()),
  mask: z.array(z.string()),
  kernelArguments: z.array(z.string()),
  sizeMiB: z.int(),
  snapshot: z.string().optional(),
  guest: z.string(),
});
