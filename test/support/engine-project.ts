import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { ensureEngine } from "../../tools/engine/ensure.ts";
import { engineEnvironment } from "../../tools/engine/environment.ts";
import {
  type EngineSession,
  type Operation,
  type OperationResult,
  operate,
} from "../../tools/engine/operate.ts";
import { ensureStack, stackOutputs } from "../../tools/engine/query.ts";
import { cacheFolder, projectRoot } from "../../tools/paths.ts";
import { Reporter } from "../../tools/report/progress.ts";
import { prepareState, type StateLayout, stateLayout } from "../../tools/state/layout.ts";

/** A Pulumi project with its own state, run by the real engine. */
export interface EngineProject {
  /** Folder that stands for the checkout. */
  readonly root: string;
  readonly layout: StateLayout;
  readonly session: EngineSession;
  /** Collects what a person would see. */
  readonly report: Reporter;
  /** What was shown so far. */
  shown(): string;
  /** Replaces the program: JavaScript with `export` for outputs. */
  setProgram(text: string): Promise<void>;
  /** Runs an operation; a failure is a result. */
  run(operation: Operation, args?: readonly string[]): Promise<OperationResult>;
  /** As `run`, but a failure is an error with everything that was shown. */
  mustRun(operation: Operation, args?: readonly string[]): Promise<OperationResult>;
  outputs(): Promise<Record<string, unknown>>;
  /** Removes the folder; what the stack still holds on a host is the test's to remove before. */
  dispose(): Promise<void>;
}

export interface EngineProjectOptions {
  program: string;
  /** Keys with their namespace, for example `hyperlab:file`. */
  config?: Readonly<Record<string, unknown>>;
  /** Further environment of engine, program and plugins. */
  env?: NodeJS.ProcessEnv;
  /** Folders of plugins by name. Default: those of the checkout, as they were built last. */
  plugins?: Readonly<Record<string, string>>;
}

/** Makes a project whose plugins are those of the checkout. The engine must be obtainable, else this is an error. */
export async function engineProject(options: EngineProjectOptions): Promise<EngineProject> {
  const checkout = projectRoot();
  const base = await mkdtemp(join(tmpdir(), "hyperlab-engine-"));
  const root = join(base, "checkout");
  await mkdir(join(root, "dist"), { recursive: true });
  const plugins = options.plugins ?? { libvirt: join(checkout, "providers", "libvirt") };
  const providers = Object.entries(plugins).map(([name, path]) => ({ name, path }));
  const project = { name: "hyperlab", runtime: "nodejs", main: "dist/lab.js", plugins: { providers } };
  await writeFile(join(root, "Pulumi.yaml"), stringify(project));
  await writeFile(join(root, "Pulumi.dev.yaml"), stringify({ config: options.config ?? {} }));
  await writeFile(
    join(root, "package.json"),
    '{"name": "test-program", "type": "module", "private": true}\n',
  );
  await symlink(join(checkout, "node_modules"), join(root, "node_modules"));
  let text = "";
  const report = new Reporter({
    write: (more) => {
      text += more;
    },
    isTerminal: false,
    columns: 120,
  });
  const env = { ...process.env, ...options.env };
  const layout = stateLayout({ root, stack: "dev", folder: join(base, "state"), env: {} });
  prepareState(layout, root);
  const engine = await ensureEngine({ cache: cacheFolder(), report });
  const session: EngineSession = {
    pulumi: engine.pulumi,
    env: engineEnvironment({
      root,
      cache: cacheFolder(),
      engine,
      layout,
      commandPluginFolder: join(checkout, "providers", "command"),
      base: { ...env, PULUMI_HOME: join(base, "pulumi-home") },
    }),
    root,
    stack: "dev",
    stackFile: layout.stackFile,
    logFolder: layout.logFolder,
  };
  const setProgram = (program: string): Promise<void> => writeFile(join(root, "dist", "lab.js"), program);
  await setProgram(options.program);
  await ensureStack(session, layout);
  const run: EngineProject["run"] = (operation, args = []) =>
    operate(session, operation, report, { args, label: operation });
  return {
    root,
    layout,
    session,
    report,
    shown: () => text,
    setProgram,
    run,
    async mustRun(operation, args) {
      const result = await run(operation, args);
      if (result.code !== 0) throw new Error(`${operation} ended with ${result.code}:\n${text}`);
      return result;
    },
    outputs: () => stackOutputs(session),
    dispose: () => rm(base, { recursive: true, force: true }),
  };
}
