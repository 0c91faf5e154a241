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
import { LibvirtConnectionError } from "../../client/errors.ts";
import type { ContextSource, ProviderContext } from "../../context.ts";
import { refreshPool, volumesChanged } from "../../host.ts";
import { changesOf, checkInputs, decodeInputs } from "../../schema/index.ts";
import { resuming } from "../begun.ts";
import { adoptionLine, diffResult, effectLine, refusals } from "../effects.ts";
import type { VolumeInputs } from "../inputs.ts";
import { parsePool } from "../pool/index.ts";
import { foreseesAdoption } from "./adopt.ts";
import { checkVolume } from "./check.ts";
import { createVolume, removeVolumes } from "./create.ts";
import { findUse, inUse, refuseWhileUsed } from "./guard.ts";
import { markerIdentity, markerName, markersOf } from "./marker.ts";
import { resizeVolume } from "./resize.ts";
import { parseVolume, toMiB, type VolumeFacts } from "./xml.ts";

/** Volumes. A marker beside the volume proves whose it is; see `marker.ts`. */
export function volumeHandler(source: ContextSource): ResourceHandler {
  const handler: ResourceHandler = {
    check: async (_context, request) => check(request),
    diff: (context, request) => diff(source(), context, request),
    create: (context, request) => create(source(), context, request),
    read: (context, request) => read(source(), context, request),
    update: (context, request) => update(source(), context, request),
    delete: (context, request) => remove(source(), context, request),
  };
  return resuming(handler, (context, request) => findBegun(source(), context, request));
}

const text = (value: PropertyValue | undefined): string => (typeof value === "string" ? value : "");

function encodeState(facts: VolumeFacts, generation: string): PropertyMap {
  return {
    path: facts.path,
    capacityMiB: toMiB(facts.capacityBytes),
    ...(generation === "" ? {} : { generation }),
  };
}

function check(request: CheckRequest): CheckResult {
  const failures = [...checkInputs("Volume", request.news), ...checkVolume(request.news)];
  return { inputs: request.news, failures: [...failures, ...refusals("Volume", request.olds, request.news)] };
}

async function diff(
  provider: ProviderContext,
  context: CallContext,
  request: DiffRequest,
): Promise<DiffResult> {
  const changes = changesOf("Volume", request.oldInputs, request.news);
  const replaced = changes.some((change) => change.effect === "replace");
  const moved = changes.some((change) => change.path === "name" || change.path === "pool");
  // Machines still need the old volume until they have taken the new one, which has another place.
  const result = diffResult(changes, { deleteBeforeReplace: !moved, stables: ["path", "generation"] });
  if (replaced && !moved) await refuseReplaceInUse(provider, context, request);
  return result;
}

async function refuseReplaceInUse(
  provider: ProviderContext,
  context: CallContext,
  request: DiffRequest,
): Promise<void> {
  const place = {
    pool: text(request.oldInputs.pool),
    name: text(request.oldInputs.name),
    path: text(request.state.path),
  };
  try {
    const use = await findUse(provider, context, place);
    if (use !== undefined) throw inUse(place, "replaced", use);
  } catch (error) {
    if (!(error instanceof LibvirtConnectionError)) throw error;
    context.logger.warning(
      `whether ${request.id} is in use could not be checked, because the host cannot be reached; a volume in use will not be replaced`,
    );
  }
}

async function create(
  provider: ProviderContext,
  context: CallContext,
  request: CreateRequest,
): Promise<CreateResult> {
  const id = `${text(request.inputs.pool)}/${text(request.inputs.name)}`;
  if (context.preview) {
    const known = !containsUnknown(request.inputs.pool) && !containsUnknown(request.inputs.name);
    if (!containsUnknown(request.inputs)) {
      const inputs = decodeInputs("Volume", request.inputs);
      if (await foreseesAdoption(provider, context, inputs, request.urn))
        context.logger.info(adoptionLine(id));
    }
    return { id: known ? id : "", outputs: await foresee(provider, context, request.inputs) };
  }
  const inputs = decodeInputs("Volume", request.inputs);
  const made = await createVolume(provider, context, inputs, request.urn);
  return { id, outputs: encodeState(made.facts, made.generation) };
}

/** What the outputs will be, as far as the declaration and the host's pools say. */
async function foresee(
  provider: ProviderContext,
  context: CallContext,
  inputs: PropertyMap,
): Promise<PropertyMap> {
  return {
    path: await foreseePath(provider, context, inputs),
    capacityMiB: typeof inputs.sizeMiB === "number" ? inputs.sizeMiB : new Unknown("number"),
    generation: new Unknown(),
  };
}

async function foreseePath(
  provider: ProviderContext,
  context: CallContext,
  inputs: PropertyMap,
): Promise<PropertyValue> {
  if (typeof inputs.pool !== "string" || typeof inputs.name !== "string") return new Unknown();
  try {
    const pools = await provider.cache.pools.get(context.signal);
    const pool = pools.find((candidate) => candidate.ref.name === inputs.pool);
    return pool === undefined ? new Unknown() : `${parsePool(pool.xml).path}/${inputs.name}`;
  } catch (error) {
    if (error instanceof LibvirtConnectionError) return new Unknown();
    throw error;
  }
}

async function read(
  provider: ProviderContext,
  context: CallContext,
  request: ReadRequest,
): Promise<ReadResult | undefined> {
  const [poolName, name] = splitId(request.id);
  const pools = await provider.cache.pools.get(context.signal);
  const pool = pools.find((candidate) => candidate.ref.name === poolName);
  if (pool === undefined) return undefined;
  if (!pool.active) {
    context.logger.warning(
      `the pool "${poolName}" is stopped, so that the volume "${name}" cannot be looked at; its recorded state is kept`,
    );
    return { id: request.id, outputs: request.state, inputs: request.inputs };
  }
  const volumes = await provider.cache.volumes.get(poolName, context.signal);
  const found = volumes.find((volume) => volume.ref.name === name);
  if (found === undefined) return undefined;
  const generation = text(request.state.generation);
  const names = volumes.map((volume) => volume.ref.name);
  if (generation !== "" && findMarker(name, generation, names) === undefined) {
    context.logger.warning(
      `the volume "${name}" in pool "${poolName}" lost the mark of ownership beside it; it will be left in place when it is no longer declared`,
    );
  }
  const facts = parseVolume(found.xml);
  return {
    id: request.id,
    outputs: encodeState(facts, generation),
    inputs: readInputs(facts, poolName, request.inputs),
  };
}

function splitId(id: string): readonly [string, string] {
  const slash = id.indexOf("/");
  if (slash > 0 && slash < id.length - 1) return [id.slice(0, slash), id.slice(slash + 1)];
  throw new ProviderError(`"${id}" is not the id of a volume; write POOL/NAME`, "invalidArgument");
}

function readInputs(facts: VolumeFacts, pool: string, recorded: PropertyMap): PropertyMap {
  const imported = Object.keys(recorded).length === 0;
  const size = toMiB(facts.capacityBytes);
  const format = facts.format === "qcow2" ? "qcow2" : "raw";
  return {
    ...recorded,
    name: facts.name,
    pool,
    ...(imported || (recorded.format !== undefined && recorded.format !== format) ? { format } : {}),
    ...(imported || recorded.sizeMiB !== undefined ? { sizeMiB: size } : {}),
  };
}

function findMarker(volume: string, generation: string, names: readonly string[]): string | undefined {
  const found = markersOf(volume, names).find((marker) => marker.generation === generation);
  return found === undefined ? undefined : markerName(found);
}

async function update(
  provider: ProviderContext,
  context: CallContext,
  request: UpdateRequest,
): Promise<UpdateResult> {
  const changes = changesOf("Volume", request.oldInputs, request.inputs);
  if (context.preview) {
    context.logger.info(effectLine(request.id, changes));
    const { sizeMiB } = request.inputs;
    return { outputs: { ...request.state, ...(sizeMiB === undefined ? {} : { capacityMiB: sizeMiB }) } };
  }
  const inputs: VolumeInputs = decodeInputs("Volume", request.inputs);
  const facts = await resizeVolume(provider, context, inputs);
  return { outputs: encodeState(facts, text(request.state.generation)) };
}

/** By its markers; a create that took over what an earlier one left may have been killed with two of them. */
async function findBegun(
  provider: ProviderContext,
  context: CallContext,
  { id, urn }: DeleteRequest,
): Promise<readonly PropertyMap[]> {
  const [poolName, name] = splitId(id);
  const { client, config } = provider;
  const options = { signal: context.signal };
  const pool = await client.storagePoolLookupByName(poolName, options);
  if (pool === undefined) return [];
  if (!(await client.storagePoolIsActive(pool, options))) throw poolStopped(poolName, id);
  await refreshPool(client, pool, context.signal);
  const names = (await client.storagePoolListVolumes(pool, options)).map((volume) => volume.name);
  const markers = markersOf(name, names);
  const identity = markerIdentity(config.owner, urn);
  if (markers.some((marker) => marker.identity !== identity)) return [];
  return markers.map(({ generation }) => ({ generation }));
}

const poolStopped = (pool: string, id: string): ProviderError =>
  new ProviderError(
    `the volume ${id} cannot be deleted while its pool is stopped. Start it with "virsh pool-start ${pool}" and try again.`,
    "failedPrecondition",
  );

async function remove(
  provider: ProviderContext,
  context: CallContext,
  request: DeleteRequest,
): Promise<void> {
  const [poolName, name] = splitId(request.id);
  const generation = text(request.state.generation);
  const keep = (why: string) => context.logger.warning(`the volume ${request.id} is left in place: ${why}`);
  if (generation === "") return keep("it was imported, not made by hyperlab");
  const { client } = provider;
  const options = { signal: context.signal };
  const pool = await client.storagePoolLookupByName(poolName, options);
  if (pool === undefined) return;
  if (!(await client.storagePoolIsActive(pool, options))) throw poolStopped(poolName, request.id);
  try {
    const names = (await client.storagePoolListVolumes(pool, options)).map((volume) => volume.name);
    const marker = findMarker(name, generation, names);
    const volume = await client.storageVolLookupByName(pool, name, options);
    if (marker === undefined) {
      if (volume !== undefined) keep("it does not carry the mark of the one that this stack made");
      return;
    }
    if (volume !== undefined) {
      await refuseWhileUsed(provider, context, volume, "deleted");
      await client.storageVolDelete(volume, options);
    }
    const [left] = await removeVolumes(provider, pool, [marker]);
    if (left !== undefined) throw new ProviderError(left, "unavailable");
  } finally {
    volumesChanged(provider.cache, poolName);
  }
}
