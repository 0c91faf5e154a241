import { readFileSync } from "node:fs";
import { rename, stat, writeFile } from "node:fs/promises";
import { type HpcConfig, loadLabFile, printProblems } from "../../config/index.ts";
import { storedImages } from "../../images/manifest.ts";
import { resolvePackages } from "../../images/packages.ts";
import { proposedRecipe } from "../../images/proposal.ts";
import { recipeId } from "../../images/recipe.ts";
import type { ResolvedPackage } from "../../images/simulation.ts";
import { softwareOf } from "../../lab/image-software.ts";
import { imageRequests } from "../../planning/index.ts";
import { comparePackages, isUnchanged, type PackageChanges, renderChanges } from "../images/compare.ts";
import { changedLines, editImage, type ImageChoice } from "../images/edit-file.ts";
import { imagesInUse } from "../images/in-use.ts";
import { chooseImage, mustBeBuilt, objectionsTo, type UpdateWish } from "../images/target.ts";
import type { ask } from "../report/ask.ts";
import { consoleReporter, type Reporter } from "../report/progress.ts";
import { fingerprint } from "../state/fingerprint.ts";
import { type Context, clusterFile } from "./context.ts";
import { agreed, imageFolder } from "./image.ts";
import { up } from "./up.ts";

export interface ImageUpdateOptions extends UpdateWish {
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

/** What an update of the image would come to. */
export interface ImageUpdate {
  /** Identity of the image in use; absent where the stack has none. */
  readonly from?: string;
  /** What the cluster file is to say. */
  readonly to: ImageChoice;
  /** Absent where the packages of the image in use are not known on this machine. */
  readonly packages?: PackageChanges;
  /** Machines that are rebuilt, one after another; the controller first. */
  readonly rebuilds: readonly string[];
  readonly objections: readonly {
    readonly severity: string;
    readonly text: string;
    readonly remedy: string;
  }[];
}

/** How the edges are reached; the tests give others. */
export interface UpdateEdges {
  readonly resolve: typeof resolvePackages;
  readonly bringUp: (context: Context) => Promise<number>;
  readonly question: typeof ask;
  readonly now: () => Date;
}

/**
 * Shows what a newer image would bring, writes the choice into the cluster file, and goes on as `up` does. Returns the
 * exit code.
 */
export async function imageUpdate(
  context: Context,
  options: ImageUpdateOptions,
  edges: Partial<UpdateEdges> = {},
): Promise<number> {
  const { layout } = context;
  const report = options.json ? consoleReporter(process.stderr) : context.report;
  const file = readClusterFile(context);
  mustBeBuilt(file.config);
  const now = edges.now?.() ?? new Date();
  const isBuilt = await builtRevisions(context, file.config);
  const edited = editedFile(file, chooseImage(file.config.image, options, now, isBuilt));
  const update = await lookAhead(context, edited, report, edges.resolve ?? resolvePackages);
  show(update, options.json, report);
  if (update.objections.some(({ severity }) => severity === "error")) return 1;
  if (options.dryRun) return 0;
  if (update.packages !== undefined && isUnchanged(update.packages)) {
    report.line("Nothing was changed.");
    return 0;
  }
  report.line(`${file.name}:`);
  for (const line of changedLines(file.text, edited.text)) report.line(`  ${line}`);
  const go = "Write this, and bring the stack up? [y/N] ";
  if (!options.yes && !(await agreed(context, go, edges.question))) {
    report.line("Nothing was changed.");
    return 1;
  }
  const before = fingerprint(layout, undefined);
  await replaceFile(file.path, edited.text);
  const code = await (edges.bringUp ?? ((of) => up(of, { yes: options.yes })))(context);
  if (code !== 0 && fingerprint(layout, undefined) === before) {
    await replaceFile(file.path, file.text);
    report.line(`${file.name} is as it was before.`);
  }
  return code;
}

interface ClusterFile {
  readonly path: string;
  readonly name: string;
  readonly text: string;
  readonly config: HpcConfig;
}

function readClusterFile(context: Context): ClusterFile {
  const file = clusterFile(context);
  if (file === undefined) {
    throw new Error(
      `Pulumi.${context.layout.stack}.yaml names no cluster file (hyperlab:file), so that there is none to update the image in.`,
    );
  }
  const text = readFileSync(file.path, "utf8");
  return { ...file, text, config: loaded(text, file.name) };
}

function loaded(text: string, name: string): HpcConfig {
  const result = loadLabFile(text, name);
  if (!result.ok) throw new Error(printProblems(result.fileName, result.problems));
  if (result.config.hpc === undefined) throw new Error(`${name} declares no cluster.`);
  return result.config.hpc;
}

interface EditedFile {
  readonly text: string;
  readonly config: HpcConfig;
  readonly choice: ImageChoice;
}

function editedFile(file: ClusterFile, choice: ImageChoice): EditedFile {
  const text = editImage(file.text, choice);
  return { text, config: loaded(text, file.name), choice };
}

type GoldenRequest = Parameters<typeof proposedRecipe>[0];

function goldenRequest(config: HpcConfig): GoldenRequest {
  const request = imageRequests({ name: "", description: "", hpc: config }).find(({ key }) => key === "base");
  if (request?.kind === "golden") return request;
  throw new Error(
    "Every machine has an image of its own (base_image_path); the cluster's image is not used.",
  );
}

/** Another stack with the same wishes may have built a revision before. */
async function builtRevisions(context: Context, config: HpcConfig): Promise<(revision: number) => boolean> {
  const request = goldenRequest(config);
  const built = new Set((await storedImages(imageFolder(context))).map(({ id }) => id));
  return (revision) => built.has(recipeId(proposedRecipe({ ...request, revision })));
}

async function lookAhead(
  context: Context,
  { choice, config }: EditedFile,
  report: Reporter,
  resolve: typeof resolvePackages,
): Promise<ImageUpdate> {
  const request = goldenRequest(config);
  const used = (await imagesInUse(context.layout)).filter(
    ({ resource, stack }) => stack === context.layout.stack && resource === `${config.name}-base`,
  );
  const images = await storedImages(imageFolder(context));
  // Where an earlier update stopped half-way, the newest of several is what the machines go to.
  const current = images.filter(({ id }) => used.some(({ path }) => path.endsWith(`/${id}.qcow2`))).at(-1);
  report.line("Asking the package archive what an image made now would have (about half a minute) …");
  const after = await resolve(proposedRecipe(request), imageFolder(context));
  const packages = current === undefined ? undefined : comparePackages(current.packages, after);
  return {
    ...(current === undefined ? {} : { from: current.id }),
    to: choice,
    ...(packages === undefined ? {} : { packages }),
    rebuilds: [...new Set(used.flatMap(({ machines }) => machines))].sort(controllerFirst),
    objections: current === undefined ? [] : objectionsTo(softwareOf(current.packages), softwareAfter(after)),
  };
}

const softwareAfter = (packages: readonly ResolvedPackage[]) =>
  softwareOf(new Map(packages.map(({ name, version }) => [name, version])));

const controllerFirst = (a: string, b: string): number =>
  Number(b.endsWith("-controller")) - Number(a.endsWith("-controller")) || (a < b ? -1 : 1);

function show(update: ImageUpdate, json: boolean, report: Reporter): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(update, undefined, 2)}\n`);
    return;
  }
  const { objections, packages, rebuilds } = update;
  if (packages === undefined) {
    report.line("What the image in use has is not known on this machine, so that nothing can be compared.");
  } else if (isUnchanged(packages)) report.line("The image in use has exactly these packages already.");
  else for (const line of renderChanges(packages)) report.line(line);
  if (rebuilds.length === 0) report.line("No machine exists yet.");
  else report.line(`To be rebuilt, one after another: ${rebuilds.join(", ")}`);
  for (const { remedy, severity, text } of objections) {
    report.line(report.colour(severity === "error" ? "red" : "yellow", `${severity}: a machine ${text}`));
    report.line(`  fix: ${remedy}`);
  }
}

/** A killed process leaves the old file or the new one. */
async function replaceFile(path: string, text: string): Promise<void> {
  const { mode } = await stat(path);
  const partial = `${path}.${process.pid}.tmp`;
  await writeFile(partial, text, { mode });
  await rename(partial, path);
}
