import { basename } from "node:path";
import { archiveHead, checkArchive, chosenMembers, memberContent } from "../backup/archive.ts";
import { askInventory, type Inventory, lostBy, readInventory, requestLine } from "../backup/inventory.ts";
import { type Manifest, RESTORED } from "../backup/manifest.ts";
import { refuse } from "../preflight/refusal.ts";
import { interruptible } from "../process/interruptible.ts";
import { ask } from "../report/ask.ts";
import { consoleReporter, type Reporter } from "../report/progress.ts";
import { sshClient } from "../ssh/controller.ts";
import { type ControllerProgram, controllerProgram } from "../ssh/controller-program.ts";
import { readPassphrase, stackPassphrase } from "../state/passphrase.ts";
import { memberLines, watchOn } from "./backup.ts";
import { type Context, openSession } from "./context.ts";
import { restoreState } from "./restore-state.ts";

/** What `hyperlab restore` is asked for. */
export interface RestoreRequest {
  readonly file: string;
  /** Leave homes as they are, where the backup has some. */
  readonly withoutHomes: boolean;
  /** File with the passphrase of the stack that was backed up. Default: this stack's passphrase. */
  readonly passphraseFile: string | undefined;
  /** Only check the file, and show what is in it. */
  readonly check: boolean;
  /** Only write this member to standard output. */
  readonly member: string | undefined;
  /** Restore the stack's state, which was lost, and touch no machine. */
  readonly state: boolean;
  /** Do not ask before data is replaced. */
  readonly yes: boolean;
  readonly json: boolean;
  /** Account on the controller; it needs sudo. */
  readonly user: string | undefined;
}

/** Puts a backup in the place of what the stack's controller has, or looks into it. Returns the exit code. */
export async function restore(context: Context, request: RestoreRequest): Promise<number> {
  const quiet = request.json || request.member !== undefined;
  const report = quiet ? consoleReporter(process.stderr) : context.report;
  const passphrase =
    request.passphraseFile === undefined
      ? stackPassphrase(context.layout, context.env)
      : readPassphrase(request.passphraseFile);
  const manifest = await checked(request.file, passphrase, report);
  if (request.member !== undefined) return printMember(request.file, passphrase, manifest, request.member);
  if (request.check) {
    if (request.json) process.stdout.write(`${JSON.stringify(manifest, null, 2)}\n`);
    else showManifest(request.file, manifest, report);
    return 0;
  }
  if (request.state) {
    const own = stackPassphrase(context.layout, context.env);
    const archive = { file: request.file, passphrase, manifest };
    return restoreState(context, archive, own, () => openSession(context));
  }
  const program = controllerProgram(await sshClient(context), request.user);
  const asked = { ...request, passphrase, interactive: context.interactive };
  const outcome = await interruptible((signal) => restoreBy(program, manifest, asked, report, { signal }));
  if (!outcome.interrupted) return outcome.result;
  report.line(
    "Interrupted. A controller that had not received everything changes nothing; one that had goes on to the end, or puts back what was there.",
  );
  return 130;
}

/** Reads and checks the whole archive. */
export async function checked(file: string, passphrase: string, report: Reporter): Promise<Manifest> {
  // Whatever is wrong with its head is said at once.
  await archiveHead(file);
  return report.step(`Checking ${basename(file)}`, (step) => checkArchive(file, passphrase, watchOn(step)));
}

async function printMember(
  file: string,
  passphrase: string,
  { members }: Manifest,
  name: string,
): Promise<number> {
  if (!members.some((member) => member.name === name)) {
    const names = members.map((member) => member.name).join(", ");
    throw new Error(`${basename(file)} has no member ${name}; it has: ${names}`);
  }
  // An archive, or keys, on a screen is what nobody meant.
  if (process.stdout.isTTY) throw new Error(`write ${name} into a file: add > FILE`);
  for await (const piece of memberContent(file, passphrase, name)) {
    if (!process.stdout.write(piece)) await new Promise((go) => process.stdout.once("drain", go));
  }
  return 0;
}

function showManifest(file: string, manifest: Manifest, report: Reporter): void {
  const { cluster, date, slurm, stack } = manifest;
  report.line(`${file}: cluster ${cluster} of stack ${stack}, SLURM ${slurm}, ${date}`);
  for (const line of memberLines(manifest)) report.line(line);
}

/** A restore onto a given controller. */
export interface RestoreWork extends Pick<RestoreRequest, "file" | "withoutHomes" | "yes" | "json"> {
  readonly passphrase: string;
  /** A person can be asked. */
  readonly interactive: boolean;
}

/** Restores an archive that was checked. Returns the exit code. */
export async function restoreBy(
  program: ControllerProgram,
  manifest: Manifest,
  work: RestoreWork,
  report: Reporter,
  { signal, question = ask }: { signal?: AbortSignal; question?: typeof ask } = {},
): Promise<number> {
  const wanted = manifest.members
    .map(({ name }) => name)
    .filter((name) => RESTORED.includes(name) && !(work.withoutHomes && name === "homes.tar"));
  const homes = wanted.includes("homes.tar");
  const present = await readInventory(program);
  mustFit(manifest, present);
  if (!(await agreed(lostBy(present, homes), present, work, question))) {
    report.line("Nothing was changed.");
    return 1;
  }
  const { cluster, slurm } = manifest;
  const label = `Restoring cluster ${cluster} as of ${manifest.date}`;
  const now = await report.step(label, (step) => {
    const request = requestLine({ cluster, slurm, homes, overwrite: true });
    const content = chosenMembers(work.file, work.passphrase, manifest, wanted, watchOn(step));
    return askInventory(program, "restore", after(request, content), (line) => step.detail(line), signal);
  });
  if (work.json) process.stdout.write(`${JSON.stringify({ restored: wanted, ...now }, null, 2)}\n`);
  else {
    report.line(`SLURM serves again: ${now.recorded} jobs in accounting, ${now.jobs} in the queue.`);
    if (homes) report.line("Homes that the backup has are restored; others are as they were.");
    report.line("Keys, users and configuration are this stack's.");
  }
  return 0;
}

/** Before anything is sent; the controller looks again. */
function mustFit({ cluster }: Manifest, present: Inventory): void {
  if (cluster === present.cluster) return;
  refuse(
    "cluster",
    `the backup is of cluster ${cluster}, the controller serves ${present.cluster}; SLURM's state and accounts belong to the name`,
    `give the cluster the name ${cluster} in the cluster file, and make it anew; or name another stack with --stack`,
  );
}

async function agreed(
  lost: readonly string[],
  { cluster }: Inventory,
  work: RestoreWork,
  question: typeof ask,
): Promise<boolean> {
  if (lost.length === 0 || work.yes) return true;
  const what = `cluster ${cluster} has data that the backup replaces: ${lost.join("; ")}`;
  if (!work.interactive) {
    refuse(
      "overwrite",
      `${what}; nobody can be asked here`,
      "make a backup of it first (hyperlab backup); then run again with --yes",
    );
  }
  const answer = await question(
    `The ${what}. Replace it? Type the name of the cluster (${cluster}) to do so: `,
  );
  return answer === cluster;
}

async function* after(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}
