import { ProviderError } from "../../../../plugin/errors.ts";
import type { DomainRef } from "../../../client/types.ts";
import { type Hold, holdKey, holdNamespace, isOurs, renderHold } from "../../../ownership/index.ts";
import { parseXml } from "../../../xml/index.ts";
import type { DomainInputs } from "../../inputs.ts";
import { holdOf, holdText } from "../hold.ts";
import { again } from "../host/again.ts";
import { domainMarkOf } from "../mark.ts";
import { type Run, withSignal } from "../run.ts";
import type { DomainState } from "../state.ts";
import { setAutostart } from "./define.ts";
import { stopGuest } from "./stop.ts";

/** A machine of the stack as its state knows it. */
export interface HeldMachine {
  readonly state: Pick<DomainState, "uuid" | "generation">;
  readonly inputs: Pick<DomainInputs, "stop" | "quiesce" | "guestAgent">;
}

/**
 * Stops a machine for a time: notes the hold on the host, empties and stops the guest. The note comes first, so that no
 * update starts the machine meanwhile; where the machine cannot be stopped, it is taken back.
 */
export async function placeHold(run: Run, machine: HeldMachine, hold: Hold): Promise<void> {
  const { before, mark, ref } = await ownDomain(run, machine);
  if (before?.kind === "evacuation") {
    throw new ProviderError(
      `${run.name} is ${holdText(before)}. Nothing was changed. Bring the host back first: hyperlab host return`,
      "failedPrecondition",
    );
  }
  const { client } = run.provider;
  const autostart = await client.domainGetAutostart(ref, withSignal(run));
  await writeHold(run, ref, hold);
  try {
    // A host that boots would start it.
    if (autostart) await setAutostart(run, ref, false);
    await stopGuest(run, ref, {
      inputs: machine.inputs,
      reason: holdText(hold),
      neverUp: mark.pending === "boot" && mark.previous === undefined,
    });
  } catch (error) {
    await writeHold(run, ref, before);
    // Also after an abort, whose signal would refuse it.
    if (autostart) await again(() => client.domainSetAutostart(ref, true));
    throw error;
  }
}

/** Takes a hold away; the next update mends the machine. Gives what was there, undefined for a machine without one. */
export async function releaseHold(run: Run, machine: HeldMachine): Promise<Hold | undefined> {
  const { before, ref } = await ownDomain(run, machine);
  if (before !== undefined) await writeHold(run, ref, undefined);
  return before;
}

/** Puts a hold back that was just released, without touching the guest. */
export async function restoreHold(run: Run, machine: HeldMachine, hold: Hold): Promise<void> {
  const { ref } = await ownDomain(run, machine);
  await writeHold(run, ref, hold);
}

/** The hold on a machine; undefined without one, and for a machine that the host does not have. */
export async function readHold(run: Run, machine: HeldMachine): Promise<Hold | undefined> {
  const ref = await run.provider.client.domainLookupByUuid(machine.state.uuid, withSignal(run));
  return ref === undefined ? undefined : (await ownDomain(run, machine)).before;
}

async function ownDomain(run: Run, { state }: HeldMachine) {
  const { client, config } = run.provider;
  const ref = await client.domainLookupByUuid(state.uuid, withSignal(run));
  if (ref === undefined) {
    throw new ProviderError(
      `the host has no machine ${run.name} (any more). Nothing was changed. Run hyperlab preview to see what is there.`,
      "notFound",
    );
  }
  const domain = parseXml(await client.domainGetXmlDesc(ref, { inactive: true, ...withSignal(run) }));
  const mark = domainMarkOf(domain);
  if (mark === undefined || !isOurs(mark, { owner: config.owner, generation: state.generation })) {
    throw new ProviderError(
      `the machine ${run.name} on the host is not the one that this stack made. Nothing was changed. ` +
        "Run hyperlab preview to see what is there.",
      "failedPrecondition",
    );
  }
  return { ref, mark, before: holdOf(domain) };
}

/** Also after an abort: a hold that is taken back must not stay. */
async function writeHold(run: Run, ref: DomainRef, hold: Hold | undefined): Promise<void> {
  const xml = hold === undefined ? undefined : renderHold(hold);
  try {
    const metadata = { uri: holdNamespace, key: holdKey, xml };
    await again(() => run.provider.client.domainSetMetadata(ref, metadata, { config: true }));
  } finally {
    run.provider.cache.domains.invalidate();
  }
}
