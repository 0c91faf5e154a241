/**
 * Property values as a provider sees them. Plain values are plain JavaScript; what the protocol marks with a signature
 * is an instance of one of the classes below, so that no ordinary object can be mistaken for a secret or an asset.
 */

/** A value of a resource's inputs or outputs. */
export type PropertyValue =
  | null
  | boolean
  | number
  | string
  | readonly PropertyValue[]
  | PropertyMap
  | SpecialValue;

/** An object of property values. Keys that are absent and keys with `undefined` mean the same: no value. */
export interface PropertyMap {
  readonly [key: string]: PropertyValue | undefined;
}

/** Every value that the protocol carries in an envelope. */
export type SpecialValue = Secret | Unknown | Asset | Archive | OutputValue | ResourceReference;

/** The types for which the protocol has a placeholder. */
export type UnknownSort = "boolean" | "number" | "string" | "array" | "object" | "asset" | "archive";

/** A value that must not be shown and is encrypted in the state. */
export class Secret {
  readonly kind = "secret";
  readonly value: PropertyValue;
  constructor(value: PropertyValue) {
    this.value = value;
  }
  /** Kept out of logs and error texts by construction. */
  toString(): string {
    return "[secret]";
  }
  toJSON(): string {
    return "[secret]";
  }
}

/** A value that is not known yet: only in previews. */
export class Unknown {
  readonly kind = "unknown";
  readonly sort: UnknownSort;
  constructor(sort: UnknownSort = "string") {
    this.sort = sort;
  }
}

/** Where the content of an asset or archive comes from; `undefined` where only the hash is known. */
export type AssetContent =
  | { readonly from: "text"; readonly text: string }
  | { readonly from: "path"; readonly path: string }
  | { readonly from: "uri"; readonly uri: string };

/** One file. */
export class Asset {
  readonly kind = "asset";
  readonly content: AssetContent | undefined;
  /** SHA-256 in hex, made by the engine. */
  readonly hash: string | undefined;
  constructor(content: AssetContent | undefined, hash?: string) {
    this.content = content;
    this.hash = hash;
  }
}

export type ArchiveContent =
  | { readonly from: "assets"; readonly assets: Readonly<Record<string, Asset | Archive>> }
  | { readonly from: "path"; readonly path: string }
  | { readonly from: "uri"; readonly uri: string };

/** Several files: a map, a directory, or an archive file (tar, tar.gz, zip). */
export class Archive {
  readonly kind = "archive";
  readonly content: ArchiveContent | undefined;
  readonly hash: string | undefined;
  constructor(content: ArchiveContent | undefined, hash?: string) {
    this.content = content;
    this.hash = hash;
  }
}

/** A value with its dependencies; sent only to a plugin that asks for it. `value` is undefined while it is unknown. */
export class OutputValue {
  readonly kind = "output";
  readonly value: PropertyValue | undefined;
  readonly secret: boolean;
  readonly dependencies: readonly string[];
  constructor(value: PropertyValue | undefined, secret = false, dependencies: readonly string[] = []) {
    this.value = value;
    this.secret = secret;
    this.dependencies = dependencies;
  }
}

/** A reference to another resource; sent only to a plugin that asks for it. */
export class ResourceReference {
  readonly kind = "resource";
  readonly urn: string;
  /** Undefined for a component, `Unknown` while the resource does not exist. */
  readonly id: string | Unknown | undefined;
  readonly packageVersion: string | undefined;
  constructor(urn: string, id?: string | Unknown, packageVersion?: string) {
    this.urn = urn;
    this.id = id;
    this.packageVersion = packageVersion;
  }
}

/** True for a value in an envelope. */
export function isSpecial(value: PropertyValue | undefined): value is SpecialValue {
  return (
    value instanceof Secret ||
    value instanceof Unknown ||
    value instanceof Asset ||
    value instanceof Archive ||
    value instanceof OutputValue ||
    value instanceof ResourceReference
  );
}

/** True for an array of values. */
export function isArray(value: PropertyValue | undefined): value is readonly PropertyValue[] {
  return Array.isArray(value);
}

/** True for an ordinary object: not null, not an array, not in an envelope. */
export function isObject(value: PropertyValue | undefined): value is PropertyMap {
  return typeof value === "object" && value !== null && !isArray(value) && !isSpecial(value);
}

/** The value without secret and output envelopes at its top; an output without value is `Unknown`. */
export function unwrap(
  value: PropertyValue | undefined,
): Exclude<PropertyValue, Secret | OutputValue> | undefined {
  if (value instanceof Secret) return unwrap(value.value);
  if (value instanceof OutputValue) return value.value === undefined ? new Unknown() : unwrap(value.value);
  return value;
}

function mapChildren(value: PropertyValue, map: (child: PropertyValue) => PropertyValue): PropertyValue {
  if (isArray(value)) return value.map(map);
  if (isObject(value)) return mapObject(value, map);
  return value;
}

function mapObject(object: PropertyMap, map: (child: PropertyValue) => PropertyValue): PropertyMap {
  const entries: [string, PropertyValue][] = [];
  for (const [key, child] of Object.entries(object)) {
    if (child !== undefined) entries.push([key, map(child)]);
  }
  return Object.fromEntries(entries);
}

function revealValue(value: PropertyValue): PropertyValue {
  return mapChildren(unwrap(value) ?? null, revealValue);
}

/** The object without secret and output envelopes at any depth. The result must not reach a log or an error text. */
export function reveal(object: PropertyMap): PropertyMap {
  return mapObject(object, revealValue);
}

function some(value: PropertyValue | undefined, test: (value: PropertyValue) => boolean): boolean {
  if (value === undefined) return false;
  if (test(value)) return true;
  if (value instanceof Secret || value instanceof OutputValue) return some(value.value, test);
  if (isArray(value)) return value.some((child) => some(child, test));
  return isObject(value) && Object.values(value).some((child) => some(child, test));
}

/** True when the value, or anything inside it, is not known yet. */
export function containsUnknown(value: PropertyValue | undefined): boolean {
  return some(
    value,
    (part) => part instanceof Unknown || (part instanceof OutputValue && part.value === undefined),
  );
}

/** True when the value, or anything inside it, is secret. */
export function containsSecret(value: PropertyValue | undefined): boolean {
  return some(value, (part) => part instanceof Secret || (part instanceof OutputValue && part.secret));
}
