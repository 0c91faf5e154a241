import { openRecovery, type Recovery, RecoveryRecordError } from "../../components/stack-identity/index.ts";
import { poweredByFile } from "../../planning/index.ts";
import { controllerName } from "../../planning/names.ts";
import { identityState, madeBy, parseEmptyState } from "../adopt/identity-state.ts";
import { readMarks } from "../adopt/records.ts";
import { type StackMark, selectRecord } from "../adopt/select.ts";
import type { EngineSession } from "../engine/operate.ts";
import { checkpoint, engineCommand, ensureStack } from "../engine/query.ts";
import { refuse } from "../preflight/refusal.ts";
import { ask } from "../report/ask.ts";
import { readCheckpoint } from "../state/checkpoint.ts";
import { generationsInForce } from "../state/key-generation.ts";
import { stackPassphrase } from "../state/passphrase.ts";
import { stackConfiguration } from "../state/stack-configuration.ts";
import { type Context, readLab } from "./context.ts";
import { prepareRun } from "./prepare.ts";
import { bringUp, type UpOptions } from "./up.ts";

/** What is adopted: the cluster as its file declares it. */
export interface AdoptedCluster {
  /** Name of the lab in the cluster file. */
  readonly lab: string;
  readonly controller: string;
  /** Names of every machine that the cluster file declares. */
  readonly machines: readonly string[];
  /** libvirt URI of the host. */
  readonly uri: string;
}

/** Rebuilds a stack's state, which was lost, from what is on its host. Returns the exit code. */
export async function adopt(context: Context, options: UpOptions): Promise<number> {
  const config = readLab(context);
  if (config?.hpc === undefined) throw new Error("the cluster file of the stack declares no cluster");
  const { host, name } = config.hpc;
  const machines = [...poweredByFile(config.hpc).keys()];
  const cluster = { lab: config.name, controller: controllerName(name), machines, uri: host.uri };
  return adoptCluster(context, cluster, options, (present) => prepareRun(context, "change", present));
}

/**
 * Brings the stack's identity back and goes on as `up`, whose creates adopt what is there. Until the engine has the
 * identity nothing is changed; from then on `up` and this go on from wherever they were interrupted.
 *
 * @param open Obtains the engine; gets the machines that are on the host already.
 * @throws Refusal where the state holds something, or no record of the host fits this stack.
 */
export async function adoptCluster(
  context: Context,
  cluster: AdoptedCluster,
  options: UpOptions,
  open: (machines: readonly string[]) => Promise<EngineSession>,
  question = ask,
): Promise<number> {
  const { layout, report } = context;
  const passphrase = stackPassphrase(layout, context.env);
  const early = readCheckpoint(layout);
  if (early !== undefined) mustHoldNothing(layout.stack, early.resources);
  const { project, stack } = layout;
  const wanted = { project, stack, controller: cluster.controller };
  const selected = selectRecord(await readMarks(cluster.uri), wanted, cluster.uri);
  if (selected.kind === "none") refuse("record", selected.problem, selected.fix);
  const recovery = await opened(context, selected.record, passphrase, selected.owner, cluster.controller);
  mustHaveGenerations(context, recovery);
  mustDeclare(cluster.machines, selected.machines);
  const session = await open(selected.machines);
  await ensureStack(session, layout);
  mustHoldNothing(stack, (await checkpoint(session, layout)).resources);
  await takeIdentity(session, { lab: cluster.lab, project, stack }, recovery);
  report.line(
    `Stack ${stack} knows its keys again. On its host: ${selected.machines.join(", ")}. What the preview shows as adopted stays as it is.`,
  );
  return bringUp(
    context,
    session,
    { confirm: `Stack ${stack} takes over what is on the host.`, ...options },
    question,
  );
}

async function opened(
  { layout }: Context,
  record: string,
  passphrase: string,
  owner: StackMark["owner"],
  controller: string,
): Promise<Recovery> {
  try {
    return await openRecovery(record, passphrase, owner);
  } catch (error) {
    if (!(error instanceof RecoveryRecordError)) throw error;
    const place = layout.passphraseFile;
    refuse(
      "passphrase",
      `the recovery record of ${controller} cannot be opened: ${error.message}`,
      place === undefined
        ? "set the passphrase that the stack had in PULUMI_CONFIG_PASSPHRASE_FILE"
        : `write the passphrase that the stack had into ${place}`,
    );
  }
}

/** Keys of other generations than those in force would be rotated back, under the jobs that run. */
function mustHaveGenerations({ layout, root }: Context, { keyGenerations }: Recovery): void {
  const declared = new Map(Object.entries(generationsInForce(layout)));
  const keys = [...new Set([...Object.keys(keyGenerations), ...declared.keys()])];
  const wrong = keys.filter((key) => (keyGenerations[key] ?? 1) !== (declared.get(key) ?? 1));
  if (wrong.length === 0) return;
  const list = wrong.map(
    (key) => `${key} at generation ${keyGenerations[key] ?? 1}, not ${declared.get(key) ?? 1}`,
  );
  const { name } = stackConfiguration(layout, root);
  const right = Object.entries(keyGenerations).map(([key, generation]) => `${key}: ${generation}`);
  refuse(
    "keys",
    `the cluster has ${list.join(" and ")}, as ${name} declares`,
    `write into ${name}, below config: "${layout.project}:keys: {${right.join(", ")}}"`,
  );
}

/** A machine that is not declared would be in no state: nothing would ever empty or remove it. */
function mustDeclare(declared: readonly string[], present: readonly string[]): void {
  const missing = present.filter((name) => !declared.includes(name));
  if (missing.length === 0) return;
  const one = missing.length === 1;
  refuse(
    "cluster file",
    `${missing.join(", ")} ${one ? "is" : "are"} on the host and of this stack, but the cluster file does not declare ${one ? "it" : "them"}`,
    `declare ${one ? "it" : "them"} as before, and take ${one ? "it" : "them"} out with the update after the adoption, which empties ${one ? "it" : "them"} first`,
  );
}

function mustHoldNothing(stack: string, resources: readonly { readonly type: string }[]): void {
  const made = madeBy(resources).length;
  if (made === 0) return;
  refuse(
    "state",
    `stack ${stack} has a state, with ${made} resources that it made`,
    "adopt only where the state was lost; with a state hyperlab up goes on. A stack that was begun anew after a loss is removed by hyperlab down, which leaves alone what the lost one made",
  );
}

/** The engine encrypts the secret; it goes through a pipe only. */
async function takeIdentity(
  session: EngineSession,
  names: Parameters<typeof identityState>[0],
  recovery: Recovery,
): Promise<void> {
  const empty = parseEmptyState(await engineCommand(session, ["stack", "export", "--stack", names.stack]));
  const state = identityState(names, recovery, empty);
  await engineCommand(session, ["stack", "import", "--stack", names.stack], state);
}
