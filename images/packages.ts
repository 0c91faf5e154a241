/** Debian's packages for an image: where they come from, which ones a recipe resolves to, and their installation. */
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { hostMirror, type Mirror, publicSnapshots, snapshotMirror, sourceLines } from "./mirror.ts";
import { ProgramError, type Progress, run } from "./process.ts";
import type { Recipe } from "./recipe.ts";
import { parseSimulation, type ResolvedPackage } from "./simulation.ts";
import { makeWork, removeWork } from "./work.ts";

/** Programs of the host and the Debian packages that have them. */
const tools: Readonly<Record<string, string>> = {
  mmdebstrap: "mmdebstrap",
  tar: "tar",
  mformat: "mtools",
  mcopy: "mtools",
  mke2fs: "e2fsprogs",
  sfdisk: "fdisk",
  "qemu-img": "qemu-utils",
};

const keyrings = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/** The helper programs live in sbin, which an ordinary user's PATH leaves out. */
export const searchPath = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/**
 * The keyring of Debian's archive.
 * @throws Error that names the packages of missing programs
 */
export async function checkTools(): Promise<string> {
  const missing = new Set<string>();
  for (const [tool, debianPackage] of Object.entries(tools)) {
    const places = searchPath.split(":").filter((directory) => directory !== "");
    const found = await Promise.all(places.map((directory) => exists(path.join(directory, tool))));
    if (!found.includes(true)) missing.add(debianPackage);
  }
  const present = await Promise.all(keyrings.map(exists));
  const keyring = keyrings[present.indexOf(true)];
  if (keyring === undefined) missing.add("debian-archive-keyring");
  if (missing.size > 0 || keyring === undefined) {
    const names = [...missing].sort().join(" ");
    throw new Error(
      `Programs for building images are missing on this machine. Install them: apt-get install ${names}`,
    );
  }
  return keyring;
}

/** The package mirror that images are built from: the host's own. */
export async function builderMirror(): Promise<Mirror> {
  const text = (file: string) => readFile(file, "utf8").catch(() => "");
  const distribution = /^ID="?([a-z]+)"?$/m.exec(await text("/etc/os-release"))?.[1] ?? "";
  const parts = await readdir("/etc/apt/sources.list.d").catch(() => [] as string[]);
  const names = ["/etc/apt/sources.list", ...parts.sort().map((name) => `/etc/apt/sources.list.d/${name}`)];
  const sources = await Promise.all(names.map(async (name) => ({ name, text: await text(name) })));
  return hostMirror(distribution, sources);
}

/** Archives that the packages of a recipe come from, as lines of apt sources. */
export async function recipeSources(
  recipe: Pick<Recipe, "snapshot" | "suite">,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string[]> {
  if (recipe.snapshot === undefined) return sourceLines(await builderMirror(), recipe.suite);
  return sourceLines(snapshotMirror(snapshotArchive(env), recipe.snapshot), recipe.suite, true);
}

const snapshotArchive = (env: NodeJS.ProcessEnv): string => env.HYPERLAB_SNAPSHOT_MIRROR || publicSnapshots;

const shellQuote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Arguments that hide manuals and translations: they are a third of a small system. */
const leanPackages = [
  '--aptopt=Apt::Install-Recommends "false"',
  "--dpkgopt=force-confold",
  "--dpkgopt=path-exclude=/usr/share/man/*",
  "--dpkgopt=path-exclude=/usr/share/info/*",
  "--dpkgopt=path-exclude=/usr/share/locale/*",
  "--dpkgopt=path-exclude=/usr/share/doc/*",
  "--dpkgopt=path-include=/usr/share/doc/*/copyright",
];

/** What installing needs besides the recipe. */
export interface InstallOptions {
  /** Folder of the build; the tree comes into `tree` of it. */
  readonly work: string;
  readonly keyring: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/** Installs a recipe's packages into a tree, with the hooks of the work folder. */
export async function installTree(recipe: Recipe, options: InstallOptions): Promise<void> {
  const { progress, work } = options;
  const hook = (name: string) => `sh ${shellQuote(path.join(work, name))} "$1" ${shellQuote(work)}`;
  const hooks = [`--essential-hook=${hook("essential.sh")}`, `--customize-hook=${hook("customize.sh")}`];
  await bootstrap(recipe, options, hooks, (line) => {
    const text = /^I: (.*)$/.exec(line)?.[1];
    if (text !== undefined && !text.startsWith("success")) progress.detail(text);
  });
}

/**
 * A simulation begins with nothing and takes the first of two alternatives, where an installation has the second one
 * from the essential packages: sysvinit-utils stands in for lsb-base.
 */
const neverPulledIn: ReadonlySet<string> = new Set(["lsb-base"]);

/**
 * The packages that an image of a recipe would have, were it built now. Nothing is installed.
 * @param directory folder of the finished images
 */
export async function resolvePackages(
  recipe: Recipe,
  directory: string,
  signal?: AbortSignal,
): Promise<ResolvedPackage[]> {
  const keyring = await checkTools();
  await mkdir(directory, { recursive: true });
  const work = await makeWork(directory, `resolve-${process.pid}`);
  try {
    const environment = { ...process.env, PATH: searchPath, LC_ALL: "C.UTF-8", TMPDIR: work };
    const lines: string[] = [];
    const simulation = ["--simulate", "--verbose"];
    await bootstrap(recipe, { work, keyring, environment, signal }, simulation, (line) => lines.push(line));
    return parseSimulation(lines).filter(
      ({ name }) => !neverPulledIn.has(name) || recipe.packages.includes(name),
    );
  } finally {
    await removeWork(work);
  }
}

async function bootstrap(
  recipe: Recipe,
  { environment, keyring, signal, work }: Omit<InstallOptions, "progress">,
  more: readonly string[],
  onLine: (line: string) => void,
): Promise<void> {
  const args = [
    `--mode=${process.geteuid?.() === 0 ? "root" : "unshare"}`,
    "--variant=minbase",
    `--architectures=${recipe.architecture}`,
    `--include=${recipe.packages.join(",")}`,
    `--keyring=${keyring}`,
    ...leanPackages,
    ...more,
    recipe.suite,
    path.join(work, "tree"),
    ...(await recipeSources(recipe, environment)),
  ];
  try {
    await run("mmdebstrap", args, { environment, onLine, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    throw archiveError(recipe, error, environment);
  }
}

/** What apt says where an archive is not reached or has no such moment. */
const unreachable =
  /Failed to fetch|does not have a Release file|Could not (resolve|connect)|Unable to connect|Temporary failure/;

function archiveError(recipe: Recipe, error: unknown, env: NodeJS.ProcessEnv): unknown {
  const isArchive = error instanceof ProgramError && unreachable.test(error.message);
  if (recipe.snapshot === undefined || !isArchive) return error;
  return new Error(
    `Debian's archive of ${recipe.snapshot} (image.snapshot) could not be had from ${snapshotArchive(env)}. ` +
      "Check the moment and the way there; set HYPERLAB_SNAPSHOT_MIRROR to another archive with the same layout " +
      `(ARCHIVE/debian/${recipe.snapshot}/), or take image.snapshot out of the cluster file to build from your mirror.\n${error.message}`,
    { cause: error },
  );
}
