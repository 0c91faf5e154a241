import { createHash } from "node:crypto";
import { ProviderError } from "../../../../plugin/errors.ts";
import type { DomainRef } from "../../../client/types.ts";
import { parseXml } from "../../../xml/index.ts";
import { entriesOf, staleEntries } from "../entries.ts";
import { addEntries, removeEntries } from "../host/network-entries.ts";
import type { Observation } from "../host/observe.ts";
import { createOverlay, deleteOverlay, overlayName, requireImage } from "../host/overlay.ts";
import { type DomainMark, domainMarkOf } from "../mark.ts";
import { type Run, withSignal } from "../run.ts";
import { type DomainState, healthyFacts } from "../state.ts";
import type { VolumePlace } from "../xml/parse-devices.ts";
import { awaitBoot, type Booted, boot, startGuest } from "./boot.ts";
import { settleMark } from "./bring-up.ts";
import { defineDomain, defineXml, setAutostart, writeMark } from "./define.ts";
import { type Outcome, partialFailure, powerAfterFailure } from "./result.ts";
import { powerOff, stopGuest } from "./stop.ts";
import type { Change } from "./update.ts";

/**
 * Generation of a machine after its next rebuild. It follows from the present one, so that a preview knows the names
 * that the update will make, and never comes back.
 */
export function nextGeneration(generation: string, image: string): string {
  return createHash("sha256").update(`${generation}\0${image}`).digest("hex").slice(0, 16);
}

/**
 * A new root disk under the same machine. Everything that can fail without the guest is done while it still runs; the
 * old disk stays until the new guest is ready, and serves again if it does not get ready.
 */
export async function rebuild(
  run: Run,
  change: Change,
  seen: Observation,
  mark: DomainMark,
): Promise<Outcome> {
  const root = change.definition.rootDisk;
  if (root === undefined) throw new ProviderError(`${run.name} has no root disk to rebuild`, "internal");
  const image = await requireImage(run, root);
  const generation = nextGeneration(mark.generation, root.image);
  const fresh: VolumePlace = { pool: root.pool, volume: overlayName(change.definition.name, generation) };
  const olds = (mark.disks ?? []).filter((disk) => !samePlace(disk, fresh));
  const { ref } = seen.seen;
  const unchanged = (seen.parsed.mark ?? mark) satisfies DomainMark;
  await writeMark(run, ref, { ...unchanged, disks: [...olds, fresh] });
  try {
    // One of that name would be left of a rebuild that was rolled back; it may have been booted.
    await deleteOverlay(run, fresh);
    await createOverlay(run, fresh, root, image);
    await stopGuest(run, ref, {
      inputs: change.inputs,
      reason: change.plan.line,
      neverUp: mark.pending === "boot",
    });
  } catch (error) {
    // Nothing has happened to the guest.
    await deleteOverlay(run, fresh);
    await writeMark(run, ref, { ...unchanged, disks: olds });
    throw error;
  }
  const { bootSeconds: _ofOldDisk, ...rest } = mark;
  const made: DomainMark = {
    ...rest,
    generation,
    disks: [fresh, ...olds],
    pending: "boot",
    // Back to a disk that was ready once, not to one of a rebuild that was cut off.
    ...(seen.rootDisk === "missing" ? {} : { previous: mark.previous ?? (await definitionNow(run, ref)) }),
  };
  return switchDisk(run, change, seen, made, fresh);
}

const samePlace = (a: VolumePlace, b: VolumePlace) => a.pool === b.pool && a.volume === b.volume;

/** The definition to go back to. */
async function definitionNow(run: Run, ref: DomainRef): Promise<string> {
  return run.provider.client.domainGetXmlDesc(ref, { inactive: true, secure: true, ...withSignal(run) });
}

async function switchDisk(
  run: Run,
  change: Change,
  seen: Observation,
  mark: DomainMark,
  fresh: VolumePlace,
): Promise<Outcome> {
  const { ref } = seen.seen;
  const state: DomainState = {
    ...change.state,
    generation: mark.generation,
    rootVolume: fresh,
    bootSeconds: 0,
  };
  let booted: Booted;
  try {
    await removeEntries(run, staleEntries(entriesOf(change.before), entriesOf(change.definition)));
    await addEntries(run, entriesOf(change.definition), entriesOf(change.before));
    await defineDomain(run, {
      definition: change.definition,
      uuid: seen.parsed.uuid,
      mark,
      rootVolume: fresh,
      current: seen.parsed,
    });
    if (seen.seen.autostart !== change.definition.autostart) {
      await setAutostart(run, ref, change.definition.autostart);
    }
    if (!change.plan.starts) {
      return { state, facts: { ...healthyFacts(change.inputs, seen.facts.quiesceHook), pending: "boot" } };
    }
    booted = await boot(run, ref, change.inputs, true);
  } catch (error) {
    throw await rollBack(run, change, ref, mark, error);
  }
  const facts = healthyFacts(change.inputs, booted.quiesceHook ?? seen.facts.quiesceHook);
  const rebuilt = { state: { ...state, bootSeconds: booted.seconds ?? 0 }, facts };
  await finishRebuild(run, ref, change, mark, rebuilt);
  return rebuilt;
}

/** The new disk has proved itself: the old ones go. What fails here fails after the fact, and takes nothing back. */
export async function finishRebuild(
  run: Run,
  ref: DomainRef,
  change: Change,
  mark: DomainMark,
  outcome: Outcome,
): Promise<void> {
  try {
    await settleMark(run, ref, mark, outcome.state.bootSeconds || undefined);
  } catch (error) {
    const facts = { ...outcome.facts, pending: "ready" as const };
    throw partialFailure(run, change.inputs, { ...outcome, facts }, error);
  }
}

/** A rebuild failed and was undone. */
export class RolledBack extends ProviderError {}

/**
 * The new guest did not get ready: the old definition and the old disk serve again. Gives the error for the user. After
 * an abort nothing is rolled back: the next run waits for the new guest again.
 */
export async function rollBack(
  run: Run,
  change: Change,
  ref: DomainRef,
  mark: DomainMark,
  error: unknown,
): Promise<unknown> {
  const why = error instanceof Error ? error.message : String(error);
  const current = mark.disks?.[0];
  if (run.call.signal.aborted || mark.previous === undefined) {
    const power = await powerAfterFailure(run, change.state.uuid, "running");
    const state: DomainState = {
      ...change.state,
      generation: mark.generation,
      rootVolume: current,
      bootSeconds: 0,
    };
    const facts = { ...healthyFacts(change.inputs), power, pending: mark.pending };
    return partialFailure(run, change.inputs, { state, facts }, error);
  }
  try {
    await powerOff(run, ref);
    await restoreOld(run, change, mark, mark.previous);
  } catch (second) {
    const reason = second instanceof Error ? second.message : String(second);
    return new ProviderError(
      `${run.name} did not come up with its new root disk: ${why}. Its old disk could not be put back either: ${reason}. ` +
        "Repair the cause and run the update again; both disks are kept.",
      "failedPrecondition",
      error,
    );
  }
  return new RolledBack(
    `${run.name} did not come up with its new root disk: ${why} It runs on its old root disk and definition again, and the ` +
      `new disk was removed.${await oldIsReady(run, change, ref)} Correct the image or the change and run the update again.`,
    "failedPrecondition",
    error,
  );
}

async function restoreOld(run: Run, change: Change, mark: DomainMark, previous: string): Promise<void> {
  const oldMark = domainMarkOf(parseXml(previous));
  const ref = await defineXml(run, previous);
  const [fresh, ...olds] = mark.disks ?? [];
  if (fresh !== undefined) await deleteOverlay(run, fresh);
  if (oldMark !== undefined) await writeMark(run, ref, { ...oldMark, disks: olds });
  const [before, after] = [entriesOf(change.before), entriesOf(change.definition)];
  await removeEntries(run, staleEntries(after, before));
  await addEntries(run, before, after);
  await startGuest(run, ref);
}

/** Lets the old guest take up its work again (its `ready` program ends its own drain). */
async function oldIsReady(run: Run, change: Change, ref: DomainRef): Promise<string> {
  try {
    await awaitBoot(run, ref, change.inputs, false);
    return "";
  } catch (error) {
    return ` It is not ready yet: ${error instanceof Error ? error.message : String(error)}`;
  }
}
