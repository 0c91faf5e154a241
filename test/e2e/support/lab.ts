import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { RotatedKey } from "../../../components/hpc-cluster/key-generations.ts";
import { createContext, openSession } from "../../../tools/commands/context.ts";
import { projectRoot } from "../../../tools/paths.ts";
import { processIsAlive } from "../../../tools/process/run.ts";
import { shellWord } from "../../../tools/process/shell-word.ts";
import { declareNextGeneration } from "../../../tools/state/key-generation.ts";
import { type ClusterShape, clusterFile, USER } from "./cluster-file.ts";
import { whileWatched } from "./processes.ts";
import { type Ended, must, run } from "./program.ts";

const STACK = "e2e";
/**
 * What `up` says of a machine that panicked while it booted; then a person runs it again. QEMU's emulation of several
 * processors does that at times: a kernel that patches its own code, as for the first cpuset, runs a breakpoint that is not
 * there any more ("Oops: int3").
 */
const CRASHED = /QEMU's emulation is used[\s\S]*the guest has crashed before it was ready/;
/** In a lab's folder: the process whose lab it is. */
const OWNER = "owner";
const FOLDER = join(tmpdir(), "hyperlab-e2e-");

/** One line of `npm run preview -- --json`. */
export interface MachineLine {
  readonly name: string;
  readonly effect: string;
  readonly why: string;
  readonly note: string;
}

/**
 * A lab of its own that is worked with as its user would: cluster file, `npm run` commands, ssh. State, keys and files
 * live in a folder of the test. With HYPERLAB_E2E_FOLDER set, the lab is kept there between runs, so that one scenario
 * can be repeated.
 */
export class LabUnderTest {
  readonly name = STACK;
  readonly folder: string;
  readonly kept: boolean;
  /** Everything that the commands printed. */
  readonly said: string[] = [];
  /** Command lines of every process that was seen while they ran. */
  readonly processes = new Set<string>();
  readonly #env: NodeJS.ProcessEnv;

  /** In a new folder, unless one is given or HYPERLAB_E2E_FOLDER names it. */
  constructor(folder = process.env.HYPERLAB_E2E_FOLDER || undefined) {
    this.kept = folder !== undefined;
    this.folder = folder ?? mkdtempSync(FOLDER);
    if (!this.kept) writeFileSync(join(this.folder, OWNER), String(process.pid));
    this.#env = {
      ...process.env,
      XDG_CACHE_HOME: process.env.XDG_CACHE_HOME || join(homedir(), ".cache"),
      XDG_STATE_HOME: join(this.folder, "state"),
      HYPERLAB_STACK: STACK,
      // Nobody listens there: an image that is built already needs no archive, whatever is done with it.
      HYPERLAB_SNAPSHOT_MIRROR: "http://127.0.0.1:9/archive",
      CI: "true",
    };
  }

  /** Removes labs whose run was killed: their names, addresses and networks are needed again. */
  static async removeAbandoned(): Promise<void> {
    const folders = readdirSync(tmpdir()).map((name) => join(tmpdir(), name));
    for (const folder of folders.filter((path) => path.startsWith(FOLDER))) {
      const owner = join(folder, OWNER);
      if (!existsSync(owner) || processIsAlive(Number(readFileSync(owner, "utf8")))) continue;
      const lab = new LabUnderTest(folder);
      await lab.down();
      lab.remove();
    }
  }

  /** Makes the user's key and the stack's settings. */
  async prepare(): Promise<void> {
    const project = join(this.stateFolder, "project");
    mkdirSync(project, { recursive: true });
    const stackFile = join(project, `Pulumi.${STACK}.yaml`);
    if (!existsSync(stackFile)) writeFileSync(stackFile, `config:\n  hyperlab:file: ${this.clusterFile}\n`);
    if (!existsSync(this.key)) await must("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", this.key]);
  }

  get clusterFile(): string {
    return join(this.folder, "lab.yaml");
  }

  get key(): string {
    return join(this.folder, "id_ed25519");
  }

  /** Writes the cluster file in another shape. */
  declare(shape: ClusterShape): void {
    writeFileSync(this.clusterFile, clusterFile(STACK, this.publicKey, shape));
  }

  /** Whether the cluster file says this shape and nothing else, as `declare` would have written it. */
  declares(shape: ClusterShape): boolean {
    return readFileSync(this.clusterFile, "utf8") === clusterFile(STACK, this.publicKey, shape);
  }

  get publicKey(): string {
    return readFileSync(`${this.key}.pub`, "utf8").trim();
  }

  get stateFolder(): string {
    return join(this.folder, "state", "hyperlab");
  }

  npm(script: string, ...args: string[]): Promise<Ended> {
    return this.#npm([script, "--", ...args], this.#env);
  }

  async #npm(words: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
    const ended = await whileWatched(this.processes, () =>
      run("npm", ["run", "--silent", ...words], { cwd: projectRoot(), env }),
    );
    this.said.push(ended.output);
    return ended;
  }

  /** `npm run up`, which must succeed; once more where an emulated guest crashed. */
  async up(): Promise<string> {
    const ended = await this.npm("up");
    const again = ended.code !== 0 && CRASHED.test(ended.output);
    return succeeded("npm run up", again ? await this.npm("up") : ended);
  }

  /** `npm run up`, which must fail; gives what it said. */
  async upFails(): Promise<string> {
    const ended = await this.npm("up");
    if (ended.code === 0) throw new Error(`npm run up succeeded, which it must not:\n${ended.output}`);
    return ended.output;
  }

  /** What `npm run preview` says of each machine, by name. */
  async preview(): Promise<ReadonlyMap<string, MachineLine>> {
    const text = succeeded("npm run preview", await this.npm("preview", "--json"));
    const { machines }: { machines: MachineLine[] } = JSON.parse(text.slice(text.indexOf("{\n")));
    return new Map(machines.map((machine) => [machine.name, machine]));
  }

  /** `hyperlab …`, which must succeed. */
  async hyperlab(...args: string[]): Promise<string> {
    return succeeded(`hyperlab ${args.join(" ")}`, await this.npm("hyperlab", ...args));
  }

  /** `hyperlab image update` to a moment of an archive, without a question; must succeed, and gives what it said. */
  async updateImage(archive: string, moment: string): Promise<string> {
    const words = ["image", "update", "--yes", "--snapshot", moment];
    const env = { ...this.#env, HYPERLAB_SNAPSHOT_MIRROR: archive };
    return succeeded("hyperlab image update", await this.#npm(["hyperlab", "--", ...words], env));
  }

  /** Declares the next generation of a key without applying it, beside one that is rotated by the command. */
  raiseGeneration(key: RotatedKey): void {
    const { layout, root } = createContext(STACK, this.#env);
    declareNextGeneration(layout, root, key);
  }

  async down(): Promise<void> {
    succeeded("npm run down", await this.npm("down", "--yes"));
  }

  /** Removes the folder of the test; the lab itself must be gone. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /**
   * Runs a shell command on the controller, as the ordinary user unless another one is named; it must succeed.
   * @param where What goes before `ssh`, to run it elsewhere than here.
   */
  ssh(command: string, user: string = USER, where: readonly string[] = []): Promise<string> {
    const [program, args] = commandIn(where, [...this.#sshOptions(user), `${STACK}-controller`, command]);
    return must(program, args);
  }

  /** Runs a shell command on a compute node, through the controller; it may be refused. */
  onNode(node: string, command: string, user: string = USER, where: readonly string[] = []): Promise<Ended> {
    const through = ["ssh", ...this.#sshOptions(user), "-W", "%h:%p", `${STACK}-controller`].map(shellWord);
    const options = [...this.#sshOptions(user), "-o", `ProxyCommand=${through.join(" ")}`];
    const [program, args] = commandIn(where, [...options, node, command]);
    return run(program, args);
  }

  #sshOptions(user: string): string[] {
    const config = join(this.stateFolder, "ssh", STACK, "config");
    const settings = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=30"];
    return ["-F", config, "-l", user, "-i", this.key, ...settings];
  }

  /** Logs in once by `npm run ssh`, which writes the client configuration that `ssh` uses. */
  async openSsh(): Promise<void> {
    const agentless = { ...this.#env, HOME: this.#homeWithKey() };
    await must("npm", ["run", "--silent", "ssh", "--", "true"], { cwd: projectRoot(), env: agentless });
  }

  /** Runs a command line in the checkout as the lab's user types it; it must succeed. */
  commandLine(command: string, input = ""): Promise<string> {
    const env = { ...this.#env, HOME: this.#homeWithKey(), npm_config_loglevel: "silent" };
    return must("bash", ["-c", command], { cwd: projectRoot(), env, input });
  }

  /** Runs the engine without the scripts, on the same state; it must succeed. */
  async pulumi(...args: string[]): Promise<string> {
    const { env, pulumi, stackFile } = await openSession(createContext(STACK, this.#env));
    const all = [...args, "--stack", STACK, "--config-file", stackFile, "--non-interactive"];
    return must(pulumi, all, { cwd: projectRoot(), env });
  }

  #homeWithKey(): string {
    const home = join(this.folder, "home");
    const ssh = join(home, ".ssh");
    mkdirSync(ssh, { recursive: true, mode: 0o700 });
    writeFileSync(join(ssh, "config"), `IdentityFile ${this.key}\n`, { mode: 0o600 });
    return home;
  }
}

function commandIn(where: readonly string[], args: readonly string[]): [string, string[]] {
  const [program = "ssh", ...rest] = [...where, "ssh", ...args];
  return [program, rest];
}

function succeeded(command: string, ended: Ended): string {
  if (ended.code !== 0) {
    throw new Error(`${command} ended with ${ended.code}:\n${ended.output.slice(-12_000)}`);
  }
  return ended.output;
}
