import { accessSync, constants, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type LabConfig, loadLabFile, printProblems } from "../../config/index.ts";
import { ensureCommandPlugin } from "../engine/command-plugin.ts";
import { ensureEngine } from "../engine/ensure.ts";
import { engineEnvironment } from "../engine/environment.ts";
import type { EngineSession } from "../engine/operate.ts";
import { cacheFolder, projectRoot, stateFolder } from "../paths.ts";
import type { Finding } from "../preflight/finding.ts";
import { refuse } from "../preflight/refusal.ts";
import { consoleReporter, type Reporter } from "../report/progress.ts";
import { prepareState, type StateLayout, stateLayout } from "../state/layout.ts";
import { parseStackFile } from "../state/stack-file.ts";

/** What every command has. */
export interface Context {
  root: string;
  cache: string;
  report: Reporter;
  layout: StateLayout;
  /** A person sits at the terminal and can be asked. */
  interactive: boolean;
  env: NodeJS.ProcessEnv;
}

/**
 * The context of a command for a stack. Creates the state folders and brings the stack file in step.
 * @throws Refusal where state or caches cannot be written.
 */
export function createContext(
  stack: string,
  env: NodeJS.ProcessEnv = process.env,
  root: string = projectRoot(),
): Context {
  const layout = stateLayout({ root, stack, folder: stateFolder(env), env });
  if (!existsSync(join(root, `Pulumi.${stack}.yaml`)) && !existsSync(layout.stackFile)) {
    throw new Error(
      `there is no stack ${stack}: Pulumi.${stack}.yaml does not exist in ${root}; create it, or name another stack with --stack`,
    );
  }
  mustBeWritable(layout.folder, "the state", "XDG_STATE_HOME");
  mustBeWritable(cacheFolder(env), "engine and images", "XDG_CACHE_HOME");
  prepareState(layout, root);
  const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true && !env.CI;
  return { root, cache: cacheFolder(env), report: consoleReporter(), layout, interactive, env };
}

/** A home that cannot be written is no reason to stop in the middle with the system's own words. */
function mustBeWritable(folder: string, what: string, variable: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    refuse(
      "folders",
      `the folder for ${what} (${folder}) cannot be written: ${reason}`,
      `set ${variable} to a folder of yours that can, for example: export ${variable}=/path/to/a/folder`,
    );
  }
}

/** Obtains engine and command plugin where they are missing, and returns how to run them. */
export async function openSession(context: Context): Promise<EngineSession> {
  const { cache, env, layout, report, root } = context;
  const engine = await ensureEngine({ cache, report });
  const environment = (commandPluginFolder: string | undefined): NodeJS.ProcessEnv =>
    engineEnvironment({ root, cache, engine, layout, commandPluginFolder, base: env });
  const pulumiHome = environment(undefined).PULUMI_HOME ?? join(cache, "pulumi-home");
  const folder = await ensureCommandPlugin({ root, cache, pulumi: engine.pulumi, pulumiHome, report });
  return {
    pulumi: engine.pulumi,
    env: environment(folder),
    root,
    stack: layout.stack,
    stackFile: layout.stackFile,
    logFolder: layout.logFolder,
  };
}

/** The cluster file that the stack names, as a path and as it is written there; undefined where it names none. */
export function clusterFile(context: Context): { path: string; name: string } | undefined {
  const { layout, root } = context;
  const stackFile = parseStackFile(readFileSync(layout.stackFile, "utf8"), layout.stackFile);
  const name = stackFile.config[`${layout.project}:file`];
  return typeof name === "string" ? { path: resolve(root, name), name } : undefined;
}

/**
 * The cluster file of the stack, read and checked; undefined where the stack names none.
 * @throws Error with every problem of the file.
 */
export function readLab(context: Context): LabConfig | undefined {
  const file = clusterFile(context);
  if (file === undefined) return undefined;
  if (!existsSync(file.path)) {
    throw new Error(
      `the cluster file ${file.name}, which Pulumi.${context.layout.stack}.yaml names, does not exist in ${context.root}`,
    );
  }
  const loaded = loadLabFile(readFileSync(file.path, "utf8"), file.name);
  if (!loaded.ok) throw new Error(printProblems(loaded.fileName, loaded.problems));
  return loaded.config;
}

/** Shows findings, the worst first. */
export function showFindings(report: Reporter, findings: readonly Finding[]): void {
  const rank = { error: 0, unknown: 1, warning: 2 } as const;
  const colours = { error: "red", unknown: "yellow", warning: "yellow" } as const;
  for (const finding of [...findings].sort((a, b) => rank[a.level] - rank[b.level])) {
    report.line(`${report.colour(colours[finding.level], finding.level)}: ${finding.problem}`);
    report.line(`  fix: ${finding.fix}`);
  }
}
