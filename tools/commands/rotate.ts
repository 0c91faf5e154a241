import type { RotatedKey } from "../../components/hpc-cluster/key-generations.ts";
import type { EngineSession } from "../engine/operate.ts";
import { checkpoint } from "../engine/query.ts";
import { refuse } from "../preflight/refusal.ts";
import { ask } from "../report/ask.ts";
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
};

/** Keys that cannot be rotated, why, and what a person can do. */
const NOT_YET = {
  "ssh-host-keys": {
    problem:
      "the machines' SSH host keys cannot be rotated yet: hyperlab cannot replace them on machines that run",
    fix: "where a host key is known to somebody else, make a new lab: hyperlab down, then hyperlab up",
  },
  "user-keys": {
    problem: "the key that hyperlab made for a person without one cannot be rotated yet",
    fix: "put other public keys under users: ssh_keys into the cluster file and run hyperlab up; no machine restarts",
  },
} as const;

/** What `rotate` is asked for. */
export type RotateTarget = RotatedKey | keyof typeof NOT_YET;

/** Names of {@link RotateTarget}. */
export const ROTATE_TARGETS: readonly RotateTarget[] = [
  "slurm-key",
  "db-password",
  "ssh-host-keys",
  "user-keys",
];

/**
 * Declares the next generation of a key and applies that as `up` does. Returns the exit code.
 *
 * @param open Makes the context; not called where the key cannot be rotated.
 * @throws Refusal where the key cannot be rotated.
 */
export async function rotate(
  open: () => Context,
  target: RotateTarget,
  options: RotateOptions,
): Promise<number> {
  if (target === "ssh-host-keys" || target === "user-keys") {
    const { fix, problem } = NOT_YET[target];
    refuse("rotate", problem, fix);
  }
  const context = open();
  return applyRotation(context, await prepareRun(context, "change"), target, options);
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
  const declared = declareNextGeneration(layout, root, key);
  let begun = false;
  try {
    report.line(`${declared.file}: ${key} goes from generation ${declared.from} to ${declared.to}`);
    const result = await tryUp(context, session, { ...options, confirm: EFFECTS[key] }, question);
    begun = result.begun;
    return result.code;
  } finally {
    if (!begun) {
      declared.undo();
      report.line(`${declared.file} is as it was before.`);
    }
  }
}
