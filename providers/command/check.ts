/** Pure checks of inputs against the tables of fields. */
import {
  Archive,
  Asset,
  type CheckFailure,
  childPath,
  isArray,
  isObject,
  type PropertyMap,
  type PropertyValue,
  Secret,
  Unknown,
  unwrap,
} from "../plugin/index.ts";
import { connectionFields, type Field, type Fields, loggingValues, proxyFields } from "./fields.ts";

/** The inputs with defaults and secrets marked, and every failure by its path. */
export function checkFields(
  fields: Fields,
  inputs: PropertyMap,
): { inputs: PropertyMap; failures: CheckFailure[] } {
  const failures: CheckFailure[] = [];
  const checked = checkObject(fields, inputs, "", failures);
  return { inputs: checked, failures };
}

function checkObject(
  fields: Fields,
  object: PropertyMap,
  path: string,
  failures: CheckFailure[],
): PropertyMap {
  const result: Record<string, PropertyValue> = {};
  for (const key of Object.keys(object)) {
    if (!Object.hasOwn(fields, key)) {
      failures.push({
        property: childPath(path, key),
        reason: `there is no such property; the properties are ${Object.keys(fields).sort().join(", ")}`,
      });
    }
  }
  for (const [name, field] of Object.entries(fields)) {
    const value = checkField(field, object[name], childPath(path, name), failures);
    if (value !== undefined) result[name] = value;
  }
  return result;
}

function checkField(
  field: Field,
  given: PropertyValue | undefined,
  path: string,
  failures: CheckFailure[],
): PropertyValue | undefined {
  const value = unwrap(given);
  if (given === undefined || value === undefined || value === null) {
    if (field.required) failures.push({ property: path, reason: "is required" });
    return field.default;
  }
  if (value instanceof Unknown) return given;
  const nested = nestedFields(field);
  if (nested !== undefined && isObject(value)) {
    const object = checkObject(nested, value, path, failures);
    return field.secret || given instanceof Secret ? new Secret(object) : object;
  }
  const wanted = mismatch(field, value);
  if (wanted !== undefined) failures.push({ property: path, reason: `must be ${wanted}` });
  return given;
}

function nestedFields(field: Field): Fields | undefined {
  if (field.type === "connection") return connectionFields;
  return field.type === "proxy" ? proxyFields : undefined;
}

const isText = (value: PropertyValue | undefined) =>
  typeof unwrap(value) === "string" || unwrap(value) instanceof Unknown;

/** What the value should have been, or undefined if it is fine. */
function mismatch(field: Field, value: PropertyValue): string | undefined {
  switch (field.type) {
    case "string":
      return typeof value === "string" ? undefined : "a string";
    case "number":
    case "integer":
      return typeof value === "number" && Number.isInteger(value) ? undefined : "a whole number";
    case "boolean":
      return typeof value === "boolean" ? undefined : "true or false";
    case "strings":
      return isArray(value) && value.every(isText) ? undefined : "a list of strings";
    case "stringMap":
      return isObject(value) && Object.values(value).every(isText) ? undefined : "a map of strings";
    case "anyList":
      return isArray(value) ? undefined : "a list";
    case "localLogging":
    case "remoteLogging":
      return loggingValues.some((known) => known === value)
        ? undefined
        : `one of ${loggingValues.join(", ")}`;
    case "assetOrArchive":
      return isCopyable(value) ? undefined : "a FileAsset, a StringAsset or a FileArchive";
    case "connection":
    case "proxy":
      return "an object";
    case "assets":
    case "archive":
      return undefined;
  }
}

function isCopyable(value: PropertyValue): boolean {
  if (value instanceof Asset) return value.content?.from !== "uri";
  return value instanceof Archive && value.content?.from === "path";
}
