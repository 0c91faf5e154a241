import { ProviderError } from "../../../../plugin/errors.ts";
import type { PropertyMap } from "../../../../plugin/values.ts";
import { decodeInputs } from "../../../schema/index.ts";
import { definitionOf } from "../definition.ts";
import { entriesOf } from "../entries.ts";
import { removeEntries } from "../host/network-entries.ts";
import { type Observation, observe } from "../host/observe.ts";
import { deleteOverlay } from "../host/overlay.ts";
import { freshReader } from "../host/reader.ts";
import type { DomainMark } from "../mark.ts";
import { recordedFacts } from "../plan/facts.ts";
import { deleteLine, foreignReason } from "../plan/line.ts";
import type { Run } from "../run.ts";
import { type DomainState, decodeState } from "../state.ts";
import { undefineDomain } from "./define.ts";
import { nextGeneration } from "./rebuild.ts";
import { stopGuest } from "./stop.ts";

/**
 * Removes a machine: empties and stops it, then its own disks, its definition, its network entries. Removes nothing that
 * does not carry the generation of this very state. Can be repeated after it was cut off anywhere.
 */
export async function deleteDomain(run: Run, raw: PropertyMap, oldInputs: PropertyMap): Promise<void> {
  const state = decodeState(raw);
  const reader = freshReader(run.provider, run.call.signal);
  const seen = await reader.byUuid(state.uuid);
  if (seen === undefined) return removeRest(run, state, oldInputs);
  const observation = await observe(reader, seen, { state, inputs: oldInputs, quiesceHook: undefined });
  const { mark } = observation.parsed;
  const verdict = judgeForDelete(run, state, observation);
  if (verdict === "newer") {
    run.call.logger.warning(
      `the domain "${run.name}" was made anew by a later run and is left alone; what this state describes is gone`,
    );
    return;
  }
  for (const reason of foreignReason(seen.ref.name, observation.facts)) {
    throw new ProviderError(
      `${seen.ref.name} is not removed: ${reason}. Then run it again.`,
      "failedPrecondition",
    );
  }
  const inputs = decodeInputs("Domain", oldInputs);
  await stopGuest(run, seen.ref, {
    inputs,
    reason: deleteLine(oldInputs, recordedFacts(raw, oldInputs)),
    neverUp: mark?.pending === "boot" && mark.previous === undefined,
  });
  for (const disk of mark?.disks ?? []) await deleteOverlay(run, disk);
  await undefineDomain(run, seen.ref);
  await removeEntries(run, entriesOf(definitionOf(inputs)));
}

/** `newer`: ours, but of a later create. @throws ProviderError for a domain that is not provably ours. */
function judgeForDelete(run: Run, state: DomainState, seen: Observation): "ours" | "newer" {
  const { mark } = seen.parsed;
  const { name } = seen.seen.ref;
  if (mark === undefined) {
    if (state.imported) return "ours";
    throw new ProviderError(
      `the domain "${name}" no longer carries hyperlab's mark, so it is not provably ours, and is not removed. ` +
        `If it is not needed, remove it with "virsh undefine ${name}" and run it again; else take the resource out of the state with "pulumi state delete".`,
      "failedPrecondition",
    );
  }
  if (mark.owner !== run.provider.config.owner) {
    throw new ProviderError(
      `the domain "${name}" belongs to another stack and is not removed. Take the resource out of this state with "pulumi state delete".`,
      "failedPrecondition",
    );
  }
  return carriesGeneration(mark, state, seen) ? "ours" : "newer";
}

/** The state's generation, or the one that a rebuild made of it whose result did not reach the state. */
export function carriesGeneration(
  mark: DomainMark,
  state: DomainState,
  seen: Pick<Observation, "inputs">,
): boolean {
  if (mark.generation === state.generation) return true;
  const root = seen.inputs.rootDisk;
  const image = typeof root === "object" && root !== null && "image" in root ? root.image : undefined;
  return typeof image === "string" && mark.generation === nextGeneration(state.generation, image);
}

/** What is left of a machine whose definition is gone: the disk that the state names, and the entries. */
async function removeRest(run: Run, state: DomainState, oldInputs: PropertyMap): Promise<void> {
  const inputs = decodeInputs("Domain", oldInputs);
  const place = state.rootVolume;
  if (place !== undefined && !state.imported) {
    const cache = run.provider.cache;
    cache.domains.invalidate();
    const user = (await cache.domains.get(run.call.signal)).find(
      ({ xml, liveXml }) =>
        xml.includes(`/${place.volume}'`) || liveXml?.includes(`/${place.volume}'`) === true,
    );
    if (user !== undefined) {
      throw new ProviderError(
        `the root disk ${place.pool}/${place.volume} of ${run.name} is used by the domain "${user.ref.name}", which was not made by this resource. ` +
          "It is not removed. Remove that domain, or take the resource out of the state.",
        "failedPrecondition",
      );
    }
    await deleteOverlay(run, place);
  }
  await removeEntries(run, entriesOf(definitionOf(inputs)));
}
