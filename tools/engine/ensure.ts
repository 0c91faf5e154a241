import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { projectRoot } from "../paths.ts";
import { withFileLock } from "../process/file-lock.ts";
import type { Reporter } from "../report/progress.ts";
import {
  buildGoProgram,
  ENGINE,
  findGo,
  type GoProgram,
  launcher,
  NODE_LANGUAGE_HOST,
} from "./build-from-source.ts";
import { downloadEngine, RELEASES, UnreachableError } from "./download.ts";
import {
  askVersion,
  type Engine,
  engineFolder,
  engineOnPath,
  LANGUAGE_HOST,
  languageHostFor,
} from "./locate.ts";
import { ENGINE_VERSION } from "./version.ts";

/** Folder of the executables that are run through a launcher. */
const LAUNCHED = "libexec";

export interface EnsureOptions {
  /** Folder of hyperlab's caches. */
  cache: string;
  report: Reporter;
  /** Base of the official releases. Default: Pulumi's own. */
  releases?: string;
  /** Looks for Go, to build with. Default: on this machine. */
  findGo?: typeof findGo;
}

/**
 * Finds the engine and its Node language host, or obtains them: from PATH, from the cache, from the official
 * releases, or by a build from Go modules.
 * @throws Error that says what was tried and what to do.
 */
export async function ensureEngine(options: EnsureOptions): Promise<Engine> {
  const onPath = await engineOnPath();
  if (onPath !== undefined) return withLanguageHost(onPath, "path", options);
  const folder = engineFolder(options.cache);
  const pulumi = join(folder, "pulumi");
  if (!existsSync(pulumi)) {
    await exclusively(options, async () => {
      if (!existsSync(pulumi)) await obtainEngine(folder, options);
    });
  }
  return withLanguageHost({ pulumi, version: `v${ENGINE_VERSION}` }, "cache", options);
}

async function withLanguageHost(
  engine: { pulumi: string; version: string },
  origin: Engine["origin"],
  options: EnsureOptions,
): Promise<Engine> {
  let host = languageHostFor(engine.pulumi, options.cache);
  if (!host.found) {
    await exclusively(options, async () => {
      if (languageHostFor(engine.pulumi, options.cache).found) return;
      await buildInto(
        engineFolder(options.cache),
        NODE_LANGUAGE_HOST,
        "the language host of Pulumi",
        options,
      );
    });
    host = languageHostFor(engine.pulumi, options.cache);
  }
  if (!host.found) throw new Error(`${LANGUAGE_HOST} was built, but is not found beside ${engine.pulumi}`);
  return { ...engine, languageHostFolder: host.folder, origin };
}

/** One process at a time fills the cache; another one waits and finds the result. */
function exclusively(options: EnsureOptions, work: () => Promise<void>): Promise<void> {
  return withFileLock(join(options.cache, "engine", `${ENGINE_VERSION}.lock`), work, {
    onWait: (pid) => options.report.line(`Waiting for process ${pid}, which obtains the engine`),
  });
}

async function obtainEngine(folder: string, options: EnsureOptions): Promise<void> {
  let unreachable: string;
  try {
    await download(folder, options);
    return;
  } catch (error) {
    // A wrong checksum is no reason to go on quietly, only a site that cannot be reached is.
    if (!(error instanceof UnreachableError)) throw error;
    unreachable = error.message;
  }
  options.report.line(`The official download is not available (${unreachable}); building from Go modules`);
  try {
    await buildInto(folder, ENGINE, "the Pulumi engine (about 4 minutes, once)", options);
  } catch (error) {
    throw new Error(
      `the Pulumi engine ${ENGINE_VERSION} could not be obtained.\n` +
        `  download: ${unreachable}\n` +
        `  build: ${error instanceof Error ? error.message : String(error)}\n` +
        "Install Pulumi by hand (https://www.pulumi.com/docs/install/), or Go 1.21 or newer, and try again.",
    );
  }
}

async function download(folder: string, options: EnsureOptions): Promise<void> {
  await options.report.step(`Downloading Pulumi ${ENGINE_VERSION}`, (step) =>
    inTemporaryFolder(folder, async (temporary) => {
      const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
      await downloadEngine(
        ENGINE_VERSION,
        temporary,
        (bytes, total) =>
          step.detail(`${megabytes(bytes)}${total === undefined ? "" : ` of ${megabytes(total)}`} MB`),
        options.releases ?? RELEASES,
      );
      const unpacked = join(temporary, "unpacked");
      await mustBeEngine(join(unpacked, "pulumi"));
      const names = await readdir(unpacked);
      // `pulumi` comes last: its presence says that the folder is complete.
      for (const name of names.filter((other) => other !== "pulumi")) {
        await rename(join(unpacked, name), join(folder, name));
      }
      await rename(join(unpacked, "pulumi"), join(folder, "pulumi"));
    }),
  );
}

async function buildInto(
  folder: string,
  program: GoProgram,
  what: string,
  options: EnsureOptions,
): Promise<void> {
  const found = await (options.findGo ?? findGo)();
  if ("problem" in found) throw new Error(`${program.name} cannot be built: ${found.problem}`);
  await options.report.step(`Building ${what}`, (step) =>
    inTemporaryFolder(folder, async (temporary) => {
      const modules = join(temporary, "modules");
      await copyModule(program, modules);
      await buildGoProgram(found.go, program, modules, temporary, (text) => step.detail(text));
      const built = join(temporary, program.name);
      if (program === ENGINE) await mustBeEngine(built);
      await install(program, built, folder);
    }),
  );
}

/** Puts a program into its place, with its launcher last: then everything is there. */
async function install(program: GoProgram, built: string, folder: string): Promise<void> {
  const target = join(folder, program.name);
  if (program.fixedArguments === undefined) return rename(built, target);
  await mkdir(join(folder, LAUNCHED), { recursive: true });
  await rename(built, join(folder, LAUNCHED, program.name));
  await writeFile(`${built}.launcher`, launcher(program, LAUNCHED), { mode: 0o755 });
  return rename(`${built}.launcher`, target);
}

/** Builds from a copy, so that no tool ever writes into the checkout. */
async function copyModule(program: GoProgram, modules: string): Promise<void> {
  const from = join(projectRoot(), "tools", "engine", "go", program.module);
  const to = join(modules, program.module);
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) await copyFile(join(from, name), join(to, name));
}

async function mustBeEngine(pulumi: string): Promise<void> {
  const version = await askVersion(pulumi);
  if (version === `v${ENGINE_VERSION}`) return;
  throw new Error(
    `the obtained engine says it is ${version ?? "unable to run on this machine"}, not v${ENGINE_VERSION}; ` +
      "nothing was installed",
  );
}

/** A folder on the same file system as the cache, so that its results can be renamed into place. */
async function inTemporaryFolder(folder: string, work: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(folder, { recursive: true });
  // The lock is ours, so what lies here is of a process that was killed.
  for (const name of await readdir(dirname(folder))) {
    if (name.startsWith(".new-")) await rm(join(dirname(folder), name), { recursive: true, force: true });
  }
  const temporary = await mkdtemp(join(dirname(folder), ".new-"));
  try {
    await work(temporary);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
