import { ProviderError } from "../../../../plugin/errors.ts";
import type { PropertyMap } from "../../../../plugin/values.ts";
import type { DomainRef } from "../../../client/types.ts";
import { doing } from "../../../errors.ts";
import { inputHash, judgeForCreate, newGeneration, ownedUuid } from "../../../ownership/index.ts";
import { decodeInputs } from "../../../schema/index.ts";
import { brokenOff } from "../../begun.ts";
import type { DomainInputs } from "../../inputs.ts";
import { definitionOf } from "../definition.ts";
import { entriesOf } from "../entries.ts";
import { addEntries } from "../host/network-entries.ts";
import { createOverlay, deleteOverlay, overlayName, requireImage } from "../host/overlay.ts";
import { freshReader } from "../host/reader.ts";
import type { Pending } from "../mark.ts";
import { type Run, withSignal } from "../run.ts";
import { healthyFacts } from "../state.ts";
import { type ParsedDomain, parseDomain } from "../xml/parse.ts";
import { type Adoption, adoptDomain, isAdoptable, planAdoption, refuseChanged } from "./adopt.ts";
import { bringUp } from "./bring-up.ts";
import { defineDomain, newMark, setAutostart, undefineDomain } from "./define.ts";
import { type Outcome, partialFailure, powerAfterFailure } from "./result.ts";
import { powerOff } from "./stop.ts";

/**
 * Makes a domain; or goes on with what a killed create of the same resource and inputs left; or adopts a complete one
 * of this resource that is as declared, where the state was lost. The definition comes first: its mark names the
 * overlay, so that nothing that is made later can be lost.
 */
export async function createDomain(run: Run, raw: PropertyMap): Promise<Outcome> {
  const inputs = decodeInputs("Domain", raw);
  const definition = definitionOf(inputs);
  const uuid = ownedUuid(run.provider.config.owner, run.urn);
  const found = await findPresent(run, uuid, inputHash(definition), raw);
  try {
    if (found?.kind === "complete") return await adoptDomain(run, inputs, found.adoption);
    return await makeDomain(run, inputs, uuid, found?.parsed);
  } catch (error) {
    throw brokenOff(run.call, { id: run.name, urn: run.urn }, error);
  }
}

/** @param present What a killed create left. */
async function makeDomain(
  run: Run,
  inputs: DomainInputs,
  uuid: string,
  present: ParsedDomain | undefined,
): Promise<Outcome> {
  const definition = definitionOf(inputs);
  const image = definition.rootDisk === undefined ? undefined : await requireImage(run, definition.rootDisk);
  const generation = newGeneration();
  const rootVolume =
    definition.rootDisk === undefined
      ? undefined
      : (present?.rootVolume ?? {
          pool: definition.rootDisk.pool,
          volume: overlayName(definition.name, generation),
        });
  const starts = inputs.running !== false;
  const pending: Pending = "boot";
  const mark = newMark(run, definition, generation, {
    ...(rootVolume === undefined ? {} : { disks: [rootVolume] }),
    pending,
  });
  const ref = await defineDomain(run, {
    definition,
    uuid,
    mark,
    rootVolume,
    ...(present === undefined ? {} : { current: present }),
  });
  const state = { uuid, generation, rootVolume, bootSeconds: 0, imported: false };
  let overlayMade = false;
  try {
    if (rootVolume !== undefined && definition.rootDisk !== undefined && image !== undefined) {
      await createOverlay(run, rootVolume, definition.rootDisk, image);
    }
    overlayMade = true;
    await addEntries(run, entriesOf(definition));
    if (definition.autostart) await setAutostart(run, ref, true);
    const booted = starts ? await bringUp(run, ref, inputs, mark) : undefined;
    return {
      state: { ...state, bootSeconds: booted?.seconds ?? 0 },
      facts: { ...healthyFacts(inputs, booted?.quiesceHook), pending: starts ? undefined : pending },
    };
  } catch (error) {
    const told = explainCreate(run, error);
    const power = await powerAfterFailure(run, uuid, "off");
    const facts = {
      ...healthyFacts(inputs),
      power,
      pending,
      rootDiskMissing: !overlayMade && rootVolume !== undefined,
    };
    throw partialFailure(run, inputs, { state, facts }, await told);
  }
}

/** The error in words that name the machine; the raw one of a host call says nothing about the step. */
async function explainCreate(run: Run, error: unknown): Promise<unknown> {
  return doing(
    `domain "${run.name}" is defined, but not complete; the next update goes on with it`,
    () => Promise.reject(error),
    run.call.signal,
  ).catch((explained: unknown) => explained);
}

/** What a create finds in its place: what a killed create left, or a machine that was complete. */
type Present =
  | { readonly kind: "begun"; readonly parsed: ParsedDomain }
  | { readonly kind: "complete"; readonly adoption: Adoption };

/**
 * What is there under our UUID or name.
 * @throws ProviderError where it is not ours to take over.
 */
async function findPresent(
  run: Run,
  uuid: string,
  hash: string,
  raw: PropertyMap,
): Promise<Present | undefined> {
  const reader = freshReader(run.provider, run.call.signal);
  const byName = await reader.byName(run.name);
  if (byName !== undefined && byName.uuid !== uuid) throw await taken(run, byName, hash);
  const seen = await reader.byUuid(uuid);
  if (seen === undefined) return undefined;
  const parsed = parseDomain(seen.xml, { volumeAt: await reader.volumeAt() });
  const { mark } = parsed;
  if (mark !== undefined && isAdoptable(run, mark)) {
    const adoption = await planAdoption(reader, seen, mark, raw);
    refuseChanged(run, adoption);
    return { kind: "complete", adoption };
  }
  const wanted = { owner: run.provider.config.owner, urn: run.urn, inputHash: hash };
  const verdict = judgeForCreate(mark, wanted);
  if (verdict.verdict === "adopt") return { kind: "begun", parsed };
  const ours = mark?.owner === wanted.owner && mark.urn === wanted.urn;
  if (!ours) throw refused(run, seen.ref.name, verdict.reason);
  await discard(run, seen.ref, parsed);
  return undefined;
}

/** Removes what a killed create left: ours, and never once ready, so it holds nothing. */
async function discard(run: Run, ref: DomainRef, parsed: ParsedDomain): Promise<void> {
  run.call.logger.info(`${run.name}: removes what an interrupted create with other inputs left`);
  await powerOff(run, ref);
  for (const disk of parsed.mark?.disks ?? []) await deleteOverlay(run, disk);
  await undefineDomain(run, ref);
}

async function taken(run: Run, ref: DomainRef, hash: string): Promise<ProviderError> {
  const xml = await run.provider.client.domainGetXmlDesc(ref, { inactive: true, ...withSignal(run) });
  const parsed = parseDomain(xml, { volumeAt: () => undefined });
  const verdict = judgeForCreate(parsed.mark, {
    owner: run.provider.config.owner,
    urn: run.urn,
    inputHash: hash,
  });
  const reason = verdict.verdict === "refuse" ? verdict.reason : "it has another UUID than ours";
  return refused(run, ref.name, reason);
}

function refused(run: Run, name: string, reason: string): ProviderError {
  return new ProviderError(
    `the domain "${name}" exists already on ${run.provider.config.uri}: ${reason}. Nothing was changed. ` +
      `Choose another name; or manage it as it is with "pulumi import" (id ${name}); ` +
      `or remove it with "virsh undefine ${name}" if it is not needed (its disks stay).`,
    "alreadyExists",
  );
}
