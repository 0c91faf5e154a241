import { ProviderError } from "../../../plugin/errors.ts";
import type {
  CallContext,
  CheckRequest,
  CheckResult,
  CreateRequest,
  CreateResult,
  DeleteRequest,
  DetailedDiff,
  DiffRequest,
  DiffResult,
  ResourceHandler,
  UpdateRequest,
  UpdateResult,
} from "../../../plugin/types.ts";
import { containsUnknown, isObject, type PropertyMap, reveal } from "../../../plugin/values.ts";
import { LibvirtConnectionError } from "../../client/errors.ts";
import type { ContextSource, ProviderContext } from "../../context.ts";
import { foreignReason, ownedUuid } from "../../ownership/index.ts";
import { decodeInputs } from "../../schema/index.ts";
import { parseXml } from "../../xml/index.ts";
import { resuming } from "../begun.ts";
import { checkChange, checkDomain } from "./check.ts";
import { definitionOf } from "./definition.ts";
import { foreseeAdoption, foreseeCreate, foreseeUpdate, measures } from "./foresee.ts";
import { observe } from "./host/observe.ts";
import { cachedReader, freshReader } from "./host/reader.ts";
import { type Adoption, findAdoption, machineLine, refuseChanged } from "./lifecycle/adopt.ts";
import { createDomain } from "./lifecycle/create.ts";
import { deleteDomain } from "./lifecycle/delete.ts";
import { readDomain } from "./lifecycle/read.ts";
import type { Outcome } from "./lifecycle/result.ts";
import { type Change, recoverDomain, updateDomain } from "./lifecycle/update.ts";
import { domainMarkOf } from "./mark.ts";
import { type Facts, recordedFacts } from "./plan/facts.ts";
import { createLine } from "./plan/line.ts";
import { changesIdentity, type DomainPlan, isHeavier, planDomain } from "./plan/plan.ts";
import { type DomainParts, type Run, realParts } from "./run.ts";
import { type DomainState, decodeState, encodeState } from "./state.ts";

/** Virtual machines. Each owns its root overlay and its entries in networks; the mark in its metadata says so. */
export function domainHandler(source: ContextSource, parts: DomainParts = realParts): ResourceHandler {
  // A machine that is replaced is previewed by Diff and by Create, and has one line.
  const replaced = new Set<string>();
  const runOf = (call: CallContext, urn: string, name: string): Run => ({
    ...parts,
    provider: source(),
    call,
    urn,
    name,
  });
  const handler: ResourceHandler = {
    check: async (_call, request) => check(source(), request),
    diff: async (call, request) => diff(call, request, replaced),
    create: (call, request) =>
      create(runOf(call, request.urn, nameOf(request.inputs, request.name)), request, replaced),
    read: (call, request) =>
      readDomain(runOf(call, request.urn, nameOf(request.inputs, request.id)), request),
    update: (call, request) => update(runOf(call, request.urn, request.id), request),
    delete: (call, request) => remove(runOf(call, request.urn, request.id), request),
  };
  return resuming(handler, (call, { id, urn }) => findBegun(runOf(call, urn, id)));
}

function nameOf(inputs: PropertyMap, otherwise: string): string {
  const { name } = reveal(inputs);
  return typeof name === "string" ? name : otherwise;
}

function check(provider: ProviderContext, request: CheckRequest): CheckResult {
  const failures = checkDomain(request.news, {
    identitySecret: provider.config.identitySecret !== undefined,
  });
  const changed =
    failures.length > 0 || Object.keys(request.olds).length === 0
      ? []
      : checkChange(request.olds, request.news);
  return { inputs: request.news, failures: [...failures, ...changed] };
}

function diff(call: CallContext, request: DiffRequest, replaced: Set<string>): DiffResult {
  const plan = planDomain(
    request.oldInputs,
    request.news,
    recordedFacts(request.state, reveal(request.oldInputs)),
  );
  // A replaced machine gets no update, so its line is shown here.
  if (plan.action === "replace") {
    call.logger.info(plan.line);
    replaced.add(request.urn);
  }
  const idle = plan.action === "nothing" || plan.action === "record";
  // One that stays as it is gets no update either.
  if (idle && request.state.hold !== undefined) call.logger.info(plan.line);
  return {
    changes: idle ? "none" : "some",
    detailedDiff: idle ? {} : detailedDiff(plan, request),
    // Two machines of one name cannot exist beside each other.
    deleteBeforeReplace: true,
    stables: [
      "uuid",
      ...(changesIdentity(plan) ? [] : ["sshHostPublicKey"]),
      ...(plan.newRootDisk ? [] : ["generation", "rootVolume"]),
      ...(measures(plan, request.state) ? [] : ["bootSeconds"]),
    ],
  };
}

function detailedDiff(plan: DomainPlan, request: DiffRequest): DetailedDiff {
  const entries = plan.changes
    .filter((change) => change.effect !== "none")
    .map((change) => {
      const kind = change.effect === "replace" ? (`${change.kind}Replace` as const) : change.kind;
      return [change.path, { kind, inputDiff: true }] as const;
    });
  const power =
    (reveal(request.oldInputs).running === false) === (reveal(request.news).running === false)
      ? []
      : [["running", { kind: "update", inputDiff: true }] as const];
  return Object.fromEntries([...entries, ...power]);
}

async function create(
  run: Run,
  request: CreateRequest,
  replaced: ReadonlySet<string>,
): Promise<CreateResult> {
  const { refreshBeforeUpdate } = run.provider.config;
  if (run.call.preview) {
    const adoption = replaced.has(request.urn) ? undefined : await adoptable(run, request.inputs);
    if (adoption !== undefined) {
      refuseChanged(run, adoption);
      run.call.logger.info(machineLine(run.name, adoption));
      return { id: run.name, outputs: foreseeAdoption(run, request.inputs, adoption), refreshBeforeUpdate };
    }
    if (!replaced.has(request.urn)) run.call.logger.info(createLine(reveal(request.inputs)));
    return { id: "", outputs: foreseeCreate(run, request.inputs), refreshBeforeUpdate };
  }
  const { state, facts } = await createDomain(run, request.inputs);
  const inputs = decodeInputs("Domain", request.inputs);
  return { id: run.name, outputs: encodeState(run.provider, inputs, state, facts), refreshBeforeUpdate };
}

/** A machine of this resource that is there already. A host that cannot be asked has none, as far as a preview knows. */
async function adoptable(run: Run, raw: PropertyMap): Promise<Adoption | undefined> {
  if (containsUnknown(raw)) return undefined;
  const uuid = ownedUuid(run.provider.config.owner, run.urn);
  try {
    return await findAdoption(run, cachedReader(run.provider, run.call.signal), uuid, raw);
  } catch (error) {
    if (error instanceof LibvirtConnectionError) return undefined;
    throw error;
  }
}

async function update(run: Run, request: UpdateRequest): Promise<UpdateResult> {
  const { refreshBeforeUpdate } = run.provider.config;
  const previewed = planDomain(
    request.oldInputs,
    request.inputs,
    recordedFacts(request.state, reveal(request.oldInputs)),
  );
  if (previewed.action === "forbidden") throw new ProviderError(`${previewed.line}.`, "failedPrecondition");
  if (previewed.stops) refuseShortLimit(run, request.inputs);
  if (run.call.preview) {
    run.call.logger.info(previewed.line);
    return { outputs: foreseeUpdate(run, request, previewed), refreshBeforeUpdate };
  }
  const { outcome, inputs } = await carryOut(run, request, previewed);
  return {
    outputs: encodeState(run.provider, decodeInputs("Domain", inputs), outcome.state, outcome.facts),
    refreshBeforeUpdate,
  };
}

/** A machine whose quiesce may take longer than the engine lets its update run is refused before it is touched. */
function refuseShortLimit(run: Run, raw: PropertyMap): void {
  const { deadline } = run.call;
  const inputs = reveal(raw);
  const quiesce = isObject(inputs.quiesce) ? inputs.quiesce : {};
  if (deadline === undefined || quiesce.hook === "never") return;
  const { onTimeout = "fail", timeoutSeconds = 3600 } = quiesce;
  const seconds = onTimeout === "wait" ? Number.POSITIVE_INFINITY : timeoutSeconds;
  if (typeof seconds !== "number" || Date.now() + seconds * 1000 <= deadline) return;
  const wait = Number.isFinite(seconds) ? `may take ${seconds} s` : "has no time limit";
  throw new ProviderError(
    `${run.name} is not changed: emptying it ${wait}, and the time limit of its update ends before. ` +
      "Raise customTimeouts of the resource, or lower quiesce.timeoutSeconds.",
    "failedPrecondition",
  );
}

/**
 * Looks at the host again, makes the same plan from what is there now, and carries it out: never more than what was
 * previewed.
 */
async function carryOut(
  run: Run,
  request: UpdateRequest,
  previewed: DomainPlan,
): Promise<{ outcome: Outcome; inputs: PropertyMap }> {
  if (containsUnknown(request.inputs)) {
    throw new ProviderError(`the inputs of ${run.name} are not all known; report this defect`, "internal");
  }
  const declared = reveal(request.inputs);
  const olds = reveal(request.oldInputs);
  const state = decodeState(request.state);
  const change = (plan: DomainPlan, raw: PropertyMap): Change => {
    const inputs = decodeInputs("Domain", raw);
    const before = definitionOf(decodeInputs("Domain", olds));
    return { plan, inputs, raw, definition: definitionOf(inputs), before, state };
  };
  const recorded = recordedFacts(request.state, olds);
  const reader = freshReader(run.provider, run.call.signal);
  const seen = await reader.byUuid(state.uuid);
  if (seen === undefined) {
    await refuseTaken(run, state);
    const disk = state.rootVolume === undefined ? "missing" : await reader.volume(state.rootVolume);
    const facts = { ...recorded, power: "undefined" as const, rootDiskMissing: disk === "missing" };
    const now = refuseHeavier(run, planDomain(olds, request.inputs, facts), previewed);
    return { outcome: await recoverDomain(run, change(now, declared)), inputs: declared };
  }
  const observation = await observe(reader, seen, { state, inputs: olds, quiesceHook: recorded.quiesceHook });
  refuseStranger(run, state, observation.parsed.mark?.owner);
  const now = refuseHeavier(
    run,
    planDomain(observation.inputs, request.inputs, observation.facts),
    previewed,
  );
  const raw = underHold(declared, observation.facts);
  const { facts, state: after } = await updateDomain(run, change(now, raw), observation);
  const { hold } = observation.facts;
  return {
    outcome: { state: after, facts: hold === undefined ? facts : { ...facts, hold } },
    inputs: declared,
  };
}

/** What is carried out: under a hold the machine stays as it is, and does not start with its host either. */
function underHold(declared: PropertyMap, { hold, power }: Facts): PropertyMap {
  if (hold === undefined) return declared;
  return { ...declared, running: power !== "off" && power !== "crashed", autostart: false };
}

function refuseHeavier(run: Run, now: DomainPlan, previewed: DomainPlan): DomainPlan {
  if (!isHeavier(now, previewed)) return now;
  throw new ProviderError(
    `${run.name} is no longer as it was when this update was previewed. Previewed: "${previewed.line}". ` +
      `Now it would be: "${now.line}". Nothing was changed. Run the preview and the update again.`,
    "failedPrecondition",
  );
}

function refuseStranger(run: Run, state: DomainState, owner: string | undefined): void {
  if (owner === run.provider.config.owner || (owner === undefined && state.imported)) return;
  throw new ProviderError(
    owner === undefined
      ? `the domain "${run.name}" no longer carries hyperlab's mark, so it is not provably ours, and is not changed. ` +
          `Import it ("pulumi import", id ${run.name}) after taking the resource out of the state, or remove it by hand and run the update again.`
      : `the domain "${run.name}" belongs to another stack and is not changed.`,
    "failedPrecondition",
  );
}

/** The definition is gone; somebody else may have taken the name meanwhile. */
async function refuseTaken(run: Run, state: DomainState): Promise<void> {
  const other = await run.provider.client.domainLookupByName(run.name, { signal: run.call.signal });
  if (other === undefined || other.uuid === state.uuid) return;
  throw new ProviderError(
    `the definition of ${run.name} is gone, and another domain has its name now (UUID ${other.uuid}). Nothing was changed. ` +
      `Remove or rename that domain, then run the update again.`,
    "alreadyExists",
  );
}

/** The definition comes first in a creation and lists the disks: without it nothing is there. */
async function findBegun({ call, provider, urn }: Run): Promise<readonly PropertyMap[]> {
  const { owner } = provider.config;
  const uuid = ownedUuid(owner, urn);
  const seen = await freshReader(provider, call.signal).byUuid(uuid);
  const mark = seen === undefined ? undefined : domainMarkOf(parseXml(seen.xml));
  if (mark === undefined || foreignReason(mark, { owner, urn }) !== undefined) return [];
  return [{ uuid, generation: mark.generation }];
}

async function remove(run: Run, request: DeleteRequest): Promise<void> {
  await deleteDomain(run, request.state, reveal(request.oldInputs));
}
