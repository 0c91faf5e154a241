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
import { containsUnknown, type PropertyMap, Unknown } from "../../../plugin/values.ts";
import { isRefusal, LibvirtConnectionError, LibvirtError } from "../../client/errors.ts";
import type { StoragePoolRef } from "../../client/types.ts";
import type { ContextSource, PoolSnapshot, ProviderContext } from "../../context.ts";
import { volumesChanged } from "../../host.ts";
import { ownedUuid } from "../../ownership/index.ts";
import { changesOf, checkInputs, decodeInputs } from "../../schema/index.ts";
import { brokenOff, resuming } from "../begun.ts";
import { adoptionLine, diffResult, effectLine, refusals } from "../effects.ts";
import type { PoolInputs } from "../inputs.ts";
import { checkPool } from "./check.ts";
import { parsePool, renderPool } from "./xml.ts";

/** Outputs in the state. */
interface PoolState {
  readonly uuid: string;
  /** Existed before; left in place by Delete. */
  readonly adopted: boolean;
  /** The directory was made with the pool. */
  readonly built: boolean;
}

/**
 * Of a pool of ours that a create finds: one that was killed left no record of who made the directory. Removing an empty
 * one is the lesser evil.
 */
const takenOver = { adopted: false, built: true } as const;

function encodeState(state: PoolState, active = true): PropertyMap {
  return {
    uuid: state.uuid,
    ...(state.adopted ? { adopted: true } : {}),
    ...(state.built ? { built: true } : {}),
    ...(active ? {} : { stopped: true }),
  };
}

function decodeState(state: PropertyMap): PoolState {
  return {
    uuid: typeof state.uuid === "string" ? state.uuid : "",
    adopted: state.adopted === true,
    built: state.built === true,
  };
}

/** Storage pools. The pool's UUID is derived from owner and URN, which proves whose it is. */
export function poolHandler(source: ContextSource): ResourceHandler {
  const handler: ResourceHandler = {
    check: async (_context, request) => check(request),
    diff: async (_context, request) => diff(request),
    create: (context, request) => create(source(), context, request),
    read: (context, request) => read(source(), context, request),
    update: (context, request) => update(source(), context, request),
    delete: (context, request) => remove(source(), context, request),
  };
  return resuming(handler, (context, request) => findBegun(source(), context, request));
}

function check(request: CheckRequest): CheckResult {
  const failures = [...checkInputs("Pool", request.news), ...checkPool(request.news)];
  return { inputs: request.news, failures: [...failures, ...refusals("Pool", request.olds, request.news)] };
}

function diff(request: DiffRequest): DiffResult {
  const changes = changesOf("Pool", request.oldInputs, request.news);
  const result = diffResult(changes, { deleteBeforeReplace: true, stables: ["uuid", "adopted", "built"] });
  if (request.state.stopped !== true) return result;
  return {
    ...result,
    changes: "some",
    detailedDiff: { ...result.detailedDiff, stopped: { kind: "delete" } },
  };
}

async function create(
  provider: ProviderContext,
  context: CallContext,
  request: CreateRequest,
): Promise<CreateResult> {
  if (containsUnknown(request.inputs)) {
    return { id: "", outputs: { uuid: ownedUuid(provider.config.owner, request.urn) } };
  }
  const inputs = decodeInputs("Pool", request.inputs);
  const uuid = ownedUuid(provider.config.owner, request.urn);
  if (context.preview) return { id: inputs.name, outputs: await foresee(provider, context, inputs, uuid) };
  const options = { signal: context.signal };
  const existing = await provider.client.storagePoolLookupByName(inputs.name, options);
  try {
    const state =
      existing === undefined
        ? await make(provider, context, inputs, uuid)
        : await takeOver(provider, context, inputs, existing, uuid);
    return { id: inputs.name, outputs: encodeState(state) };
  } catch (error) {
    throw brokenOff(context, { id: inputs.name, urn: request.urn }, error);
  } finally {
    provider.cache.pools.invalidate();
    volumesChanged(provider.cache, inputs.name);
  }
}

/** An adopted pool has a UUID of its own, which only the host knows. */
async function foresee(
  provider: ProviderContext,
  context: CallContext,
  inputs: PoolInputs,
  uuid: string,
): Promise<PropertyMap> {
  try {
    const pools = await provider.cache.pools.get(context.signal);
    const found = pools.find((pool) => pool.ref.name === inputs.name);
    // One that is replaced, for another path, is still there when its creation is previewed.
    const present = found?.ref.uuid === uuid && parsePool(found.xml).path === inputs.path;
    if (present) context.logger.info(adoptionLine(inputs.name));
    if (inputs.adopt !== true) return { uuid };
    return { uuid: found?.ref.uuid ?? uuid };
  } catch (error) {
    if (!(error instanceof LibvirtConnectionError)) throw error;
    return { uuid: inputs.adopt === true ? new Unknown() : uuid };
  }
}

async function make(
  provider: ProviderContext,
  context: CallContext,
  inputs: PoolInputs,
  uuid: string,
): Promise<PoolState> {
  const { client } = provider;
  const pool = await client.storagePoolDefineXml(renderPool(inputs, uuid), { signal: context.signal });
  try {
    const built = await start(provider, context, pool, inputs);
    return { uuid, adopted: false, built };
  } catch (error) {
    // By its UUID the next run knows the pool, and with it a directory that may have been made, for its own.
    if (!isRefusal(error)) throw error;
    await client.storagePoolUndefine(pool).catch((cleanup: unknown) => {
      context.logger.warning(`the half-made pool ${inputs.name} could not be removed: ${String(cleanup)}`);
    });
    throw error;
  }
}

/** Starts the pool; makes the directory where it is missing, and says whether it did. */
async function start(
  provider: ProviderContext,
  context: CallContext,
  pool: StoragePoolRef,
  inputs: PoolInputs,
): Promise<boolean> {
  const { client } = provider;
  const options = { signal: context.signal };
  await client.storagePoolSetAutostart(pool, inputs.autostart ?? true, options);
  if (await client.storagePoolIsActive(pool, options)) return false;
  try {
    await client.storagePoolCreate(pool, options);
    return false;
  } catch (error) {
    // The usual reason is that the directory is missing; if it is another one, the second start says so.
    if (!(error instanceof LibvirtError)) throw error;
  }
  await client.storagePoolBuild(pool, options);
  await client.storagePoolCreate(pool, options);
  return true;
}

async function takeOver(
  provider: ProviderContext,
  context: CallContext,
  inputs: PoolInputs,
  existing: StoragePoolRef,
  uuid: string,
): Promise<PoolState> {
  const facts = parsePool(
    await provider.client.storagePoolGetXmlDesc(existing, { inactive: true, signal: context.signal }),
  );
  const ours = existing.uuid === uuid;
  if (!ours && inputs.adopt !== true) {
    throw new ProviderError(
      `a storage pool "${inputs.name}" exists already on ${provider.config.uri} and was not made by this resource. ` +
        `Choose another name; or set "adopt: true" to use it as it is; or remove it with ` +
        `"virsh pool-destroy ${inputs.name}" and "virsh pool-undefine ${inputs.name}" (its files stay).`,
      "alreadyExists",
    );
  }
  if (facts.type !== (inputs.type ?? "dir") || facts.path !== inputs.path) {
    throw new ProviderError(
      `the storage pool "${inputs.name}" exists already on ${provider.config.uri} with type ${facts.type} and path ` +
        `${facts.path}, not type ${inputs.type ?? "dir"} and path ${inputs.path}. Declare it as it is, or choose another name.`,
      "alreadyExists",
    );
  }
  const built = await start(provider, context, existing, inputs);
  return { uuid: existing.uuid, ...(ours ? takenOver : { adopted: true, built }) };
}

async function read(
  provider: ProviderContext,
  context: CallContext,
  request: ReadRequest,
): Promise<ReadResult | undefined> {
  const pools = await provider.cache.pools.get(context.signal);
  const imported = typeof request.state.uuid !== "string";
  const found = pools.find((pool) =>
    imported ? pool.ref.name === request.id : pool.ref.uuid === request.state.uuid,
  );
  if (found === undefined) return undefined;
  const uuid = ownedUuid(provider.config.owner, request.urn);
  const state: PoolState = imported
    ? { uuid: found.ref.uuid, adopted: found.ref.uuid !== uuid, built: false }
    : decodeState(request.state);
  return {
    id: found.ref.name,
    outputs: encodeState(state, found.active),
    inputs: readInputs(found, request.inputs),
  };
}

function readInputs(found: PoolSnapshot, recorded: PropertyMap): PropertyMap {
  const facts = parsePool(found.xml);
  const autostart = found.autostart === (recorded.autostart ?? true) ? recorded.autostart : found.autostart;
  return {
    ...recorded,
    name: facts.name,
    path: facts.path,
    ...(facts.type === (recorded.type ?? "dir") ? {} : { type: facts.type }),
    ...(autostart === undefined ? {} : { autostart }),
  };
}

async function update(
  provider: ProviderContext,
  context: CallContext,
  request: UpdateRequest,
): Promise<UpdateResult> {
  const changes = changesOf("Pool", request.oldInputs, request.inputs);
  const state = decodeState(request.state);
  if (context.preview) {
    const line = effectLine(request.id, changes);
    context.logger.info(request.state.stopped === true ? `${request.id}: live: the pool is started` : line);
    return { outputs: encodeState(state) };
  }
  const inputs = decodeInputs("Pool", request.inputs);
  const pool = await provider.client.storagePoolLookupByUuid(state.uuid, { signal: context.signal });
  if (pool === undefined) {
    throw new ProviderError(
      `the storage pool "${inputs.name}" is no longer on ${provider.config.uri}. Run "pulumi refresh" and the update again.`,
      "notFound",
    );
  }
  try {
    await start(provider, context, pool, inputs);
  } finally {
    provider.cache.pools.invalidate();
    volumesChanged(provider.cache, inputs.name);
  }
  return { outputs: encodeState(state) };
}

async function findBegun(
  provider: ProviderContext,
  context: CallContext,
  { urn }: DeleteRequest,
): Promise<readonly PropertyMap[]> {
  const uuid = ownedUuid(provider.config.owner, urn);
  const pool = await provider.client.storagePoolLookupByUuid(uuid, { signal: context.signal });
  return pool === undefined ? [] : [encodeState({ uuid, ...takenOver })];
}

async function remove(
  provider: ProviderContext,
  context: CallContext,
  request: DeleteRequest,
): Promise<void> {
  const state = decodeState(request.state);
  if (state.adopted) {
    context.logger.info(`the pool ${request.id} existed before and is left in place`);
    return;
  }
  const { client } = provider;
  const options = { signal: context.signal };
  const pool = await client.storagePoolLookupByUuid(state.uuid, options);
  if (pool === undefined) return;
  try {
    if (await client.storagePoolIsActive(pool, options)) await client.storagePoolDestroy(pool, options);
    if (state.built) await removeDirectory(provider, context, pool);
    await client.storagePoolUndefine(pool, options);
  } finally {
    provider.cache.pools.invalidate();
    volumesChanged(provider.cache, pool.name);
  }
}

async function removeDirectory(
  provider: ProviderContext,
  context: CallContext,
  pool: StoragePoolRef,
): Promise<void> {
  try {
    await provider.client.storagePoolDelete(pool, { signal: context.signal });
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    context.logger.warning(
      `the directory of the pool ${pool.name} is kept, because it holds files that hyperlab did not make: ${error.text}`,
    );
  }
}
