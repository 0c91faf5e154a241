import { ProviderError } from "../../../../plugin/errors.ts";
import type { PropertyMap } from "../../../../plugin/values.ts";
import { newGeneration } from "../../../ownership/index.ts";
import type { Permit } from "../../../rollout.ts";
import type { DomainInputs } from "../../inputs.ts";
import type { Definition } from "../definition.ts";
import { entriesOf, staleEntries } from "../entries.ts";
import { addEntries, removeEntries } from "../host/network-entries.ts";
import type { Observation } from "../host/observe.ts";
import { createOverlay, growOverlay, overlayName, requireImage } from "../host/overlay.ts";
import type { DomainMark } from "../mark.ts";
import { type Action, changesIdentity, type DomainPlan } from "../plan/plan.ts";
import { type Run, withSignal } from "../run.ts";
import { type DomainState, healthyFacts, measuredOn } from "../state.ts";
import { type Booted, boot, changeKeys, startGuest } from "./boot.ts";
import { bringUp } from "./bring-up.ts";
import { defineDomain, defineXml, newMark, setAutostart, writeMark, writeRecovery } from "./define.ts";
import { applyLive } from "./live.ts";
import { finishRebuild, nextGeneration, RolledBack, rebuild, rollBack } from "./rebuild.ts";
import { type Outcome, partialFailure, powerAfterFailure } from "./result.ts";
import { stopGuest } from "./stop.ts";

/** A change to be carried out. */
export interface Change {
  readonly plan: DomainPlan;
  readonly inputs: DomainInputs;
  readonly raw: PropertyMap;
  readonly definition: Definition;
  /** Definition that was declared before: its entries are ours. */
  readonly before: Definition;
  readonly state: DomainState;
}

/** What no update carries out. */
const impossible: ReadonlySet<Action> = new Set(["recover", "replace", "forbidden"]);

/** Carries out a plan on a domain that exists. */
export async function updateDomain(run: Run, change: Change, seen: Observation): Promise<Outcome> {
  const { definition, plan } = change;
  const mark = markOf(run, change, seen);
  await refuseSaved(run, change, seen);
  // By itself, and first: what else happens to the machine may fail, and the record is no part of what it is.
  if (!impossible.has(plan.action) && seen.parsed.definition.recoveryRecord !== definition.recoveryRecord) {
    await writeRecovery(run, seen.seen.ref, definition.recoveryRecord);
  }
  switch (plan.action) {
    case "nothing":
    case "record":
      if (mark.inputHash !== seen.parsed.mark?.inputHash) await writeMark(run, seen.seen.ref, mark);
      return outcome(change, mark, seen);
    case "live": {
      // Keys that were changed while the machine was off: it is waited for again once it runs, and takes them then.
      const owes = changesIdentity(plan) && seen.facts.power !== "running";
      const marked: DomainMark = owes ? { ...mark, pending: mark.pending ?? "ready" } : mark;
      await changeLive(run, change, seen, marked);
      return outcome(change, marked, seen);
    }
    case "continue":
    case "start":
    case "resume":
      return startUp(run, change, seen, mark);
    case "redefine":
      return redefine(run, change, seen, mark);
    case "stop":
      return withPermit(run, change.inputs, () => stop(run, change, seen, mark));
    case "restart":
      return withPermit(run, change.inputs, () => restart(run, change, seen, mark));
    case "rebuild":
      return plan.stops
        ? withPermit(run, change.inputs, () => rebuild(run, change, seen, mark))
        : rebuild(run, change, seen, mark);
    case "recover":
    case "replace":
    case "forbidden":
      throw new ProviderError(
        `${run.name} cannot be changed in place (${plan.line}). Run the preview and the update again.`,
        "failedPrecondition",
      );
    default:
      return unreachable(plan.action);
  }
}

/** libvirt starts a saved guest as it was, with its old definition and disks: it would not notice the change. */
async function refuseSaved(run: Run, change: Change, seen: Observation): Promise<void> {
  const { defines, newRootDisk } = change.plan;
  if (seen.seen.liveXml !== undefined || !(defines || newRootDisk)) return;
  if (!(await run.provider.client.domainHasManagedSave(seen.seen.ref, withSignal(run)))) return;
  throw new ProviderError(
    `${run.name} is saved with its memory and would go on as it was, without the change. Nothing was changed. ` +
      `Start it with "virsh start ${run.name}" and run the update again; or, if what is in its memory is not needed, ` +
      `use "virsh managedsave-remove ${run.name}" first.`,
    "failedPrecondition",
  );
}

function unreachable(action: never): never {
  throw new Error(`no step for ${String(action)}`);
}

/** The measured boot for a mark, where there is one. */
const measured = (bootSeconds: number): Pick<DomainMark, "bootSeconds"> =>
  bootSeconds === 0 ? {} : { bootSeconds };

/** The mark with the new inputs; everything else as it is on the host. */
function markOf(run: Run, change: Change, seen: Observation): DomainMark {
  const present = seen.parsed.mark;
  return newMark(run, change.definition, present?.generation ?? newGeneration(), {
    ...(present?.disks === undefined ? {} : { disks: present.disks }),
    ...(present?.pending === undefined ? {} : { pending: present.pending }),
    ...(present?.previous === undefined ? {} : { previous: present.previous }),
    ...measured(measuredOn(change.state, seen.rootVolume)),
  });
}

function outcome(change: Change, mark: DomainMark, seen: Observation, booted?: Booted): Outcome {
  return {
    state: {
      ...change.state,
      generation: mark.generation,
      rootVolume: seen.rootVolume,
      bootSeconds: booted?.seconds ?? measuredOn(change.state, seen.rootVolume),
    },
    facts: {
      ...healthyFacts(change.inputs, booted?.quiesceHook ?? seen.facts.quiesceHook),
      pending: change.inputs.running === false ? mark.pending : undefined,
    },
  };
}

/** Takes a permit of the group. Whatever goes wrong keeps the rest of the group untouched. */
export async function withPermit<T>(
  run: Run,
  inputs: Pick<DomainInputs, "rolloutGroup" | "maxUnavailable">,
  work: () => Promise<T>,
): Promise<T> {
  if (inputs.rolloutGroup !== undefined) {
    run.call.logger.status(`${run.name}: waits for its turn in the group ${inputs.rolloutGroup}`);
  }
  const permit: Permit = await run.provider.rollout.acquire({
    group: inputs.rolloutGroup,
    machine: run.name,
    maxUnavailable: inputs.maxUnavailable ?? 1,
    signal: run.call.signal,
  });
  try {
    const result = await work();
    permit.release();
    return result;
  } catch (error) {
    permit.fail(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** Writes the definition (with the mark) and what belongs to it, without touching the power state. */
async function write(
  run: Run,
  change: Change,
  seen: Observation,
  mark: DomainMark,
  liveXml?: string,
): Promise<void> {
  const { definition, before } = change;
  await removeEntries(run, staleEntries(entriesOf(before), entriesOf(definition)));
  await addEntries(run, entriesOf(definition), entriesOf(before));
  const { ref } = seen.seen;
  if (change.plan.defines) {
    await defineDomain(run, {
      definition,
      uuid: seen.parsed.uuid,
      mark,
      rootVolume: seen.rootVolume,
      current: seen.parsed,
      liveXml,
    });
  } else await writeMark(run, ref, mark);
  if (seen.seen.autostart !== definition.autostart) {
    await setAutostart(run, ref, definition.autostart);
  }
}

async function grow(run: Run, change: Change, seen: Observation, running: boolean): Promise<void> {
  const root = change.definition.rootDisk;
  if (root === undefined || seen.rootVolume === undefined) return;
  await growOverlay(run, seen.rootVolume, root, running ? seen.seen.ref : undefined);
}

/** The guest first: what it refuses leaves the definition as it was. */
async function changeLive(run: Run, change: Change, seen: Observation, mark: DomainMark): Promise<void> {
  const running = seen.seen.liveXml !== undefined;
  await applyLive(run, seen.seen.ref, change.definition, seen);
  await grow(run, change, seen, running);
  // A machine that is started or waited for takes them then.
  if (change.plan.action === "live" && seen.facts.power === "running" && changesIdentity(change.plan)) {
    await changeKeys(run, seen.seen.ref, change.inputs);
  }
  const { client } = run.provider;
  const liveXml = running ? await client.domainGetXmlDesc(seen.seen.ref, withSignal(run)) : undefined;
  await write(run, change, seen, mark, liveXml);
}

/** Starts or resumes a machine, or goes on waiting for one that an earlier run started. */
async function startUp(run: Run, change: Change, seen: Observation, mark: DomainMark): Promise<Outcome> {
  await changeLive(run, change, seen, mark);
  return bringUpMarked(run, change, seen, mark);
}

/** Notes on the host that the machine is being started, so that a killed run is gone on with; then waits. */
async function bringUpMarked(
  run: Run,
  change: Change,
  seen: Observation,
  mark: DomainMark,
): Promise<Outcome> {
  const pending = mark.pending ?? "ready";
  const marked: DomainMark = { ...mark, pending };
  const { ref } = seen.seen;
  try {
    if (seen.parsed.mark?.pending !== pending) await writeMark(run, ref, marked);
    if (marked.previous !== undefined) return await prove(run, change, seen, marked);
    return outcome(change, mark, seen, await bringUp(run, ref, change.inputs, marked));
  } catch (error) {
    throw await failedBoot(run, change, seen, marked, error);
  }
}

/** A new root disk whose run was killed: proves itself now, or the machine goes back to the old one. */
async function prove(run: Run, change: Change, seen: Observation, mark: DomainMark): Promise<Outcome> {
  const { ref } = seen.seen;
  let booted: Booted;
  try {
    booted = await boot(run, ref, change.inputs, true);
  } catch (error) {
    throw await rollBack(run, change, ref, mark, error);
  }
  const proved = outcome(change, mark, seen, booted);
  await finishRebuild(run, ref, change, mark, proved);
  return proved;
}

/** The machine is there, but not ready: recorded, so that the next run waits for it again. */
async function failedBoot(
  run: Run,
  change: Change,
  seen: Observation,
  mark: DomainMark,
  error: unknown,
): Promise<unknown> {
  // The old disk serves again: nothing of the change is left to record.
  if (error instanceof RolledBack) return error;
  const power = await powerAfterFailure(run, change.state.uuid, "running");
  const { state, facts } = outcome(change, mark, seen);
  return partialFailure(
    run,
    change.inputs,
    { state, facts: { ...facts, power, pending: mark.pending } },
    run.call.signal.aborted ? run.call.signal.reason : error,
  );
}

/** Changes a machine that is off. */
async function redefine(run: Run, change: Change, seen: Observation, mark: DomainMark): Promise<Outcome> {
  await grow(run, change, seen, false);
  const pending = mark.pending ?? (change.plan.starts ? "ready" : undefined);
  await write(run, change, seen, { ...mark, ...(pending === undefined ? {} : { pending }) });
  if (!change.plan.starts) return outcome(change, mark, seen);
  return bringUpMarked(run, change, seen, mark);
}

async function stop(run: Run, change: Change, seen: Observation, mark: DomainMark): Promise<Outcome> {
  await stopGuest(run, seen.seen.ref, { inputs: change.inputs, reason: change.plan.line, neverUp: false });
  if (change.plan.newRootDisk) return rebuild(run, change, seen, mark);
  await grow(run, change, seen, false);
  // A machine that was up once has nothing to prove when it is started again.
  const { pending, ...rest } = mark;
  const settled: DomainMark = pending === "boot" ? mark : rest;
  await write(run, change, seen, settled);
  return outcome(change, settled, seen);
}

/** Quiesce, stop, one call for the new definition, start, wait. */
async function restart(run: Run, change: Change, seen: Observation, mark: DomainMark): Promise<Outcome> {
  await stopGuest(run, seen.seen.ref, { inputs: change.inputs, reason: change.plan.line, neverUp: false });
  const marked: DomainMark = { ...mark, pending: mark.pending ?? "ready" };
  try {
    await grow(run, change, seen, false);
    await write(run, change, seen, marked);
    await startGuest(run, seen.seen.ref);
  } catch (error) {
    throw await startOldAgain(run, seen, error);
  }
  return bringUpMarked(run, change, seen, marked);
}

/** The changed machine cannot be defined or started: the old definition serves on. */
async function startOldAgain(run: Run, seen: Observation, error: unknown): Promise<unknown> {
  if (run.call.signal.aborted) return error;
  const why = error instanceof Error ? error.message : String(error);
  try {
    const ref = await defineXml(run, seen.seen.xml);
    await startGuest(run, ref);
  } catch (second) {
    const reason = second instanceof Error ? second.message : String(second);
    return new ProviderError(
      `${run.name} was stopped and could not be changed: ${why}. It could not be started as it was either: ${reason}. ` +
        "Repair the cause and run the update again.",
      "failedPrecondition",
      error,
    );
  }
  return new ProviderError(
    `${run.name} was stopped and could not be started with the change: ${why}. It runs again as it was before. ` +
      "Correct the change and run the update again.",
    "failedPrecondition",
    error,
  );
}

/** Defines a machine again whose definition is gone; on its own disk where that is still there. */
export async function recoverDomain(run: Run, change: Change): Promise<Outcome> {
  const { definition, inputs, plan } = change;
  const root = definition.rootDisk;
  const known = change.state.generation === "" ? newGeneration() : change.state.generation;
  const generation = plan.newRootDisk && root !== undefined ? nextGeneration(known, root.image) : known;
  const rootVolume =
    root === undefined
      ? undefined
      : plan.newRootDisk || change.state.rootVolume === undefined
        ? { pool: root.pool, volume: overlayName(definition.name, generation) }
        : change.state.rootVolume;
  const mark = newMark(run, definition, generation, {
    ...(rootVolume === undefined || change.state.imported ? {} : { disks: [rootVolume] }),
    ...(plan.newRootDisk ? { pending: "boot" as const } : plan.starts ? { pending: "ready" as const } : {}),
    ...(plan.newRootDisk ? {} : measured(change.state.bootSeconds)),
  });
  const image = root === undefined || !plan.newRootDisk ? undefined : await requireImage(run, root);
  const ref = await defineDomain(run, { definition, uuid: change.state.uuid, mark, rootVolume });
  const bootSeconds = plan.newRootDisk ? 0 : change.state.bootSeconds;
  const state: DomainState = { ...change.state, generation, rootVolume, bootSeconds };
  try {
    if (root !== undefined && rootVolume !== undefined) {
      if (image !== undefined) await createOverlay(run, rootVolume, root, image);
      else await growOverlay(run, rootVolume, root, undefined);
    }
    await addEntries(run, entriesOf(definition));
    await setAutostart(run, ref, definition.autostart);
    const booted = plan.starts ? await bringUp(run, ref, inputs, mark) : undefined;
    const pending = plan.starts ? undefined : mark.pending;
    return {
      state: { ...state, bootSeconds: booted?.seconds ?? bootSeconds },
      facts: { ...healthyFacts(inputs, booted?.quiesceHook), pending },
    };
  } catch (error) {
    const power = await powerAfterFailure(run, change.state.uuid, "off");
    throw partialFailure(
      run,
      inputs,
      { state, facts: { ...healthyFacts(inputs), power, pending: mark.pending } },
      error,
    );
  }
}
