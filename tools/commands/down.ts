import { type EngineSession, operate } from "../engine/operate.ts";
import { checkpoint, engineCommand, ensureStack } from "../engine/query.ts";
import { startHypervisor } from "../hypervisor/ensure.ts";
import { isLocalSystem } from "../preflight/needs.ts";
import { refuse } from "../preflight/refusal.ts";
import { ask } from "../report/ask.ts";
import { shortType } from "../report/run-display.ts";
import { removeSshFiles, sshFiles } from "../ssh/client-files.ts";
import { recordCreations } from "../state/begun.ts";
import { type CheckpointSummary, readCheckpoint } from "../state/checkpoint.ts";
import { type Context, openSession } from "./context.ts";
import { settle } from "./settle.ts";
import { failure } from "./up.ts";

/** What happens to protected volumes. */
export interface DownOptions {
  /** Remove protected volumes too, without asking. */
  yes: boolean;
  /** Keep protected volumes, without asking. */
  keepProtected: boolean;
}

/** Removes what the stack made and nothing else. Returns the exit code. */
export async function down(context: Context, options: DownOptions): Promise<number> {
  // Saying that there is nothing needs no engine, which may take minutes to obtain.
  if (readCheckpoint(context.layout)?.exists === false) return nothingToRemove(context);
  return removeStack(context, await openSession(context), options);
}

function nothingToRemove({ layout, report }: Context): number {
  report.line(`Stack ${layout.stack} has nothing to remove.`);
  return 0;
}

/** As `down`, with an engine that is there already. */
export async function removeStack(
  context: Context,
  session: EngineSession,
  options: DownOptions,
): Promise<number> {
  const { layout, report } = context;
  const state = await existing(context, session);
  if (!state.exists || state.resources.length === 0) {
    await forgetStack(context, session, state.exists);
    return nothingToRemove(context);
  }
  const kept = await settleProtected(context, session, state, options);
  const result = await operate(session, "destroy", report, {
    label: `Removing stack ${layout.stack}`,
    args: kept ? ["--exclude-protected"] : [],
  });
  if (result.code !== 0) {
    report.line(result.interrupted ? "Interrupted; `npm run down` goes on from here." : failure(result.log));
    return result.code;
  }
  const left = (await checkpoint(session, layout)).resources.filter((resource) => resource.protect);
  removeSshFiles(sshFiles(layout.folder, layout.stack));
  if (left.length > 0) {
    report.line(
      `Kept because they are protected: ${left.map(nameOf).join(", ")}. \`npm run up\` uses them again.`,
    );
    return 0;
  }
  await forgetStack(context, session, true);
  report.line(
    `Everything of stack ${layout.stack} is removed. Caches stay in ${context.cache}; passphrase, keys, settings and logs in ${layout.folder}.`,
  );
  return 0;
}

async function existing(context: Context, session: EngineSession): Promise<CheckpointSummary> {
  const { layout, report } = context;
  const early = readCheckpoint(layout);
  if (early?.exists === false) return early;
  // Whether another backend has the stack is not to be known without asking for it; an empty one is removed again.
  await ensureStack(session, layout);
  const { hosts } = early ?? (await checkpoint(session, layout));
  if (hosts.some(isLocalSystem)) await startHypervisor({ report });
  // What they made is to go, and no program runs that would find it.
  await settle(context, session, recordCreations);
  return checkpoint(session, layout);
}

const nameOf = (resource: { urn: string; type: string }): string =>
  `${shortType(resource.type)} ${resource.urn.split("::").at(-1) ?? resource.urn}`;

/** Lists what is protected and asks for it. True where it is to be kept. */
async function settleProtected(
  context: Context,
  session: EngineSession,
  state: CheckpointSummary,
  options: DownOptions,
): Promise<boolean> {
  const { layout, report } = context;
  const guarded = state.resources.filter((resource) => resource.protect);
  if (guarded.length === 0) return false;
  report.line("These hold data that nothing can make again (homes, SLURM's accounting), and are protected:");
  for (const resource of guarded) report.line(`  ${nameOf(resource)}`);
  if (options.keepProtected) return true;
  if (!options.yes && !context.interactive) {
    refuse(
      "protected",
      "protected volumes are not removed without being asked for, and nobody can be asked here",
      "npm run down -- --keep-protected keeps them; npm run down -- --yes removes them with their data",
    );
  }
  const question = `Remove them with their data? Type the name of the stack (${layout.stack}) to do so: `;
  if (!options.yes && (await ask(question)) !== layout.stack) {
    report.line("They are kept.");
    return true;
  }
  await engineCommand(session, ["state", "unprotect", "--all", "--yes", "--stack", layout.stack]);
  return false;
}

/** Removes the empty stack; its settings stay, so that a later `up` starts from the same ones. */
async function forgetStack(context: Context, session: EngineSession, exists: boolean): Promise<void> {
  if (exists)
    await engineCommand(session, ["stack", "rm", context.layout.stack, "--yes", "--preserve-config"]);
}
