import type { RotatedKey } from "../../components/hpc-cluster/key-generations.ts";
import type { EngineSession } from "../engine/operate.ts";
import { checkpoint } from "../engine/query.ts";
import { refuse } from "../preflight/refusal.ts";
import { ask } from "../report/ask.ts";
import { replaceOwnKey } from "../ssh/own-key.ts";
import { declareNextGeneration } from "../state/key-generation.ts";
import type { Context } from "./context.ts";
import { prepareRun } from "./prepare.ts";
import { tryUp } from "./up.ts";

export interface RotateOptions {
  /** Do not ask. */
  yes: boolean;
}

/** What changes for whom, for the question. */
const EFFECTS: Readonly<Record<RotatedKey, string>> = {
  "slurm-key": "Every machine gets a new SLURM key in three steps, which takes some minutes; jobs go on.",
  "db-password": "The accounting database gets a new password and slurmdbd restarts; jobs go on.",
  "ssh-host-keys":
    "Every machine gets a new SSH host key while it runs; sessions and jobs go on. Who keeps the machines' keys in files of their own needs the new ones.",
  "user-keys":
    "hyperlab's own key to the machines is made anew, and yours where hyperlab made it; sessions and jobs go on. Where the cluster file names no users, the default user's keys become those that you have now.",
};

/**
 * Declares the next generation of a key and applies that as `up` does. Returns the exit code.
 *
 * @throws Refusal where there is no cluster.
 */
export async function rotate(context: Context, key: RotatedKey, options: RotateOptions): Promise<number> {
  return applyRotation(context, await prepareRun(context, "change"), key, options);
}

/** As `rotate`, with an engine that is there already. */
export async function applyRotation(
  context: Context,
  session: EngineSession,
  key: RotatedKey,
  options: RotateOptions,
  question = ask,
): Promise<number> {
  const { layout, report, root } = context;
  const { resources } = await checkpoint(session, layout);
  if (!resources.some((resource) => resource.urn.endsWith("-secrets"))) {
    refuse(
      "rotate",
      `stack ${layout.stack} has made no cluster yet, so there is no key`,
      "run hyperlab up first",
    );
  }
  const own = key === "user-keys" ? await replaceOwnKey(layout.folder) : undefined;
  const declared = declareNextGeneration(layout, root, key);
  let begun = false;
  try {
    if (own !== undefined)
      report.line(`${own.file} is made anew; the old key is kept until it is not needed any more.`);
    report.line(`${declared.file}: ${key} goes from generation ${declared.from} to ${declared.to}`);
    const result = await tryUp(context, session, { ...options, confirm: EFFECTS[key] }, question);
    begun = result.begun;
    return result.code;
  } finally {
    if (!begun) {
      declared.undo();
      own?.undo();
      report.line(`${declared.file} is as it was before.`);
    }
  }
}
