import type { DomainRef } from "../../../client/types.ts";
import type { DomainInputs } from "../../inputs.ts";
import { deleteOverlay } from "../host/overlay.ts";
import type { DomainMark } from "../mark.ts";
import type { Run } from "../run.ts";
import { type Booted, boot } from "./boot.ts";
import { writeMark } from "./define.ts";

/**
 * Notes that a machine is complete: it is ready on the first disk of its mark, and the others go. From the first note on
 * there is no way back to one of those; killed after it, the next run waits until the machine is ready and goes on here.
 *
 * @param measuredSeconds Of the first boot of its root disk; undefined where this was not that boot.
 */
export async function settleMark(
  run: Run,
  ref: DomainRef,
  mark: DomainMark,
  measuredSeconds: number | undefined,
): Promise<void> {
  const { pending: _pending, previous: _previous, ...settled } = mark;
  const done = measuredSeconds === undefined ? settled : { ...settled, bootSeconds: measuredSeconds };
  const [current, ...olds] = mark.disks ?? [];
  if (olds.length > 0) {
    await writeMark(run, ref, { ...done, pending: "ready" });
    for (const old of olds) await deleteOverlay(run, old);
  }
  await writeMark(run, ref, { ...done, ...(current === undefined ? {} : { disks: [current] }) });
}

/** Starts a machine, waits until it is ready, and notes that nothing is left to do. Measures a new root disk only. */
export async function bringUp(
  run: Run,
  ref: DomainRef,
  inputs: DomainInputs,
  mark: DomainMark,
): Promise<Booted> {
  const newRootDisk = mark.pending === "boot";
  const booted = await boot(run, ref, inputs, newRootDisk);
  const seconds = newRootDisk ? booted.seconds : undefined;
  await settleMark(run, ref, mark, seconds);
  return { ...booted, seconds };
}
