/** A libvirt host of the test's own and stacks on it, run by the real engine with the provider as it is built now. */
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { z } from "zod";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import type { Operation, OperationResult } from "../../../tools/engine/operate.ts";
import { projectRoot } from "../../../tools/paths.ts";
import { processIsAlive } from "../../../tools/process/run.ts";
import type { EngineEvent } from "../../../tools/report/engine-events.ts";
import { lockState } from "../../../tools/state/lock.ts";
import { settleState } from "../../../tools/state/settle.ts";
import { type EngineProject, engineProject } from "../../support/engine-project.ts";
import { Gate } from "../../support/libvirt-gate.ts";
import { type OwnLibvirtd, type OwnLibvirtdOptions, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { stagePlugin } from "../../support/pulumi.ts";
import { waitFor } from "../../support/wait.ts";
import type { Declaration, SecretsDeclaration } from "./declaration.ts";
import { type Inventory, inventory } from "./inventory.ts";
import { endProcesses, processesWith } from "./processes.ts";

/** What a file of the state holds of resources. */
const recordedState = z.object({
  checkpoint: z.object({
    latest: z.object({ resources: z.array(z.object({ urn: z.string() })).optional() }).optional(),
  }),
});

/** For a moment to come on a machine that has much else to do. */
const momentSeconds = 240;

export interface LabOptions {
  /** Program instead of `program.ts`, as a path from the checkout. */
  readonly program?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** One host and the stacks of one test file. */
export class Lab {
  readonly host: OwnLibvirtd;
  /** In front of the host, for the stacks. */
  readonly gate: Gate;
  /** The test's own way to the host, past the gate. */
  readonly libvirt: LibvirtClient;
  readonly #staged: string;
  readonly #plugin: string;
  readonly #stacks: Stack[] = [];
  readonly #programs = new Map<string, Promise<string>>();

  private constructor(host: OwnLibvirtd, gate: Gate, staged: string, plugin: string) {
    this.host = host;
    this.gate = gate;
    this.libvirt = createLibvirtClient(host.qemuUri);
    this.#staged = staged;
    this.#plugin = plugin;
  }

  static async start(options: OwnLibvirtdOptions = {}): Promise<Lab> {
    const staged = mkdtempSync(join(tmpdir(), "staged-"));
    try {
      const plugin = await stagePlugin(staged, "libvirt", "providers/libvirt/main.ts");
      const host = await startOwnLibvirtd(options);
      return new Lab(host, await Gate.before(host.socket), staged, plugin);
    } catch (error) {
      rmSync(staged, { recursive: true, force: true });
      throw error;
    }
  }

  /** A new stack, with state, passphrase and owner of its own. */
  async stack(owner: string, options: LabOptions = {}): Promise<Stack> {
    const project = await engineProject({
      program: await this.#program(options.program ?? "test/engine/support/program.ts"),
      plugins: { libvirt: this.#plugin },
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    const uri = `qemu+unix:///system?socket=${this.gate.socket}`;
    const stack = new Stack(project, { uri, owner }, () => this.providers());
    this.#stacks.push(stack);
    return stack;
  }

  #program(path: string): Promise<string> {
    const made = this.#programs.get(path) ?? bundled(path);
    this.#programs.set(path, made);
    return made;
  }

  inventory(): Promise<Inventory> {
    return inventory(this.libvirt, this.host);
  }

  /** Process ids of the provider's plugins that run for this lab. */
  providers(): Promise<number[]> {
    return processesWith(join(this.#staged, "dist/providers/libvirt/plugin.cjs"));
  }

  /** Ends what the stacks of a test left running and removes them. What they made on the host stays. */
  async dropStacks(): Promise<void> {
    for (const stack of this.#stacks.splice(0)) await stack.drop();
  }

  /** Waits for something on the host; the error says what did not happen. */
  waitFor(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    return waitFor(what, condition, momentSeconds);
  }

  /** A directory for a pool, which does not exist yet. */
  folder(name: string): string {
    return join(this.host.directory, name);
  }

  async stop(): Promise<void> {
    await this.dropStacks();
    await this.libvirt.close();
    await this.gate.stop();
    await this.host.stop();
    rmSync(this.#staged, { recursive: true, force: true });
  }
}

/** What an operation came to and what a person saw of it. */
export interface Ran extends OperationResult {
  /** The engine's own output. */
  readonly text: string;
  /** Operations by logical name, without those that change nothing. */
  readonly ops: Readonly<Record<string, readonly string[]>>;
}

export class Stack {
  readonly project: EngineProject;
  readonly #basis: Pick<Declaration, "uri" | "owner">;
  readonly #providers: () => Promise<number[]>;

  constructor(
    project: EngineProject,
    basis: Pick<Declaration, "uri" | "owner">,
    providers: () => Promise<number[]>,
  ) {
    this.project = project;
    this.#basis = basis;
    this.#providers = providers;
  }

  /** Sets what the next runs declare. */
  declare(declaration: Partial<Declaration>): Promise<void> {
    return this.#write({ ...this.#basis, ...declaration });
  }

  /** The same for `secrets-program.ts`. */
  declareSecrets(declaration: Omit<SecretsDeclaration, "uri" | "owner">): Promise<void> {
    return this.#write({ ...this.#basis, ...declaration });
  }

  #write(declaration: Declaration | SecretsDeclaration): Promise<void> {
    return writeFile(join(this.project.root, "declaration.json"), JSON.stringify(declaration));
  }

  /** Runs an operation; a failure is a result. */
  async run(operation: Operation, args: readonly string[] = []): Promise<Ran> {
    const result = await this.project.run(operation, args);
    return { ...result, text: await readFile(result.log, "utf8"), ops: stepsOf(result.events) };
  }

  /** As `run`, but a failure is an error with everything that was shown. */
  async must(operation: Operation, args: readonly string[] = []): Promise<Ran> {
    const ran = await this.run(operation, args);
    if (ran.code !== 0) throw new Error(`${operation} ended with ${ran.code}:\n${ran.text}`);
    return ran;
  }

  /** As `run`, but must fail; returns what was shown. */
  async mustFail(operation: Operation, args: readonly string[] = []): Promise<string> {
    const ran = await this.run(operation, args);
    if (ran.code === 0) throw new Error(`${operation} succeeded, which it must not:\n${ran.text}`);
    return ran.text;
  }

  /** Waits until the run under way has shown a text, also one that is shown only for a moment. */
  waitForText(text: string): Promise<void> {
    const { logFolder } = this.project.layout;
    const shown = async () => {
      const last = (await readdir(logFolder)).sort().at(-1);
      return last !== undefined && (await readFile(join(logFolder, last), "utf8")).includes(text);
    };
    return waitFor(`text "${text}"`, shown, momentSeconds);
  }

  /** The stack's resources as `pulumi stack export` prints them, and the whole text. */
  async state(): Promise<{ readonly text: string; readonly names: readonly string[] }> {
    const file = join(this.project.layout.folder, "backend/.pulumi/stacks/hyperlab/dev.json");
    const text = await readFile(file, "utf8");
    const names = [...text.matchAll(/"urn": ?"[^"]*libvirt:index:[^"]*::([^":]+)"/g)].map(
      (match) => match[1] ?? "",
    );
    return { text, names: [...new Set(names)].sort() };
  }

  /** Whether a resource is made and recorded; one that is still being made is not. */
  async recorded(name: string): Promise<boolean> {
    const { checkpoint } = recordedState.parse(JSON.parse((await this.state()).text));
    return checkpoint.latest?.resources?.some(({ urn }) => urn.endsWith(`::${name}`)) ?? false;
  }

  /**
   * Starts `up` and, as soon as the condition holds, kills the engine; with `provider` its plugins die in the same
   * moment, otherwise they notice by themselves. Returns when all of them are gone.
   */
  async killDuringUp(
    what: string,
    condition: () => boolean | Promise<boolean>,
    provider: "killed" | "orphaned",
  ): Promise<void> {
    const running = this.project.run("up");
    await waitFor(what, condition, momentSeconds);
    const plugins = await this.#providers();
    const held = lockState(this.project.layout);
    if (held.kind !== "held") throw new Error(`the stack is not locked by the engine, but ${held.kind}`);
    process.kill(held.lock.pid, "SIGKILL");
    if (provider === "killed") endProcesses(plugins);
    await running;
    await waitFor("the engine to be gone", () => !processIsAlive(held.lock.pid));
    await waitFor("the providers to be gone", async () => (await this.#providers()).length === 0);
  }

  /** As the commands do before every run: locks of dead processes and open creations are settled. */
  settle(): Promise<void> {
    const { session, layout, report } = this.project;
    return settleState(session, layout, report);
  }

  /** Removes the stack's files. */
  async drop(): Promise<void> {
    const held = lockState(this.project.layout);
    if (held.kind === "held") endProcesses([held.lock.pid]);
    await this.project.dispose();
  }
}

/** Domains are read before every preview and update: that alone is no change. */
const unchanged = new Set(["same", "refresh"]);

function stepsOf(events: readonly EngineEvent[]): Record<string, readonly string[]> {
  const ops: Record<string, readonly string[]> = {};
  for (const event of events) {
    if (event.kind !== "start" || unchanged.has(event.step.operation)) continue;
    ops[event.step.name] = [...(ops[event.step.name] ?? []), event.step.operation];
  }
  return ops;
}

/**
 * A program with the SDK as it is built now: another build may replace that at any time. Everything else comes from the
 * project's packages.
 */
async function bundled(program: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(projectRoot(), program)],
    bundle: true,
    external: ["@pulumi/pulumi", "@pulumi/pulumi/*"],
    platform: "node",
    format: "esm",
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
    write: false,
    logLevel: "silent",
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error(`${program} gave no bundle`);
  return file.text;
}
