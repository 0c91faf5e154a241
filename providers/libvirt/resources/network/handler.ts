import { ProviderError } from "../../../plugin/errors.ts";
import type {
  CallContext,
  CheckRequest,
  CheckResult,
  CreateRequest,
  CreateResult,
  DeleteRequest,
  DiffRequest,
  DiffResult,
  ReadRequest,
  ReadResult,
  ResourceHandler,
  UpdateRequest,
  UpdateResult,
} from "../../../plugin/types.ts";
import { containsUnknown, type PropertyMap, type PropertyValue, Unknown } from "../../../plugin/values.ts";
import { isRefusal, LibvirtConnectionError } from "../../client/errors.ts";
import type { NetworkRef } from "../../client/types.ts";
import type { ContextSource, ProviderContext } from "../../context.ts";
import { foreignReason, inputHash, type Mark, newGeneration, ownedUuid } from "../../ownership/index.ts";
import { type Change, changesOf, checkInputs, decodeInputs, worstEffect } from "../../schema/index.ts";
import { brokenOff, resuming } from "../begun.ts";
import { toProperties } from "../domain/properties.ts";
import { adoptionLine, diffResult, effectLine, refusals } from "../effects.ts";
import type { NetworkInputs } from "../inputs.ts";
import {
  applyLive,
  ensureStarted,
  readFacts,
  redefine,
  refuseWhileAttached,
  requireOurs,
  startError,
} from "./apply.ts";
import { keptOf, readNetworkInputs } from "./changes.ts";
import { checkNetwork } from "./check.ts";
import { type NetworkFacts, parseNetwork, renderNetwork } from "./xml.ts";

interface NetworkState {
  readonly uuid: string;
  /** Empty for an imported network. */
  readonly generation: string;
}

const text = (value: PropertyValue | undefined): string => (typeof value === "string" ? value : "");

function encodeState(state: NetworkState, active = true): PropertyMap {
  return {
    uuid: state.uuid,
    ...(state.generation === "" ? {} : { generation: state.generation }),
    ...(active ? {} : { stopped: true }),
  };
}

function decodeState(state: PropertyMap): NetworkState {
  return { uuid: text(state.uuid), generation: text(state.generation) };
}

/** Networks. A mark in the metadata proves whose it is; what it does not declare is left alone. */
export function networkHandler(source: ContextSource): ResourceHandler {
  const handler: ResourceHandler = {
    check: async (_context, request) => check(request),
    diff: (context, request) => diff(source, context, request),
    create: (context, request) => create(source(), context, request),
    read: (context, request) => read(source(), context, request),
    update: (context, request) => update(source(), context, request),
    delete: (context, request) => remove(source(), context, request),
  };
  return resuming(handler, (context, request) => findBegun(source(), context, request));
}

function check(request: CheckRequest): CheckResult {
  const failures = [...checkInputs("Network", request.news), ...checkNetwork(request.news)];
  return {
    inputs: request.news,
    failures: [...failures, ...refusals("Network", request.olds, request.news)],
  };
}

async function diff(source: ContextSource, context: CallContext, request: DiffRequest): Promise<DiffResult> {
  const changes = changesOf("Network", request.oldInputs, request.news);
  await refuseInterruption(source, context, request, changes);
  const result = diffResult(changes, { deleteBeforeReplace: true, stables: ["uuid", "generation"] });
  if (request.state.stopped !== true) return result;
  return {
    ...result,
    changes: "some",
    detailedDiff: { ...result.detailedDiff, stopped: { kind: "delete" } },
  };
}

/** A change that stops the network is refused in the preview already, while guests are on it. */
async function refuseInterruption(
  source: ContextSource,
  context: CallContext,
  request: DiffRequest,
  changes: readonly Change[],
): Promise<void> {
  const effect = worstEffect(changes);
  if (effect !== "restart" && effect !== "replace") return;
  const { name, bridge, mode } = request.oldInputs;
  const network = { name: text(name), bridge: text(bridge), mode: text(mode) };
  try {
    const verb = effect === "restart" ? "restarted" : "replaced";
    await refuseWhileAttached(source(), context, network, verb);
  } catch (error) {
    if (!(error instanceof LibvirtConnectionError)) throw error;
    context.logger.warning(
      `whether running domains are attached to the network "${network.name}" could not be checked, because the host cannot be reached; while any is, the update will refuse the change`,
    );
  }
}

async function create(
  provider: ProviderContext,
  context: CallContext,
  request: CreateRequest,
): Promise<CreateResult> {
  const uuid = ownedUuid(provider.config.owner, request.urn);
  if (context.preview) {
    if (!containsUnknown(request.inputs)) await foreseeAdoption(provider, context, request);
    return { id: text(request.inputs.name), outputs: { uuid, generation: new Unknown() } };
  }
  const inputs = decodeInputs("Network", request.inputs);
  const mark: Mark = {
    owner: provider.config.owner,
    urn: request.urn,
    inputHash: inputHash(inputs),
    generation: newGeneration(),
  };
  const existing = await provider.client.networkLookupByName(inputs.name, { signal: context.signal });
  try {
    const made =
      existing === undefined
        ? await make(provider, context, inputs, uuid, mark)
        : await takeOver(provider, context, request.inputs, existing, mark);
    return { id: inputs.name, outputs: encodeState({ uuid: made, generation: mark.generation }) };
  } catch (error) {
    throw brokenOff(context, { id: inputs.name, urn: request.urn }, error);
  } finally {
    provider.cache.networks.invalidate();
  }
}

async function make(
  provider: ProviderContext,
  context: CallContext,
  inputs: NetworkInputs,
  uuid: string,
  mark: Mark,
): Promise<string> {
  const { client } = provider;
  const network = await client
    .networkDefineXml(renderNetwork(inputs, uuid, mark), { signal: context.signal })
    .catch((error: unknown) => {
      throw startError(provider, inputs, error);
    });
  try {
    await ensureStarted(provider, context, network, inputs);
  } catch (error) {
    // By the definition's mark and MAC the next run knows what may have been made for its own.
    if (!isRefusal(error)) throw error;
    await client.networkUndefine(network).catch((cleanup: unknown) => {
      context.logger.warning(`the half-made network ${inputs.name} could not be removed: ${String(cleanup)}`);
    });
    throw error;
  }
  return network.uuid;
}

/**
 * Takes over what a killed create left, or the network of a stack whose state was lost. Whether it is as declared is
 * seen by the network itself: what was changed while it was active is not in the mark's hash.
 */
async function takeOver(
  provider: ProviderContext,
  context: CallContext,
  raw: PropertyMap,
  existing: NetworkRef,
  mark: Mark,
): Promise<string> {
  const inputs = decodeInputs("Network", raw);
  const facts = await readFacts(provider, context, existing);
  const autostart = await provider.client.networkGetAutostart(existing, { signal: context.signal });
  const reason = foreignReason(facts.mark, mark) ?? changedReason(facts, autostart, raw);
  if (reason !== undefined) throw taken(provider, inputs.name, reason);
  const xml = renderNetwork(inputs, facts.uuid, mark, keptOf(facts, inputs, inputs));
  await provider.client.networkDefineXml(xml, { signal: context.signal });
  await ensureStarted(provider, context, existing, inputs);
  return facts.uuid;
}

/** Says in a preview that the network is there already; refuses one of ours that is not as declared. */
async function foreseeAdoption(
  provider: ProviderContext,
  context: CallContext,
  { inputs, urn }: CreateRequest,
): Promise<void> {
  try {
    const networks = await provider.cache.networks.get(context.signal);
    const found = networks.find(({ ref }) => ref.name === inputs.name);
    if (found === undefined) return;
    const facts = parseNetwork(found.xml);
    if (foreignReason(facts.mark, { owner: provider.config.owner, urn }) !== undefined) return;
    const reason = changedReason(facts, found.autostart, inputs);
    if (reason !== undefined) throw taken(provider, found.ref.name, reason);
    context.logger.info(adoptionLine(found.ref.name));
  } catch (error) {
    if (!(error instanceof LibvirtConnectionError)) throw error;
  }
}

function taken(provider: ProviderContext, name: string, reason: string): ProviderError {
  return new ProviderError(
    `a network "${name}" exists already on ${provider.config.uri}: ${reason}. ` +
      `Choose another name; or take it over with "pulumi import" (id ${name}); ` +
      `or remove it with "virsh net-destroy ${name}" and "virsh net-undefine ${name}".`,
    "alreadyExists",
  );
}

/** What of a network is not as declared; whether it starts with its host is set in any case. */
function changedReason(facts: NetworkFacts, autostart: boolean, declared: PropertyMap): string | undefined {
  const present = toProperties(readNetworkInputs(facts, autostart, declared));
  const changed = changesOf("Network", present, declared).filter(
    ({ effect, path }) => effect !== "none" && path !== "autostart",
  );
  if (changed.length === 0) return undefined;
  const fields = changed.map(({ path }) => path).join(", ");
  return `an earlier run of this stack made it from other inputs (${fields}); declare them as they are, and change them with the next update`;
}

async function read(
  provider: ProviderContext,
  context: CallContext,
  request: ReadRequest,
): Promise<ReadResult | undefined> {
  const networks = await provider.cache.networks.get(context.signal);
  const found = networks.find((network) => network.ref.name === request.id);
  if (found === undefined) return undefined;
  const facts = parseNetwork(found.xml);
  const recorded = decodeState(request.state);
  // Another network that took the name: ours is gone.
  if (recorded.uuid !== "" && recorded.uuid !== facts.uuid) return undefined;
  return {
    id: request.id,
    outputs: encodeState({ ...recorded, uuid: facts.uuid }, found.active),
    inputs: readNetworkInputs(facts, found.autostart, request.inputs),
  };
}

async function update(
  provider: ProviderContext,
  context: CallContext,
  request: UpdateRequest,
): Promise<UpdateResult> {
  const changes = changesOf("Network", request.oldInputs, request.inputs);
  const state = decodeState(request.state);
  if (context.preview) {
    const started = `${request.id}: live: the network is started`;
    context.logger.info(request.state.stopped === true ? started : effectLine(request.id, changes));
    return { outputs: encodeState(state) };
  }
  const olds = decodeInputs("Network", request.oldInputs);
  const news = decodeInputs("Network", request.inputs);
  const network = await provider.client.networkLookupByUuid(state.uuid, { signal: context.signal });
  if (network === undefined) {
    throw new ProviderError(
      `the network "${request.id}" is no longer on ${provider.config.uri}. Run "pulumi refresh" and the update again.`,
      "notFound",
    );
  }
  requireOurs(provider, await readFacts(provider, context, network), state, "changed");
  try {
    if (worstEffect(changes) === "restart") {
      provider.cache.domains.invalidate();
      await refuseWhileAttached(provider, context, olds, "restarted");
      await redefine(provider, context, network, olds, news, inputHash(news));
    } else {
      await applyLive(provider, context, network, olds, news);
      await ensureStarted(provider, context, network, news);
    }
  } finally {
    provider.cache.networks.invalidate();
  }
  return { outputs: encodeState(state) };
}

async function findBegun(
  provider: ProviderContext,
  context: CallContext,
  { id, urn }: DeleteRequest,
): Promise<readonly PropertyMap[]> {
  const network = await provider.client.networkLookupByName(id, { signal: context.signal });
  if (network === undefined) return [];
  const { mark, uuid } = await readFacts(provider, context, network);
  if (mark === undefined || foreignReason(mark, { owner: provider.config.owner, urn }) !== undefined)
    return [];
  return [encodeState({ uuid, generation: mark.generation })];
}

async function remove(
  provider: ProviderContext,
  context: CallContext,
  request: DeleteRequest,
): Promise<void> {
  const state = decodeState(request.state);
  if (state.generation === "") {
    context.logger.warning(
      `the network ${request.id} is left in place: it was imported, not made by hyperlab`,
    );
    return;
  }
  const { client } = provider;
  const options = { signal: context.signal };
  const network = await client.networkLookupByUuid(state.uuid, options);
  if (network === undefined) return;
  const facts = await readFacts(provider, context, network);
  requireOurs(provider, facts, state, "deleted");
  provider.cache.domains.invalidate();
  await refuseWhileAttached(provider, context, facts, "deleted");
  try {
    if (await client.networkIsActive(network, options)) await client.networkDestroy(network, options);
    await client.networkUndefine(network, options);
  } finally {
    provider.cache.networks.invalidate();
  }
}
