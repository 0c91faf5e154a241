import { ProviderError } from "../../plugin/errors.ts";
import type { CheckFailure } from "../../plugin/types.ts";
import {
  isArray,
  isObject,
  OutputValue,
  type PropertyMap,
  type PropertyValue,
  Secret,
  Unknown,
  unwrap,
} from "../../plugin/values.ts";
import { withDefaults } from "./changes.ts";
import { type InputsOf, type ResourceName, tables } from "./effects.ts";
import type { FieldSpec, Fields, ItemSpec } from "./table.ts";

/**
 * Checks inputs against the table: unknown, missing and mistyped fields, patterns, limits, allowed values, items with
 * the same key. Values that are not known yet pass. Secret values are never quoted.
 */
export function checkInputs(resource: ResourceName, inputs: PropertyMap): CheckFailure[] {
  return checkObject(tables[resource], inputs, "", false);
}

function conforms<R extends ResourceName>(
  resource: R,
  inputs: PropertyMap,
): inputs is PropertyMap & InputsOf[R] {
  return checkInputs(resource, inputs).length === 0;
}

/**
 * The inputs as their interface, plain and with the fixed defaults. All values must be known.
 * @throws ProviderError where they do not fit, for example in a state that another version wrote.
 */
export function decodeInputs<R extends ResourceName>(resource: R, inputs: PropertyMap): InputsOf[R] {
  const plain = withDefaults(resource, inputs);
  if (conforms(resource, plain)) return plain;
  const problems = checkInputs(resource, plain).map(({ property, reason }) => `${property}: ${reason}`);
  throw new ProviderError(
    `the recorded inputs of this ${resource} are not valid for this version of the provider:\n${problems.join("\n")}`,
    "invalidArgument",
  );
}

function checkObject(fields: Fields, value: PropertyMap, path: string, secret: boolean): CheckFailure[] {
  const at = (name: string) => (path === "" ? name : `${path}.${name}`);
  const unknown = Object.keys(value)
    .filter((name) => value[name] !== undefined && !Object.hasOwn(fields, name))
    .map((name) => ({
      property: at(name),
      reason: `there is no such input; known are ${Object.keys(fields).join(", ")}`,
    }));
  const known = Object.entries(fields).flatMap(([name, spec]) =>
    checkField(spec, value[name], at(name), secret || spec.secret === true),
  );
  return [...unknown, ...known];
}

function checkField(
  spec: FieldSpec,
  wrapped: PropertyValue | undefined,
  path: string,
  outerSecret: boolean,
): CheckFailure[] {
  const secret =
    outerSecret || wrapped instanceof Secret || (wrapped instanceof OutputValue && wrapped.secret);
  const value = unwrap(wrapped);
  if (value instanceof Unknown) return [];
  const fail = (reason: string): CheckFailure[] => [{ property: path, reason }];
  if (value === undefined || value === null) {
    return spec.required === true ? fail(`is required: ${spec.description}`) : [];
  }
  if (spec.type === "object") {
    return isObject(value)
      ? checkObject(spec.fields ?? {}, value, path, secret)
      : fail("must be an object with members");
  }
  if (spec.type === "array") {
    return isArray(value) ? checkItems(spec.items, value, path, secret) : fail("must be a list");
  }
  const reason = scalarProblem(spec, value, secret);
  return reason === undefined ? [] : fail(reason);
}

function checkItems(
  items: ItemSpec | undefined,
  list: readonly PropertyValue[],
  path: string,
  secret: boolean,
): CheckFailure[] {
  const seen = new Map<string, number>();
  return list.flatMap((wrapped, index): CheckFailure[] => {
    const here = `${path}[${index}]`;
    const item = unwrap(wrapped);
    if (item instanceof Unknown) return [];
    if (items?.fields === undefined) {
      return typeof item === "string" ? [] : [{ property: here, reason: "must be text" }];
    }
    if (!isObject(item)) return [{ property: here, reason: "must be an object with members" }];
    const failures = checkObject(items.fields, item, here, secret);
    const key = items.key === undefined ? undefined : unwrap(item[items.key]);
    if (typeof key !== "string" && typeof key !== "number") return failures;
    const first = seen.get(String(key));
    seen.set(String(key), first ?? index);
    if (first === undefined) return failures;
    const double = `is the same as in ${path}[${first}]; every item needs its own`;
    return [...failures, { property: `${here}.${items.key}`, reason: double }];
  });
}

function scalarProblem(spec: FieldSpec, value: PropertyValue, secret: boolean): string | undefined {
  const quoted = () => (secret ? "the value" : JSON.stringify(value));
  const example = () => (spec.example === undefined ? "" : `, for example ${JSON.stringify(spec.example)}`);
  if (spec.type === "boolean")
    return typeof value === "boolean" ? undefined : `${quoted()} must be true or false`;
  if (spec.type === "integer") {
    if (typeof value !== "number" || !Number.isSafeInteger(value)) {
      return `${quoted()} must be a whole number${spec.unit === undefined ? "" : ` of ${spec.unit}`}${example()}`;
    }
    if (spec.minimum !== undefined && value < spec.minimum)
      return `${quoted()} must be at least ${spec.minimum}`;
    if (spec.maximum !== undefined && value > spec.maximum)
      return `${quoted()} must be at most ${spec.maximum}`;
    return undefined;
  }
  if (typeof value !== "string") return `${quoted()} must be text${example()}`;
  if (spec.values !== undefined && !Object.hasOwn(spec.values, value)) {
    return `${quoted()} is not allowed; allowed are ${Object.keys(spec.values).join(", ")}`;
  }
  if (spec.pattern !== undefined && !new RegExp(spec.pattern).test(value)) {
    return `${quoted()} does not have the form ${spec.pattern}${example()}`;
  }
  // libvirt's XML cannot carry control characters; file contents are not sent as XML.
  return /[^\P{Cc}\t\n\r]/u.test(value) ? "holds control characters" : undefined;
}
