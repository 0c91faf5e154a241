/** A Pulumi project in a temporary folder, run by the real engine with a file backend. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { build } from "esbuild";
import { engineFolder, engineOnPath, languageHostFor } from "../../tools/engine/locate.ts";
import { cacheFolder, projectRoot } from "../../tools/paths.ts";

const root = projectRoot();

export interface RunResult {
  readonly code: number | null;
  /** Both streams, without colours. */
  readonly output: string;
}

export interface PlannedStep {
  readonly op: string;
  readonly urn: string;
  /** Changed paths with their kinds, for example `triggers: update-replace`. */
  readonly detailedDiff?: Readonly<Record<string, { readonly kind: string }>> | null;
}

export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly initErrors?: readonly string[];
}

/** Bundles a plugin's `main.ts` and puts the launcher beside it, as in a checkout. Returns the plugin's folder. */
export async function stagePlugin(folder: string, name: string, entry: string): Promise<string> {
  const home = join(folder, "providers", name);
  mkdirSync(home, { recursive: true });
  mkdirSync(join(folder, "node_modules", ".bin"), { recursive: true });
  await build({
    entryPoints: [join(root, entry)],
    outfile: join(folder, "dist", "providers", name, "plugin.cjs"),
    bundle: true,
    platform: "node",
    format: "cjs",
    external: ["cpu-features", "*.node"],
    logLevel: "silent",
  });
  const program = join(home, `pulumi-resource-${name}`);
  copyFileSync(join(root, "providers/command/pulumi-resource-command"), program);
  chmodSync(program, 0o755);
  const node = join(folder, "node_modules", ".bin", "node");
  rmSync(node, { force: true });
  symlinkSync(process.execPath, node);
  return home;
}

async function findEngine(): Promise<{ pulumi: string; folders: string[] }> {
  const cache = cacheFolder();
  const pulumi = (await engineOnPath())?.pulumi ?? join(engineFolder(cache), "pulumi");
  const host = languageHostFor(pulumi, cache);
  if (!host.found) throw new Error("the language host of Pulumi is missing; `npm test` obtains it");
  return { pulumi, folders: [dirname(pulumi), ...(host.folder === undefined ? [] : [host.folder])] };
}

export class PulumiProject {
  readonly folder: string;
  readonly #pulumi: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(folder: string, pulumi: string, env: NodeJS.ProcessEnv) {
    this.folder = folder;
    this.#pulumi = pulumi;
    this.#env = env;
  }

  /**
   * Makes a project of a TypeScript program of the tests, with a stack `dev`.
   * @param plugins name and folder of plugins that are used from there; the engine obtains others.
   */
  static async create(program: string, plugins: Readonly<Record<string, string>>): Promise<PulumiProject> {
    const { pulumi, folders } = await findEngine();
    const folder = mkdtempSync(join(tmpdir(), "pulumi-"));
    for (const name of ["state", "tmp"]) mkdirSync(join(folder, name));
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    await build({
      entryPoints: [join(root, program)],
      outfile: join(folder, "index.js"),
      bundle: true,
      packages: "external",
      platform: "node",
      format: "cjs",
      logLevel: "silent",
    });
    const providers = Object.entries(plugins).map(([name, path]) => ({ name, path }));
    const project = { name: "test", runtime: "nodejs", main: "index.js", plugins: { providers } };
    // JSON is YAML.
    writeFileSync(join(folder, "Pulumi.yaml"), JSON.stringify(project));
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "test", main: "index.js" }));
    const env = {
      ...process.env,
      PATH: [join(root, "node_modules/.bin"), ...folders, process.env.PATH].join(delimiter),
      // The language host leaves a folder with pipes behind at each run.
      TMPDIR: join(folder, "tmp"),
      PULUMI_HOME: join(folder, "home"),
      PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_SKIP_UPDATE_CHECK: "1",
      PULUMI_NODEJS_TRANSPILE_ONLY: "true",
    };
    const made = new PulumiProject(folder, pulumi, env);
    await made.must(["stack", "init", "dev"]);
    return made;
  }

  /** Starts the engine without waiting for it. */
  start(args: readonly string[]): ChildProcess {
    return spawn(this.#pulumi, [...args, "--non-interactive", "--color", "never"], {
      cwd: this.folder,
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  async run(args: readonly string[]): Promise<RunResult> {
    const child = this.start(args);
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    return { code, output };
  }

  /** Runs what must succeed and returns its output. */
  async must(args: readonly string[]): Promise<string> {
    const { code, output } = await this.run(args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${code}:\n${output}`);
    return output;
  }

  async config(values: Readonly<Record<string, string>>, secret = false): Promise<void> {
    const pairs = Object.entries(values).flatMap(([key, value]) => [
      secret ? "--secret" : "--plaintext",
      `${key}=${value}`,
    ]);
    await this.must(["config", "set-all", "--stack", "dev", ...pairs]);
  }

  up(...args: string[]): Promise<string> {
    return this.must(["up", "--stack", "dev", "--yes", "--skip-preview", ...args]);
  }

  /** The steps of a preview, without those that change nothing. */
  async preview(...args: string[]): Promise<PlannedStep[]> {
    const text = await this.must(["preview", "--stack", "dev", "--json", ...args]);
    const { steps = [] }: { steps?: PlannedStep[] } = JSON.parse(text.slice(text.indexOf("{")));
    return steps.filter((step) => step.op !== "same");
  }

  async outputs(): Promise<Record<string, unknown>> {
    return JSON.parse(await this.must(["stack", "output", "--stack", "dev", "--json", "--show-secrets"]));
  }

  /** The state as it is stored; secrets are cipher texts. */
  async state(): Promise<{ text: string; resources: StateResource[] }> {
    const text = await this.must(["stack", "export", "--stack", "dev"]);
    const { deployment }: { deployment: { resources?: StateResource[] } } = JSON.parse(text);
    return { text, resources: deployment.resources ?? [] };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Name of a resource in its URN. */
export const nameOf = (urn: string) => urn.split("::").at(-1) ?? "";
