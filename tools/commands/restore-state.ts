import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { memberContent } from "../backup/archive.ts";
import type { Manifest } from "../backup/manifest.ts";
import type { EngineSession } from "../engine/operate.ts";
import { checkpoint, engineCommand, ensureStack } from "../engine/query.ts";
import { refuse } from "../preflight/refusal.ts";
import { readCheckpoint } from "../state/checkpoint.ts";
import { prepareState } from "../state/layout.ts";
import type { Context } from "./context.ts";

/** The archive that a stack's state comes from; it was checked before. */
export interface StateArchive {
  readonly file: string;
  readonly passphrase: string;
  readonly manifest: Manifest;
}

/**
 * Puts the stack's state of an archive in the place of one that was lost. No machine is touched.
 * @param own The passphrase of this stack, which the state's secrets will be read with.
 * @throws Refusal where the stack has resources, is another one, or the passphrase is another one.
 */
export async function restoreState(
  context: Context,
  archive: StateArchive,
  own: string,
  open: () => Promise<EngineSession>,
): Promise<number> {
  const { layout, report, root } = context;
  const { manifest } = archive;
  mustBeOfStack(context, archive, own);
  // Before the engine writes a salt of its own.
  const early = readCheckpoint(layout);
  if (early !== undefined) mustBeEmpty(layout.stack, early.resources.length);
  const session = await open();
  if (early === undefined) {
    await ensureStack(session, layout);
    mustBeEmpty(layout.stack, (await checkpoint(session, layout)).resources.length);
  }
  const stackFile = await member(archive, "stack.yaml");
  const draft = join(layout.folder, `state.${process.pid}.json`);
  try {
    writeFileSync(layout.stackFile, stackFile, { mode: 0o600 });
    prepareState(layout, root);
    await ensureStack(session, layout);
    writeFileSync(draft, await member(archive, "state.json"), { mode: 0o600 });
    await engineCommand(session, ["stack", "import", "--stack", layout.stack, "--file", draft]);
  } finally {
    rmSync(draft, { force: true });
  }
  report.line(`Stack ${layout.stack} has its state of ${manifest.date} again; no machine was touched.`);
  report.line("Look at what changed since: hyperlab preview");
  return 0;
}

function mustBeOfStack({ layout }: Context, { manifest, passphrase }: StateArchive, own: string): void {
  if (manifest.stack !== layout.stack) {
    refuse(
      "stack",
      `the backup has the state of stack ${manifest.stack}, not of ${layout.stack}`,
      `name the stack: --stack ${manifest.stack}`,
    );
  }
  if (passphrase !== own) {
    const place = layout.passphraseFile;
    const where = place === undefined ? "set it in PULUMI_CONFIG_PASSPHRASE_FILE" : `write it into ${place}`;
    refuse("passphrase", "the state's secrets are read with another passphrase than this stack's", where);
  }
}

function mustBeEmpty(stack: string, resources: number): void {
  if (resources === 0) return;
  refuse(
    "state",
    `stack ${stack} has a state with ${resources} resources, which would be forgotten with their machines`,
    "restore a state only where it was lost; hyperlab down removes what the stack made",
  );
}

async function member({ file, passphrase }: StateArchive, name: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of memberContent(file, passphrase, name)) pieces.push(piece);
  return Buffer.concat(pieces);
}
