/** Pure codec between the protocol's `Struct` and property values. */
import { structPb } from "./proto.ts";
import {
  Archive,
  type ArchiveContent,
  Asset,
  type AssetContent,
  isArray,
  OutputValue,
  type PropertyMap,
  type PropertyValue,
  ResourceReference,
  Secret,
  Unknown,
  type UnknownSort,
} from "./values.ts";

/** Key whose presence makes an object an envelope, and the signatures that say which one. */
const signatureKey = "4dabf18193072939515e22adb298388d";
const signatures = {
  secret: "1b47061264138c4ac30d75fd1eb44270",
  asset: "c44067f5952c0a294b673a41bacd8c17",
  archive: "0def7320c3a5731c473e5ecbe6d01bc7",
  resource: "5cf8f73096256a8f31e491e813e4eb8e",
  output: "d0e6a833031e9bbcd3f4e8bde6ca49a4",
} as const;

/** Strings that stand for a value that is not known yet. */
const unknownTexts: Readonly<Record<UnknownSort, string>> = {
  boolean: "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  number: "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  string: "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  array: "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  object: "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
  asset: "030794c1-ac77-496b-92df-f27374a8bd58",
  archive: "e48ece36-62e2-4504-bad9-02848725956a",
};
const unknownValues = new Map<string, Unknown>([
  [unknownTexts.boolean, new Unknown("boolean")],
  [unknownTexts.number, new Unknown("number")],
  [unknownTexts.string, new Unknown("string")],
  [unknownTexts.array, new Unknown("array")],
  [unknownTexts.object, new Unknown("object")],
  [unknownTexts.asset, new Unknown("asset")],
  [unknownTexts.archive, new Unknown("archive")],
]);

/** Nesting beyond this is refused: real inputs stay far below, and recursion must end before the stack does. */
const maximumDepth = 500;

/** A value that the protocol cannot carry or that is malformed. `path` says where. */
export class CodecError extends Error {
  readonly path: string;
  constructor(path: string, reason: string) {
    super(`property ${path === "" ? "(top level)" : path}: ${reason}`);
    this.name = "CodecError";
    this.path = path;
  }
}

const identifier = /^[A-Za-z_$][\w$]*$/;

/** The path of a child in the notation of the engine: `a.b[0]["odd key"]`. */
export function childPath(parent: string, key: string | number): string {
  if (typeof key === "number") return `${parent}[${key}]`;
  if (!identifier.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === "" ? key : `${parent}.${key}`;
}

/**
 * Decodes a message of the engine. An absent message is an empty object.
 * @throws {CodecError} for an envelope that is malformed or of an unknown kind, and for nesting that is too deep.
 */
export function decodeProperties(struct: structPb.Struct | undefined): PropertyMap {
  return struct === undefined ? {} : decodeObject(struct, "", 0);
}

function decodeObject(struct: structPb.Struct, path: string, depth: number): PropertyMap {
  const entries: [string, PropertyValue][] = [];
  struct.getFieldsMap().forEach((value: structPb.Value, key: string) => {
    entries.push([key, decodeValue(value, childPath(path, key), depth + 1)]);
  });
  // fromEntries defines own properties, so a key such as __proto__ stays an ordinary key.
  return Object.fromEntries(entries);
}

function decodeValue(value: structPb.Value, path: string, depth: number): PropertyValue {
  if (depth > maximumDepth) throw new CodecError(path, `nested deeper than ${maximumDepth} levels`);
  const kinds = structPb.Value.KindCase;
  switch (value.getKindCase()) {
    case kinds.BOOL_VALUE:
      return value.getBoolValue();
    case kinds.NUMBER_VALUE:
      return value.getNumberValue();
    case kinds.STRING_VALUE: {
      const text = value.getStringValue();
      return unknownValues.get(text) ?? text;
    }
    case kinds.LIST_VALUE:
      return (
        value
          .getListValue()
          ?.getValuesList()
          .map((item, index) => decodeValue(item, childPath(path, index), depth + 1)) ?? []
      );
    case kinds.STRUCT_VALUE: {
      const object = decodeObject(value.getStructValue() ?? new structPb.Struct(), path, depth);
      return Object.hasOwn(object, signatureKey) ? decodeEnvelope(object, path) : object;
    }
    default:
      return null;
  }
}

function decodeEnvelope(object: PropertyMap, path: string): PropertyValue {
  switch (object[signatureKey]) {
    case signatures.secret:
      if (object.value === undefined) throw new CodecError(path, "a secret without a value");
      return new Secret(object.value);
    case signatures.asset:
      return new Asset(assetContent(object, path), optionalText(object, "hash", path));
    case signatures.archive:
      return new Archive(archiveContent(object, path), optionalText(object, "hash", path));
    case signatures.resource:
      return decodeResource(object, path);
    case signatures.output:
      return new OutputValue(object.value, object.secret === true, textList(object, "dependencies", path));
    default:
      throw new CodecError(path, "an envelope of a kind that this plugin does not know; update the plugin");
  }
}

function optionalText(object: PropertyMap, key: string, path: string): string | undefined {
  const value = object[key];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw new CodecError(childPath(path, key), "expected a string");
  return value;
}

function textList(object: PropertyMap, key: string, path: string): string[] {
  const value = object[key];
  if (value === undefined || value === null) return [];
  if (!isArray(value)) throw new CodecError(childPath(path, key), "expected a list of strings");
  return value.map((item, index) => {
    if (typeof item === "string") return item;
    throw new CodecError(childPath(childPath(path, key), index), "expected a string");
  });
}

function pathOrUri(object: PropertyMap, path: string) {
  const file = optionalText(object, "path", path);
  if (file !== undefined) return { from: "path", path: file } as const;
  const uri = optionalText(object, "uri", path);
  return uri === undefined ? undefined : ({ from: "uri", uri } as const);
}

function assetContent(object: PropertyMap, path: string): AssetContent | undefined {
  const content = pathOrUri(object, path);
  if (content !== undefined) return content;
  return typeof object.text === "string" ? { from: "text", text: object.text } : undefined;
}

function archiveContent(object: PropertyMap, path: string): ArchiveContent | undefined {
  const assets = object.assets;
  if (typeof assets !== "object" || assets === null) return pathOrUri(object, path);
  const entries = Object.entries(assets).map(([name, value]): [string, Asset | Archive] => {
    if (value instanceof Asset || value instanceof Archive) return [name, value];
    throw new CodecError(childPath(childPath(path, "assets"), name), "expected an asset or an archive");
  });
  return { from: "assets", assets: Object.fromEntries(entries) };
}

function decodeResource(object: PropertyMap, path: string): ResourceReference {
  const urn = optionalText(object, "urn", path);
  if (urn === undefined) throw new CodecError(path, "a resource reference without urn");
  const id = object.id instanceof Unknown ? object.id : optionalText(object, "id", path);
  return new ResourceReference(urn, id, optionalText(object, "packageVersion", path));
}

/**
 * Encodes an object for the engine. Properties that are `undefined` are left out.
 * @throws {CodecError} when nesting is too deep, and for a key `__proto__`.
 */
export function encodeProperties(object: PropertyMap): structPb.Struct {
  return encodeObject(object, "", 0);
}

function encodeObject(object: PropertyMap, path: string, depth: number): structPb.Struct {
  const struct = new structPb.Struct();
  const fields = struct.getFieldsMap();
  for (const [key, value] of Object.entries(object)) {
    // The maps of the protocol's library lose it without a word.
    if (key === "__proto__") throw new CodecError(path, 'a key "__proto__" cannot be sent; rename it');
    if (value !== undefined) {
      fields.set(wellFormed(key), encodeValue(value, childPath(path, key), depth + 1));
    }
  }
  return struct;
}

function encodeValue(value: PropertyValue, path: string, depth: number): structPb.Value {
  if (depth > maximumDepth) throw new CodecError(path, `nested deeper than ${maximumDepth} levels`);
  const message = new structPb.Value();
  if (value === null) message.setNullValue(structPb.NullValue.NULL_VALUE);
  else if (typeof value === "boolean") message.setBoolValue(value);
  else if (typeof value === "number") message.setNumberValue(value);
  else if (typeof value === "string") message.setStringValue(wellFormed(value));
  else if (value instanceof Unknown) message.setStringValue(unknownTexts[value.sort]);
  else if (isArray(value)) {
    const list = new structPb.ListValue();
    list.setValuesList(value.map((item, index) => encodeValue(item, childPath(path, index), depth + 1)));
    message.setListValue(list);
  } else message.setStructValue(encodeObject(envelope(value), path, depth));
  return message;
}

type Enveloped = Secret | Asset | Archive | OutputValue | ResourceReference;

function envelope(value: PropertyMap | Enveloped): PropertyMap {
  if (value instanceof Secret) return { [signatureKey]: signatures.secret, value: value.value };
  if (value instanceof Asset) {
    return { [signatureKey]: signatures.asset, hash: value.hash, ...contentFields(value.content) };
  }
  if (value instanceof Archive) {
    return { [signatureKey]: signatures.archive, hash: value.hash, ...contentFields(value.content) };
  }
  if (value instanceof OutputValue) {
    return {
      [signatureKey]: signatures.output,
      value: value.value,
      secret: value.secret ? true : undefined,
      dependencies: value.dependencies.length === 0 ? undefined : value.dependencies,
    };
  }
  if (value instanceof ResourceReference) {
    const { urn, id, packageVersion } = value;
    return { [signatureKey]: signatures.resource, urn, id, packageVersion };
  }
  return value;
}

function contentFields(content: AssetContent | ArchiveContent | undefined): PropertyMap {
  switch (content?.from) {
    case "text":
      return { text: content.text };
    case "path":
      return { path: content.path };
    case "uri":
      return { uri: content.uri };
    case "assets":
      return { assets: content.assets };
    default:
      return {};
  }
}

const surrogate = /\p{Surrogate}/u;

/** Lone surrogates cannot be written as UTF-8, and the engine refuses the whole message: they become U+FFFD. */
export function wellFormed(text: string): string {
  return surrogate.test(text) ? Buffer.from(text, "utf8").toString("utf8") : text;
}
