import type { PropertyMap, PropertyValue } from "../../../plugin/values.ts";

/** Plain data as property values; members that are undefined are dropped. Throws for anything that is not data. */
export function toProperties(value: object): PropertyMap {
  const entries = Object.entries(value).flatMap(([key, member]): [string, PropertyValue][] =>
    member === undefined ? [] : [[key, toProperty(member)]],
  );
  return Object.fromEntries(entries);
}

function toProperty(value: unknown): PropertyValue {
  if (
    value === null ||
    typeof value === "string" ||
    typeof value === "number" ||
    typeof value === "boolean"
  ) {
    return value;
  }
  if (Array.isArray(value)) return value.map(toProperty);
  if (typeof value === "object") return toProperties(value);
  throw new TypeError(`a ${typeof value} is not a property value`);
}
