import { ProviderError } from "../../../../plugin/errors.ts";
import type { ReadRequest, ReadResult } from "../../../../plugin/types.ts";
import { decodeInputs } from "../../../schema/index.ts";
import { definitionOf } from "../definition.ts";
import { entriesOf, hasPartOf } from "../entries.ts";
import { type Observation, observe } from "../host/observe.ts";
import { cachedReader, type HostReader } from "../host/reader.ts";
import { type Facts, recordedFacts } from "../plan/facts.ts";
import type { Run } from "../run.ts";
import { type DomainState, decodeState, encodeState, healthyFacts, measuredOn } from "../state.ts";
import { DomainXmlError, parseDomain } from "../xml/parse.ts";

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Refreshes a machine, or reads one for an import (by name or UUID). Undefined only where it is proven gone. */
export async function readDomain(run: Run, request: ReadRequest): Promise<ReadResult | undefined> {
  const reader = cachedReader(run.provider, run.call.signal);
  if (request.state.uuid === undefined) return importDomain(run, reader, request.id);
  const state = decodeState(request.state);
  const seen = await reader.byUuid(state.uuid);
  if (seen === undefined) return readWithoutDefinition(run, reader, request, state);
  const observation = await observe(reader, seen, {
    state,
    inputs: request.inputs,
    quiesceHook: recordedFacts(request.state, request.inputs).quiesceHook,
  });
  const rootVolume = state.imported ? undefined : observation.rootVolume;
  return result(run, observation, {
    ...state,
    generation: observation.parsed.mark?.generation ?? state.generation,
    rootVolume,
    bootSeconds: measuredOn(state, rootVolume),
  });
}

function result(run: Run, seen: Observation, state: DomainState): ReadResult {
  const inputs = decodeInputs("Domain", seen.inputs);
  return {
    id: seen.seen.ref.name,
    inputs: seen.inputs,
    outputs: encodeState(run.provider, inputs, state, seen.facts),
    refreshBeforeUpdate: run.provider.config.refreshBeforeUpdate,
  };
}

/** The definition is gone. The machine is gone only when its disk and its network entries are, too. */
async function readWithoutDefinition(
  run: Run,
  reader: HostReader,
  request: ReadRequest,
  state: DomainState,
): Promise<ReadResult | undefined> {
  const inputs = decodeInputs("Domain", request.inputs);
  const disk =
    state.rootVolume === undefined || state.imported ? "missing" : await reader.volume(state.rootVolume);
  const entries = state.imported ? false : await anyEntry(reader, inputs);
  if (disk === "missing" && !entries) return undefined;
  const facts: Facts = {
    ...healthyFacts(inputs),
    power: "undefined",
    rootDiskMissing: state.rootVolume !== undefined && disk === "missing",
  };
  return {
    id: request.id,
    inputs: inputs.running === false ? request.inputs : { ...request.inputs, running: false },
    outputs: encodeState(run.provider, inputs, state, facts),
    refreshBeforeUpdate: run.provider.config.refreshBeforeUpdate,
  };
}

async function anyEntry(reader: HostReader, inputs: Parameters<typeof definitionOf>[0]): Promise<boolean> {
  for (const entry of entriesOf(definitionOf(inputs))) {
    const facts = await reader.network(entry.network);
    if (facts !== undefined && hasPartOf(facts, entry)) return true;
  }
  return false;
}

async function importDomain(run: Run, reader: HostReader, id: string): Promise<ReadResult | undefined> {
  const uuid = uuidPattern.test(id) ? id.toLowerCase() : (await reader.byName(id))?.uuid;
  const seen = uuid === undefined ? undefined : await reader.byUuid(uuid);
  if (seen === undefined) return undefined;
  const { mark, unmanaged } = readable(
    () => parseDomain(seen.xml, { volumeAt: () => undefined }),
    seen.ref.name,
  );
  if (mark !== undefined) refuseForeign(run, seen.ref.name, mark);
  const state: DomainState = {
    uuid: seen.ref.uuid,
    generation: mark?.generation ?? "",
    rootVolume: undefined,
    bootSeconds: 0,
    imported: mark === undefined,
  };
  const observation = await observe(reader, seen, { state, inputs: undefined, quiesceHook: undefined });
  const critical = observation.parsed.unmanaged.filter((part) => part.critical);
  if (critical.length > 0) {
    throw new ProviderError(
      `the domain "${seen.ref.name}" has parts that cannot be declared: ${critical.map(({ what }) => what).join(", ")}. ` +
        "Its disks must lie in storage pools (make a pool of their directory); other kinds of devices have to be removed before it is imported.",
      "failedPrecondition",
    );
  }
  if (unmanaged.length > 0 && observation.parsed.unmanaged.length > 0) {
    const parts = observation.parsed.unmanaged.map(({ what }) => what).join(", ");
    run.call.logger.warning(
      `${seen.ref.name} has parts that cannot be declared and that the first change of its definition drops: ${parts}`,
    );
  }
  const agent = observation.parsed.definition.guestAgent;
  return result(
    run,
    agent ? observation : { ...observation, inputs: { ...observation.inputs, ...withoutAgent } },
    { ...state, rootVolume: observation.parsed.rootVolume },
  );
}

/** A guest without an agent cannot be asked: its declaration has to say so. */
const withoutAgent = { quiesce: { hook: "never" }, ready: { wait: "none" } } as const;

function refuseForeign(run: Run, name: string, mark: { owner: string; urn: string }): void {
  if (mark.owner === run.provider.config.owner && mark.urn === run.urn) return;
  const whose =
    mark.owner === run.provider.config.owner ? `this stack's resource ${mark.urn}` : "another stack";
  throw new ProviderError(
    `the domain "${name}" belongs to ${whose} and cannot be imported here. Take it out of there first.`,
    "failedPrecondition",
  );
}

function readable<T>(work: () => T, name: string): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DomainXmlError)) throw error;
    throw new ProviderError(
      `the domain "${name}" cannot be managed: ${error.message}.`,
      "failedPrecondition",
      error,
    );
  }
}
