import type { z } from "zod";
import { nearest } from "./nearest.ts";
import { formatPath, type Path } from "./problems.ts";
import { exampleOf, knownKeys, schemaAt, valueAt } from "./walk.ts";

/** A problem that has no place in the file yet. */
export interface Explained {
  path: Path;
  /** Whether the key or its value is at fault. */
  at: "key" | "value";
  reason: string;
  allowed?: string[];
  nearest?: string;
}

/** Keys of the format that this version does not serve, by the map that they belong to (`*` stands for an index). */
const NOT_YET: readonly { map: RegExp; key: string; what: string }[] = [
  { map: /^clusters$/, key: "cloud", what: "the cloud cluster (Kubernetes)" },
  { map: /^clusters\.hpc$/, key: "storage", what: "storage (BeeGFS, virtiofs)" },
  { map: /(controller|compute_nodes(\[\d+\])?)$/, key: "pcie_passthrough", what: "PCI passthrough" },
  { map: /(controller|compute_nodes(\[\d+\])?)$/, key: "virtio_fs_mounts", what: "virtiofs mounts" },
  { map: /(controller|compute_nodes(\[\d+\])?)$/, key: "gpu_config", what: "GPU partitioning" },
];

/** Values of the format that this version does not serve. */
const NOT_YET_VALUES: readonly { path: RegExp; values: readonly string[] }[] = [
  { path: /network\.dns_mode$/, values: ["shared_dns", "routed", "service_discovery"] },
];

/** One value for a message: short, on one line. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (value !== null && typeof value === "object") return "a map";
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

const KINDS: Record<string, string> = {
  string: "text",
  number: "a whole number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map",
  record: "a map",
  null: "nothing",
};

/** What zod found, in the words of the file. Values never come from secret input. */
export function explain(
  issue: z.core.$ZodIssue,
  root: z.core.$ZodType,
  data: unknown,
  base: Path = [],
): Explained[] {
  const path = [...base, ...issue.path.map((part) => (typeof part === "number" ? part : String(part)))];
  const value = valueAt(data, path);
  const one = (reason: string, more: Partial<Explained> = {}): Explained[] => [
    { path, at: "value", reason, ...more },
  ];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((name) => unknownKey(root, data, path, name));
    case "invalid_type":
      return value === undefined ? [missing(root, data, path)] : one(wrongType(issue.expected, value));
    case "invalid_value":
      return value === undefined
        ? [missing(root, data, path)]
        : [wrongValue(issue.values.map(String), path, value)];
    case "too_small":
      return one(`${amount(value)}; expected at least ${bound(issue.minimum, value)}`);
    case "too_big":
      return one(`${amount(value)}; expected at most ${bound(issue.maximum, value)}`);
    case "invalid_format":
      return one(`is ${show(value)}; expected ${issue.message}`);
    case "invalid_union":
      return union(issue, root, data, path, value);
    case "invalid_key":
    case "invalid_element":
    case "not_multiple_of":
    case "custom":
      return one(`is ${show(value)}; ${issue.message}`);
    default: {
      const never: never = issue;
      return never;
    }
  }
}

function amount(value: unknown): string {
  if (Array.isArray(value)) return value.length === 1 ? "has 1 entry" : `has ${value.length} entries`;
  return typeof value === "string" ? `has ${value.length} characters` : `is ${show(value)}`;
}

function bound(limit: number | bigint, value: unknown): string {
  if (Array.isArray(value)) return limit === 1 ? "1 entry" : `${limit} entries`;
  return typeof value === "string" ? `${limit} characters` : String(limit);
}

function wrongType(expected: string, value: unknown): string {
  const quote = expected === "string" && (typeof value === "number" || typeof value === "boolean");
  const advice = quote ? `; put it in quotes: ${JSON.stringify(String(value))}` : "";
  return `is ${value === null ? "empty" : show(value)}; expected ${KINDS[expected] ?? expected}${advice}`;
}

function wrongValue(allowed: string[], path: Path, value: unknown): Explained {
  const written = String(value);
  const place = formatPath(path);
  const later = NOT_YET_VALUES.some((entry) => entry.path.test(place) && entry.values.includes(written));
  if (later) {
    return {
      path,
      at: "value",
      reason: `is ${show(value)}, which is not available yet in this version`,
      allowed,
    };
  }
  if (typeof value === "number" && place === "version") {
    return { path, at: "value", reason: `is the number ${show(value)}; put it in quotes: "1.0"` };
  }
  const guess = nearest(written, allowed);
  return {
    path,
    at: "value",
    reason: `is ${show(value)}`,
    allowed,
    ...(guess === undefined || typeof value !== "string" ? {} : { nearest: guess }),
  };
}

function unknownKey(root: z.core.$ZodType, data: unknown, map: Path, name: string): Explained {
  const path = [...map, name];
  const later = NOT_YET.find((entry) => entry.key === name && entry.map.test(formatPath(map)));
  if (later !== undefined) {
    return { path, at: "key", reason: `not available yet in this version: ${later.what}; remove the key` };
  }
  if (formatPath(map) === "global") {
    return { path, at: "key", reason: "nothing is defined for global yet; leave it empty or remove it" };
  }
  const known = knownKeys(root, map, data);
  const guess = nearest(name, known);
  return {
    path,
    at: "key",
    reason: "unknown key",
    allowed: known,
    ...(guess === undefined ? {} : { nearest: guess }),
  };
}

function missing(root: z.core.$ZodType, data: unknown, path: Path): Explained {
  const example = exampleOf(schemaAt(root, path, data));
  const advice = example === undefined ? "" : `, for example ${path.at(-1)}: ${JSON.stringify(example)}`;
  return { path, at: "value", reason: `is missing; add it${advice}` };
}

/** Of a value that fits none of several forms: the faults of the form that it was meant to have. */
function union(
  issue: z.core.$ZodIssueInvalidUnion,
  root: z.core.$ZodType,
  data: unknown,
  path: Path,
  value: unknown,
): Explained[] {
  if (value === undefined) return [missing(root, data, path)];
  const atTop = (faults: readonly z.core.$ZodIssue[], code: z.core.$ZodIssue["code"]) =>
    faults.some((fault) => fault.path.length === 0 && fault.code === code);
  const alike = issue.errors.filter((faults) => !atTop(faults, "invalid_type"));
  const meant = alike.find((faults) => !atTop(faults, "unrecognized_keys")) ?? alike[0];
  if (meant === undefined)
    return [{ path, at: "value", reason: `is ${show(value)}; expected a list or a map` }];
  return meant.flatMap((fault) => explain(fault, root, data, path));
}
