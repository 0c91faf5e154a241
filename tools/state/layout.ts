import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parse } from "yaml";
import { mergeStackFile } from "./stack-file.ts";

/** Places of a stack's state, all outside the checkout. */
export interface StateLayout {
  /** Folder of all below. */
  folder: string;
  /** Backend as Pulumi wants it, for example `file:///home/ada/.local/state/hyperlab/backend`. */
  backendUrl: string;
  /** Folder of the file backend, or undefined where PULUMI_BACKEND_URL names another kind. */
  backendFolder: string | undefined;
  /** File with the passphrase, or undefined where the environment brings its own. */
  passphraseFile: string | undefined;
  /** A Pulumi project without a program: commands that run no program run here and write their salt here. */
  projectFolder: string;
  /** The copy of the stack file that the engine reads and writes. */
  stackFile: string;
  logFolder: string;
  project: string;
  stack: string;
}

export interface LayoutOptions {
  /** The checkout. */
  root: string;
  stack: string;
  folder: string;
  env: NodeJS.ProcessEnv;
}

/** Says where a stack's state lives, and creates nothing. */
export function stateLayout(options: LayoutOptions): StateLayout {
  const { env, folder, stack } = options;
  const own = join(folder, "backend");
  const backendUrl = env.PULUMI_BACKEND_URL || pathToFileURL(own).href;
  const hasPassphrase =
    env.PULUMI_CONFIG_PASSPHRASE !== undefined || Boolean(env.PULUMI_CONFIG_PASSPHRASE_FILE);
  const project = projectName(options.root);
  const projectFolder = join(folder, "project");
  return {
    folder,
    backendUrl,
    backendFolder: fileBackendFolder(backendUrl),
    passphraseFile: hasPassphrase ? undefined : join(folder, "passphrase"),
    projectFolder,
    stackFile: join(projectFolder, `Pulumi.${stack}.yaml`),
    logFolder: join(folder, "logs"),
    project,
    stack,
  };
}

/** Folder of a `file://` backend; `file://~` is the home folder, as Pulumi reads it. */
export function fileBackendFolder(url: string, home: string = process.env.HOME ?? "/"): string | undefined {
  if (!url.startsWith("file://")) return undefined;
  const path = decodeURIComponent(url.slice("file://".length).replace(/[?#].*$/, ""));
  if (path === "" || path === "~") return home;
  if (path.startsWith("~/")) return join(home, path.slice(2));
  return path.startsWith("/") ? path : undefined;
}

function projectName(root: string): string {
  const file = join(root, "Pulumi.yaml");
  const content: unknown = parse(readFileSync(file, "utf8"));
  if (
    typeof content === "object" &&
    content !== null &&
    "name" in content &&
    typeof content.name === "string"
  ) {
    return content.name;
  }
  throw new Error(`${file} has no "name"`);
}

/**
 * Creates what is missing: folders that only the owner reads, the passphrase, the project folder, and the copy of the
 * stack file in step with the committed one.
 */
export function prepareState(layout: StateLayout, root: string): void {
  mkdirSync(layout.folder, { recursive: true, mode: 0o700 });
  for (const folder of [layout.projectFolder, layout.logFolder])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (layout.backendFolder === join(layout.folder, "backend"))
    mkdirSync(layout.backendFolder, { recursive: true });
  if (layout.passphraseFile !== undefined) ensurePassphrase(layout.passphraseFile);
  writeIfChanged(join(layout.projectFolder, "Pulumi.yaml"), `name: ${layout.project}\nruntime: nodejs\n`);
  syncStackFile(layout, root);
}

function ensurePassphrase(file: string): void {
  try {
    writeFileSync(file, `${randomBytes(32).toString("base64url")}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  if (statSync(file).size === 0) {
    throw new Error(
      `the passphrase file ${file} is empty, so the secrets of the state cannot be read; ` +
        "restore it from a backup, or remove it where no stack exists yet",
    );
  }
}

function syncStackFile(layout: StateLayout, root: string): void {
  const name = `Pulumi.${layout.stack}.yaml`;
  const committedFile = join(root, name);
  const baseFile = join(layout.projectFolder, `.base.${layout.stack}.yaml`);
  const committed = readOr(committedFile, "");
  const merged = mergeStackFile(committed, readOr(layout.stackFile, ""), readOr(baseFile, ""), name);
  writeIfChanged(layout.stackFile, merged);
  writeIfChanged(baseFile, committed);
}

function readOr(file: string, fallback: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : fallback;
}

/** Writes a whole file or nothing: a killed process leaves the old content. */
function writeIfChanged(file: string, text: string): void {
  if (readOr(file, "\0") === text) return;
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}
