/** A stack of the benchmarks: one program, run by the real engine as the product runs it. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { stringify } from "yaml";
import type { Operation } from "../../tools/engine/operate.ts";
import { projectRoot } from "../../tools/paths.ts";
import { type EngineProject, engineProject } from "../support/engine-project.ts";
import { type MeasuredRun, measureRun } from "./processes.ts";
import type { ProgramInput } from "./programs/input.ts";

export interface StackOptions {
  /** Program of `programs/`, without ending. */
  readonly program: "cluster" | "empty";
  readonly input: ProgramInput;
  /** Folders of plugins by name. */
  readonly plugins: Readonly<Record<string, string>>;
  /** Bytes that the empty provider adds to each state. */
  readonly padding?: number;
}

export class BenchStack {
  readonly #project: EngineProject;
  readonly #inputFile: string;
  #input: ProgramInput;

  private constructor(project: EngineProject, inputFile: string, input: ProgramInput) {
    this.#project = project;
    this.#inputFile = inputFile;
    this.#input = input;
  }

  static async create(options: StackOptions): Promise<BenchStack> {
    const project = await engineProject({
      program: "",
      env: { HYPERLAB_BENCH_PADDING: String(options.padding ?? 0) },
      plugins: options.plugins,
    });
    const { root } = project;
    const providers = Object.entries(options.plugins).map(([name, path]) => ({ name, path }));
    // As the product's own project: compiled programs, no TypeScript at run time.
    const runtime = { name: "nodejs", options: { typescript: false } };
    await writeFile(
      join(root, "Pulumi.yaml"),
      stringify({ name: "hyperlab", runtime, main: "dist/lab.js", plugins: { providers } }),
    );
    await build({
      entryPoints: [join(projectRoot(), "test", "benchmarks", "programs", `${options.program}.ts`)],
      outfile: join(root, "dist", "lab.js"),
      bundle: true,
      packages: "external",
      platform: "node",
      format: "esm",
      logLevel: "silent",
    });
    const stack = new BenchStack(project, join(root, "input.json"), options.input);
    await stack.change({});
    return stack;
  }

  /** Changes what the program is given. */
  async change(part: Partial<ProgramInput>): Promise<void> {
    this.#input = { ...this.#input, ...part };
    await writeFile(this.#inputFile, JSON.stringify(this.#input));
  }

  /** Runs an operation to its end. @throws Error with the end of the output where it fails. */
  async run(operation: Operation, options: { checkpoints?: boolean } = {}): Promise<MeasuredRun> {
    const { session, root } = this.#project;
    const flags = operation === "preview" ? [] : ["--yes", "--skip-preview"];
    const args = [
      operation,
      ...["--stack", session.stack, "--config-file", session.stackFile],
      ...["--non-interactive", "--color", "never", "--suppress-outputs"],
      ...flags,
    ];
    const env = {
      ...session.env,
      HYPERLAB_BENCH_INPUT: this.#inputFile,
      ...(options.checkpoints === false ? { PULUMI_SKIP_CHECKPOINTS: "true" } : {}),
    };
    const result = await measureRun(session.pulumi, args, { cwd: root, env });
    if (result.code === 0) return result;
    throw new Error(`${operation} of the benchmark failed:\n${result.output.slice(-3_000)}`);
  }

  /** The state's size in bytes per resource of a type, as it lies in the file backend. */
  async bytesPerResource(type: string): Promise<number> {
    const folder = this.#project.layout.backendFolder ?? "";
    const text = await readFile(join(folder, ".pulumi", "stacks", "hyperlab", "dev.json"), "utf8");
    const whole: { checkpoint: { latest: { resources: { type: string }[] } } } = JSON.parse(text);
    const resources = whole.checkpoint.latest.resources;
    const ours = resources.filter((resource) => resource.type === type);
    if (ours.length === 0) throw new Error(`the state holds no resource of type ${type}`);
    const compact = JSON.stringify(whole).length;
    // The file may be written with indentation: its share counts as well.
    return (JSON.stringify(ours).length / ours.length) * (text.length / compact);
  }

  dispose(): Promise<void> {
    return this.#project.dispose();
  }
}
