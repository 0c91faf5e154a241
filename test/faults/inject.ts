/** The faults themselves: each comes at an exact moment of a run, and its cause is gone when the run has ended. */
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { LibvirtError } from "../../providers/libvirt/client/errors.ts";
import type { DomainRef } from "../../providers/libvirt/client/types.ts";
import type { Operation } from "../../tools/engine/operate.ts";
import { lockState } from "../../tools/state/lock.ts";
import type { Lab, Ran, Stack } from "../engine/support/lab.ts";
import { endProcesses } from "../engine/support/processes.ts";
import type { OwnLibvirtd } from "../support/libvirtd.ts";
import type { OwnSshHost } from "../support/ssh-host.ts";
import { touched } from "./cycle.ts";
import { gateMoment, QuestionCounter } from "./moments.ts";
import { describePoint, type Fault, type Point } from "./plan.ts";

export interface Scene {
  readonly lab: Lab;
  readonly stack: Stack;
  readonly ssh: OwnSshHost;
  /** Root of the small file system that holds the pool. */
  readonly disk: string;
  /** Takes the names of guests that did not run, not yet or not any more, when libvirtd was killed while it saw to them. */
  readonly idle: Set<string>;
}

/** The run under way, and what is to be done when it has ended. */
interface Running {
  readonly point: Point;
  readonly ended: () => boolean;
}

/** Does the harm at the moment at which the gate is closed, and opens it. May return what takes the cause away again. */
type Harm = (scene: Scene, running: Running) => Promise<(() => Promise<void>) | undefined>;

const harms: Readonly<Record<Fault, Harm>> = {
  "kill engine": async ({ lab, stack }) => {
    const held = lockState(stack.project.layout);
    if (held.kind !== "held") throw new Error(`the stack is not locked by the engine, but ${held.kind}`);
    process.kill(held.lock.pid, "SIGKILL");
    lab.gate.open();
    return undefined;
  },
  "kill provider": async ({ lab }) => {
    endProcesses(await lab.providers());
    lab.gate.openForOthers();
    return undefined;
  },
  "restart libvirtd": async ({ idle, lab }) => {
    await lab.host.kill();
    for (const note of notesOfGuests(lab.host)) {
      if (isIdle(readFileSync(note, "utf8"))) idle.add(basename(note, ".xml"));
    }
    await lab.host.start();
    lab.gate.open();
    return undefined;
  },
  "cut ssh": async ({ lab, ssh }) => {
    await ssh.dropSessions();
    lab.gate.openForOthers();
    return undefined;
  },
  "fill disk": async ({ lab, disk }) => {
    const filler = join(disk, "filler");
    fill(filler);
    lab.gate.open();
    return async () => rmSync(filler);
  },
  "pause guest": pauseGuest,
};

/** The files in which libvirtd notes what becomes of each guest, as long as it is not off. */
export function notesOfGuests({ directory }: OwnLibvirtd): string[] {
  const folder = join(directory, "run", "qemu");
  const names = readdirSync(folder).filter((name) => name.endsWith(".xml"));
  return names.map((name) => join(folder, name));
}

/** Pure: whether libvirtd's note of a guest says that it has not run yet, or that it went off by itself. */
export const isIdle = (note: string): boolean =>
  /<domstatus state='(?:paused' reason='starting up'|shutdown')/.test(note);

function fill(file: string): void {
  const descriptor = openSync(file, "w");
  try {
    for (const size of [2 ** 20, 2 ** 12]) writeUntilFull(descriptor, Buffer.alloc(size));
  } finally {
    closeSync(descriptor);
  }
}

function writeUntilFull(descriptor: number, piece: Buffer): void {
  for (;;) {
    try {
      writeSync(descriptor, piece);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOSPC") return;
      throw error;
    }
  }
}

/** So often is asked what the machine does before the pause ends by itself: a run that waits for it is not waited for. */
const questionsWhilePaused = 8;

async function pauseGuest({ lab }: Scene, { point, ended }: Running): ReturnType<Harm> {
  const guest = await pauseFirst(lab, touched[point.phase]);
  if (guest === undefined) throw new Error("no guest runs that could be paused");
  lab.gate.open();
  const questions = new QuestionCounter();
  lab.gate.closeAt(questions.moment);
  await lab.waitFor(
    "the end of the run or of its patience",
    () => ended() || questions.count >= questionsWhilePaused,
  );
  lab.gate.open();
  // A run that did not wait for the guest leaves it to the next one.
  if (!ended()) await resume(lab, guest);
  return undefined;
}

/** The first guest that can be paused: one that was asked to go off may be gone in the next moment. */
async function pauseFirst({ libvirt }: Lab, preferred: readonly string[]): Promise<DomainRef | undefined> {
  const running = (await libvirt.domainList()).filter(({ id }) => id >= 0);
  const rank = ({ name }: DomainRef) => (preferred.includes(name) ? preferred.indexOf(name) : Infinity);
  for (const ref of running.sort((left, right) => (rank(left) < rank(right) ? -1 : 1))) {
    try {
      await libvirt.domainSuspend(ref);
      return ref;
    } catch (error) {
      if (!(error instanceof LibvirtError)) throw error;
    }
  }
  return undefined;
}

/** Where nobody did so before. */
async function resume({ libvirt }: Lab, { name }: DomainRef): Promise<void> {
  const ref = await libvirt.domainLookupByName(name);
  if (ref === undefined || (await libvirt.domainGetState(ref)).state !== "paused") return;
  await libvirt.domainResume(ref);
}

/** Runs the operation with the point's fault; however it ends is fine. @throws Error where its moment did not come. */
export async function runWithFault(scene: Scene, operation: Operation, point: Point): Promise<Ran> {
  const { lab, stack } = scene;
  let over = false;
  lab.gate.closeAt(gateMoment(point.when));
  const run = stack.run(operation).finally(() => {
    over = true;
  });
  let takeBack: (() => Promise<void>) | undefined;
  try {
    await lab.waitFor(describePoint(point), () => lab.gate.closed || over);
    if (!lab.gate.closed) throw new Error(`the moment did not come:\n${(await run).text}`);
    takeBack = await harms[point.fault](scene, { point, ended: () => over });
    return await run;
  } finally {
    lab.gate.open();
    // Also where the harm failed: the run must not meet the next point.
    await run.catch(() => undefined);
    await takeBack?.();
  }
}
