/** Runs points of a plan, one after another, on a small lab of its own. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settle } from "../../tools/commands/settle.ts";
import { bringUp } from "../../tools/commands/up.ts";
import { cacheFolder } from "../../tools/paths.ts";
import { writeGuestImage } from "../engine/support/guest.ts";
import { inNamespace } from "../engine/support/inventory.ts";
import { Lab, type Stack } from "../engine/support/lab.ts";
import { endProcesses, processesWith } from "../engine/support/processes.ts";
import { clearHost } from "../support/libvirt-provider.ts";
import { type OwnSshHost, shellOf, startOwnSshHost } from "../support/ssh-host.ts";
import { bridge, declarationOf, type Places, touched } from "./cycle.ts";
import { notesOfGuests, runWithFault } from "./inject.ts";
import { TraceRecorder } from "./moments.ts";
import { boots, difference, endsOfGuests, nameServers, outcomeOf, processesOf } from "./outcome.ts";
import { type Phase, type Point, phases, type Trace } from "./plan.ts";

/** The pool's file system: room for the lab, and quickly full. */
const diskMiB = 64;
/** Data that no phase may touch, at the start of the data volume. */
const mark = "kept through every phase";

/** libvirt's words; it says `unknown` where a guest went off by itself while no daemon was there to see it. */
const hard = new Set(["destroyed", "crashed"]);

export class Campaign {
  readonly #lab: Lab;
  readonly #ssh: OwnSshHost;
  /** Folder of the campaign with the file system of the pool. */
  readonly #folder: string;
  readonly #places: Places;
  readonly #path = process.env.PATH;
  readonly #wanted = new Map<Phase, readonly string[]>();
  #stack: Stack | undefined;
  /** Last phase that came to its result; undefined where nothing is there. */
  #at: Phase | undefined;

  private constructor(lab: Lab, ssh: OwnSshHost, folder: string) {
    this.#lab = lab;
    this.#ssh = ssh;
    this.#folder = folder;
    this.#places = {
      uri: `qemu+ssh://${ssh.host}/system?socket=${lab.gate.socket}`,
      pool: join(folder, "disk", "pool"),
      images: [lab.folder("one.raw"), lab.folder("two.raw")],
    };
    process.env.PATH = ssh.path;
    for (const image of this.#places.images) writeGuestImage(image, "polite", image, 4);
  }

  /** Starts host and sshd. The caller stops the campaign in any case; until then ssh of this process finds the host. */
  static async start(): Promise<Campaign> {
    const folder = mkdtempSync(join(tmpdir(), "hyperlab-faults-"));
    const disk = join(folder, "disk");
    mkdirSync(disk);
    const undo: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
    try {
      // Before the host starts: each libvirtd gets the mounts that it finds.
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskMiB}m`, "none", disk]);
      undo.push(() => unmount(disk));
      const lab = await Lab.start();
      undo.push(() => lab.stop());
      const ssh = await startOwnSshHost({ command: shellOf(lab.host) });
      undo.push(() => ssh.stop());
      return new Campaign(lab, ssh, folder);
    } catch (error) {
      for (const step of undo.reverse()) await step();
      throw error;
    }
  }

  async stop(): Promise<void> {
    process.env.PATH = this.#path;
    try {
      await this.#lab.stop();
      await this.#ssh.stop();
    } finally {
      unmount(join(this.#folder, "disk"));
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  /** A life cycle without a fault: what each phase comes to, and the calls of which moments are drawn. */
  async record(): Promise<Readonly<Record<Phase, Trace>>> {
    const traces = new Map<Phase, Trace>();
    for (const phase of phases) {
      const recorder = new TraceRecorder();
      this.#lab.gate.closeAt(recorder.moment);
      const stack = await this.#prepare(phase);
      await stack.must(operationOf(phase));
      this.#lab.gate.open();
      traces.set(phase, recorder.trace);
      await this.#settled(stack);
      this.#wanted.set(phase, await outcomeOf(this.#lab, stack, this.#places.pool));
      await this.#finish(phase);
    }
    const of = (phase: Phase): Trace => traces.get(phase) ?? new Map();
    return {
      create: of("create"),
      scale: of("scale"),
      rebuild: of("rebuild"),
      resize: of("resize"),
      destroy: of("destroy"),
    };
  }

  /** What is wrong after the point and one more run; nothing where it is as without the fault. */
  async run(point: Point): Promise<string[]> {
    try {
      await this.#bringTo(before(point.phase));
      const problems = await this.#runPoint(point);
      if (problems.length === 0) await this.#finish(point.phase);
      else await this.#reset();
      return problems;
    } catch (error) {
      await this.#reset();
      return [error instanceof Error ? error.message : String(error)];
    }
  }

  async #runPoint(point: Point): Promise<string[]> {
    const { phase } = point;
    const stack = await this.#prepare(phase);
    const bootsBefore = await boots(this.#lab);
    const endsBefore = endsOfGuests(this.#lab);
    const idle = new Set<string>();
    const scene = { lab: this.#lab, stack, ssh: this.#ssh, disk: join(this.#folder, "disk"), idle };
    await runWithFault(scene, operationOf(phase), point);
    await this.#settled(stack);
    await this.#again(stack, phase);
    await this.#settled(stack);
    const found = await outcomeOf(this.#lab, stack, this.#places.pool);
    const bootsAfter = await boots(this.#lab);
    const untouched = [...bootsBefore].filter(([name]) => !touched[phase].includes(name));
    const known = new Set(endsBefore.map(({ text }) => text));
    const ends = endsOfGuests(this.#lab).filter(({ text }) => !known.has(text));
    return [
      ...difference(this.#wanted.get(phase) ?? [], found),
      ...untouched
        .filter(([name, id]) => bootsAfter.get(name) !== id)
        .map(([name]) => `${name} runs no longer as it did before, and the phase does not touch it`),
      ...ends
        // So the next libvirtd calls a guest whose start or end its predecessor did not finish.
        .filter(({ guest, reason }) => hard.has(reason) && !(reason === "crashed" && idle.has(guest)))
        .map(({ text }) => `not asked for: ${text}`),
    ];
  }

  /** The run after the fault, as `npm run up` and `npm run down` do it once libvirt and the engine are there. */
  async #again(stack: Stack, phase: Phase): Promise<void> {
    const { layout, report, root, session } = stack.project;
    const context = { root, cache: cacheFolder(), report, layout, interactive: false, env: process.env };
    await settle(context, session);
    if (phase === "destroy") {
      await stack.must("destroy");
      return;
    }
    const shown = stack.project.shown().length;
    const code = await bringUp(context, session, { yes: true });
    if (code !== 0) throw new Error(`the next up ended with ${code}:\n${stack.project.shown().slice(shown)}`);
  }

  /** Declares the phase, on a new stack where nothing is there. */
  async #prepare(phase: Phase): Promise<Stack> {
    if (this.#stack === undefined || phase === "create") {
      await this.#lab.dropStacks();
      this.#stack = await this.#lab.stack("owner-of-faults", { env: { PATH: this.#ssh.path } });
    }
    await this.#stack.declare(declarationOf(phase, this.#places));
    return this.#stack;
  }

  /** Waits until all processes of a run are gone; those that stay are left over. */
  #settled(stack: Stack): Promise<void> {
    const gone = async () =>
      (await processesOf(this.#lab, stack)).length === 0 && (await this.#ssh.sessions()) === 0;
    return this.#lab.waitFor("end of the processes of a run", gone);
  }

  /** The phase has come to its result. */
  async #finish(phase: Phase): Promise<void> {
    if (phase === "create") markData(join(this.#places.pool, "data"));
    this.#at = phase === "destroy" ? undefined : phase;
  }

  /** Runs phases without a fault until this one is done. */
  async #bringTo(wanted: Phase | undefined): Promise<void> {
    while (this.#at !== wanted) {
      const next = after(this.#at);
      const stack = await this.#prepare(next);
      await stack.must(operationOf(next));
      await this.#settled(stack);
      await this.#finish(next);
    }
  }

  /** Removes what a failed point left, so that the next one starts from nothing. */
  async #reset(): Promise<void> {
    this.#lab.gate.open();
    await this.#lab.dropStacks();
    this.#stack = undefined;
    this.#at = undefined;
    // A daemon may hold a guest whose start its predecessor did not finish for ever, by its note of it.
    await this.#lab.host.kill();
    endProcesses(await processesWith(`${this.#places.pool}/`));
    for (const note of notesOfGuests(this.#lab.host)) rmSync(note);
    await this.#lab.host.start();
    await clearHost(this.#lab.host.qemuUri, "lab");
    // A daemon that was killed while it started a network forgot its bridge and what serves it.
    endProcesses(await nameServers(this.#lab.host));
    if ((await this.#lab.inventory()).links.includes(bridge)) {
      inNamespace(this.#lab.host, "net", ["ip", "link", "delete", bridge]);
    }
    rmSync(this.#places.pool, { recursive: true, force: true });
  }
}

const operationOf = (phase: Phase) => (phase === "destroy" ? "destroy" : "up");
const before = (phase: Phase): Phase | undefined => phases[phases.indexOf(phase) - 1];
const after = (phase: Phase | undefined): Phase =>
  phases[phase === undefined ? 0 : phases.indexOf(phase) + 1] ?? "create";

function unmount(folder: string): void {
  execFileSync("umount", ["-l", folder]);
}

function markData(file: string): void {
  const descriptor = openSync(file, "r+");
  try {
    writeSync(descriptor, mark, 0);
  } finally {
    closeSync(descriptor);
  }
}
