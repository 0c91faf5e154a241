import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { composed, type OwnMember, type Watch, writeArchive } from "../backup/archive.ts";
import type { Frame } from "../backup/frames.ts";
import { readInventory, requestLine } from "../backup/inventory.ts";
import { ARCHIVE_FORMAT, type Manifest, parseManifest } from "../backup/manifest.ts";
import type { EngineSession } from "../engine/operate.ts";
import { engineCommand } from "../engine/query.ts";
import { interruptible } from "../process/interruptible.ts";
import { consoleReporter, type Reporter, type Step } from "../report/progress.ts";
import { size } from "../report/size.ts";
import { sshClient } from "../ssh/controller.ts";
import { type ControllerProgram, controllerProgram } from "../ssh/controller-program.ts";
import { stackPassphrase } from "../state/passphrase.ts";
import { type Context, clusterFile, openSession } from "./context.ts";

/** What `hyperlab backup` is asked for. */
export interface BackupRequest {
  /** Users' homes too. */
  readonly homes: boolean;
  /** File to write. Default: one in the current folder, named after cluster and time. */
  readonly to: string | undefined;
  readonly json: boolean;
  /** Account on the controller; it needs sudo. */
  readonly user: string | undefined;
}

/** Everything of this machine that a backup needs. */
export interface BackupSource {
  readonly stack: string;
  readonly passphrase: string;
  readonly own: readonly OwnMember[];
  readonly now: Date;
}

/** Saves what only the controller has, and the stack's state, in one encrypted file. Returns the exit code. */
export async function backup(context: Context, request: BackupRequest): Promise<number> {
  const report = request.json ? consoleReporter(process.stderr) : context.report;
  const source = {
    stack: context.layout.stack,
    passphrase: stackPassphrase(context.layout, context.env),
    now: new Date(),
  };
  const program = controllerProgram(await sshClient(context), request.user);
  const own = await ownMembers(context, await openSession(context));
  const outcome = await interruptible((signal) =>
    backupBy(program, { ...source, own }, request, report, signal),
  );
  if (!outcome.interrupted) return 0;
  report.line("Interrupted; no file was written.");
  return 130;
}

/** The stack's state, settings and cluster file. As the engine stores it: its secrets are encrypted with the passphrase, whose salt is in the stack file. */
export async function ownMembers(context: Context, session: EngineSession): Promise<OwnMember[]> {
  const { layout } = context;
  const state = await engineCommand(session, ["stack", "export", "--stack", layout.stack]);
  const file = clusterFile(context);
  return [
    { name: "state.json", content: Buffer.from(state) },
    { name: "stack.yaml", content: readFileSync(layout.stackFile) },
    ...(file === undefined ? [] : [{ name: "cluster.yaml", content: readFileSync(file.path) }]),
  ];
}

/** The same from a given controller. Gives what was written. */
export async function backupBy(
  program: ControllerProgram,
  source: BackupSource,
  request: BackupRequest,
  report: Reporter,
  signal?: AbortSignal,
): Promise<Manifest> {
  const { cluster } = await readInventory(program);
  const date = source.now.toISOString();
  const file = resolve(request.to ?? `${cluster}-${date.replaceAll(/[-:]|\.\d+/g, "")}.hyperlab-backup`);
  const written = await report.step(`Backing up cluster ${cluster}`, async (step) => {
    const kept: { manifest?: Manifest } = {};
    const watch = watchOn(step);
    const guest = program("backup", homesRequest(request.homes), (line) => step.detail(line), signal);
    const frames = noted(composed(guest, source.own, { date, stack: source.stack }, watch), kept);
    const head = { format: ARCHIVE_FORMAT, cluster, date };
    await writeArchive(file, frames, source.passphrase, head, signal);
    if (kept.manifest === undefined) throw new Error("the backup has no manifest");
    return kept.manifest;
  });
  const bytes = statSync(file).size;
  if (request.json) process.stdout.write(`${JSON.stringify({ file, bytes, ...written }, null, 2)}\n`);
  else {
    report.line(`${file} (${size(bytes)}) holds:`);
    for (const line of memberLines(written)) report.line(line);
    report.line("It opens with the stack's passphrase only: keep a copy of that apart from it.");
    if (!request.homes) report.line("Homes are not in it (--homes).");
  }
  return written;
}

/** A manifest's members for people. */
export const memberLines = ({ members }: Manifest): string[] =>
  members.map(
    ({ bytes, name, sha256 }) => `  ${name.padEnd(14)} ${size(bytes).padStart(10)}  SHA-256 ${sha256}`,
  );

/** Shows how much of a member has passed. */
export function watchOn(step: Step): Watch {
  let current = "";
  let sum = 0;
  return (member, bytes) => {
    if (member !== current) [current, sum] = [member, 0];
    sum += bytes;
    step.detail(`${member}, ${size(sum)}`);
  };
}

async function* homesRequest(homes: boolean): AsyncGenerator<Buffer> {
  yield requestLine({ homes });
}

async function* noted(frames: AsyncIterable<Frame>, kept: { manifest?: Manifest }): AsyncGenerator<Frame> {
  for await (const frame of frames) {
    if (frame.kind === "end") {
      const manifest = parseManifest(frame.text);
      if (manifest !== undefined) kept.manifest = manifest;
    }
    yield frame;
  }
}
