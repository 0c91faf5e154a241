/** Reading of provider configuration. */
import { type PropertyValue, unwrap } from "./values.ts";

/**
 * A configuration value as the program meant it. The engine hands configuration through as text: generated SDKs write
 * everything that is not a string as JSON.
 * @returns the value without envelopes; text that is not JSON of the wanted type is given back as text.
 */
export function configValue(
  value: PropertyValue | undefined,
  wanted: "string" | "number" | "boolean" | "array" | "object",
): PropertyValue | undefined {
  const plain = unwrap(value);
  if (typeof plain !== "string" || wanted === "string") return plain;
  try {
    const parsed: unknown = JSON.parse(plain);
    return isJson(parsed) ? parsed : plain;
  } catch {
    // Not JSON: the caller's check names the property and what it expects.
    return plain;
  }
}

function isJson(value: unknown): value is PropertyValue {
  if (value === null || ["boolean", "number", "string"].includes(typeof value)) return true;
  if (Array.isArray(value)) return value.every(isJson);
  return typeof value === "object" && Object.values(value).every(isJson);
}
