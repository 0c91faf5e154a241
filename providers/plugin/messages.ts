/** Pure conversions between the protocol's messages and the types of a provider. */
import { decodeProperties, encodeProperties } from "./codec.ts";
import { emptyPb, providerPb } from "./proto.ts";
import type {
  CheckFailure,
  CheckRequest,
  CheckResult,
  CreateRequest,
  CreateResult,
  DeleteRequest,
  DiffKind,
  DiffRequest,
  DiffResult,
  FunctionResult,
  ReadRequest,
  ReadResult,
  ResourceIdentity,
  UpdateRequest,
  UpdateResult,
} from "./types.ts";

const diffKinds: Readonly<Record<DiffKind, providerPb.PropertyDiff.Kind>> = {
  add: 0,
  addReplace: 1,
  delete: 2,
  deleteReplace: 3,
  update: 4,
  updateReplace: 5,
};

interface IdentityMessage {
  getUrn(): string;
  getName(): string;
  getType(): string;
}

/** Older engines send the URN alone; it ends with `type::name`. */
export function identity(message: IdentityMessage): ResourceIdentity {
  const urn = message.getUrn();
  const [, , qualifiedType = "", ...nameParts] = urn.split("::");
  return {
    urn,
    name: message.getName() || nameParts.join("::"),
    type: message.getType() || (qualifiedType.split("$").at(-1) ?? ""),
  };
}

export function checkRequest(message: providerPb.CheckRequest): CheckRequest {
  return {
    ...identity(message),
    olds: decodeProperties(message.getOlds()),
    news: decodeProperties(message.getNews()),
    randomSeed: message.getRandomseed_asU8(),
  };
}

export function diffRequest(message: providerPb.DiffRequest): DiffRequest {
  return {
    ...identity(message),
    id: message.getId(),
    state: decodeProperties(message.getOlds()),
    oldInputs: decodeProperties(message.getOldInputs()),
    news: decodeProperties(message.getNews()),
    ignoreChanges: message.getIgnorechangesList(),
  };
}

export function createRequest(message: providerPb.CreateRequest): CreateRequest {
  return { ...identity(message), inputs: decodeProperties(message.getProperties()) };
}

export function readRequest(message: providerPb.ReadRequest): ReadRequest {
  return {
    ...identity(message),
    id: message.getId(),
    state: decodeProperties(message.getProperties()),
    inputs: decodeProperties(message.getInputs()),
  };
}

export function updateRequest(message: providerPb.UpdateRequest): UpdateRequest {
  return {
    ...identity(message),
    id: message.getId(),
    state: decodeProperties(message.getOlds()),
    oldInputs: decodeProperties(message.getOldInputs()),
    inputs: decodeProperties(message.getNews()),
    ignoreChanges: message.getIgnorechangesList(),
  };
}

export function deleteRequest(message: providerPb.DeleteRequest): DeleteRequest {
  return {
    ...identity(message),
    id: message.getId(),
    state: decodeProperties(message.getProperties()),
    oldInputs: decodeProperties(message.getOldInputs()),
  };
}

function failureMessages(failures: readonly CheckFailure[] | undefined): providerPb.CheckFailure[] {
  return (failures ?? []).map(({ property, reason }) => {
    const message = new providerPb.CheckFailure();
    message.setProperty(property);
    message.setReason(reason);
    return message;
  });
}

export function checkResponse(result: CheckResult): providerPb.CheckResponse {
  const message = new providerPb.CheckResponse();
  message.setInputs(encodeProperties(result.inputs));
  message.setFailuresList(failureMessages(result.failures));
  return message;
}

export function diffResponse(result: DiffResult): providerPb.DiffResponse {
  const message = new providerPb.DiffResponse();
  const detailed = Object.entries(result.detailedDiff ?? {});
  const replaces = new Set(result.replaces ?? []);
  for (const [path, { kind, inputDiff }] of detailed) {
    const entry = new providerPb.PropertyDiff();
    entry.setKind(diffKinds[kind]);
    entry.setInputdiff(inputDiff ?? false);
    message.getDetaileddiffMap().set(path, entry);
    if (kind.endsWith("Replace")) replaces.add(path);
  }
  const changes = result.changes ?? (detailed.length > 0 || replaces.size > 0 ? "some" : "none");
  const values = providerPb.DiffResponse.DiffChanges;
  message.setChanges(
    { none: values.DIFF_NONE, some: values.DIFF_SOME, unknown: values.DIFF_UNKNOWN }[changes],
  );
  message.setHasdetaileddiff(result.detailedDiff !== undefined);
  message.setDiffsList([...new Set(detailed.map(([path]) => topLevelKey(path)))]);
  message.setReplacesList([...replaces]);
  message.setDeletebeforereplace(result.deleteBeforeReplace ?? false);
  message.setStablesList([...(result.stables ?? [])]);
  return message;
}

function topLevelKey(path: string): string {
  return /^[^.[]+/.exec(path)?.[0] ?? path;
}

export function createResponse(result: CreateResult): providerPb.CreateResponse {
  const message = new providerPb.CreateResponse();
  message.setId(result.id);
  message.setProperties(encodeProperties(result.outputs));
  message.setRefreshBeforeUpdate(result.refreshBeforeUpdate ?? false);
  return message;
}

/** A resource that is gone is answered with an empty id. */
export function readResponse(result: ReadResult | undefined): providerPb.ReadResponse {
  const message = new providerPb.ReadResponse();
  if (result === undefined) return message;
  message.setId(result.id);
  message.setProperties(encodeProperties(result.outputs));
  message.setInputs(encodeProperties(result.inputs));
  message.setRefreshBeforeUpdate(result.refreshBeforeUpdate ?? false);
  return message;
}

export function updateResponse(result: UpdateResult): providerPb.UpdateResponse {
  const message = new providerPb.UpdateResponse();
  message.setProperties(encodeProperties(result.outputs));
  message.setRefreshBeforeUpdate(result.refreshBeforeUpdate ?? false);
  return message;
}

export function invokeResponse(result: FunctionResult): providerPb.InvokeResponse {
  const message = new providerPb.InvokeResponse();
  message.setReturn(encodeProperties(result.outputs ?? {}));
  message.setFailuresList(failureMessages(result.failures));
  return message;
}

export function empty() {
  return new emptyPb.Empty();
}
