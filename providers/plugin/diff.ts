/** Pure comparison of inputs. */
import { childPath } from "./codec.ts";
import type { DetailedDiff, DiffKind } from "./types.ts";
import {
  Archive,
  Asset,
  isArray,
  isObject,
  type PropertyMap,
  type PropertyValue,
  ResourceReference,
  Unknown,
  unwrap,
} from "./values.ts";

type Found = Map<string, DiffKind>;

/**
 * Compares old with new inputs, leaf by leaf. Secrets are compared by what they hold. An unknown value differs from
 * everything that is known. Assets and archives differ when their hashes do.
 */
export function diffProperties(olds: PropertyMap, news: PropertyMap): DetailedDiff {
  const found: Found = new Map();
  compareObjects(olds, news, "", found);
  const paths = [...found.keys()].sort();
  return Object.fromEntries(
    paths.map((path) => [path, { kind: found.get(path) ?? "update", inputDiff: true }]),
  );
}

/** True when both values mean the same; unknown values are equal only to unknown values. */
export function sameValue(a: PropertyValue | undefined, b: PropertyValue | undefined): boolean {
  const found: Found = new Map();
  compare(a, b, "", found);
  return found.size === 0;
}

function compareObjects(olds: PropertyMap, news: PropertyMap, path: string, found: Found): void {
  const keys = new Set([...Object.keys(olds), ...Object.keys(news)]);
  for (const key of keys) compare(olds[key], news[key], childPath(path, key), found);
}

function compare(
  oldValue: PropertyValue | undefined,
  newValue: PropertyValue | undefined,
  path: string,
  found: Found,
): void {
  const a = unwrap(oldValue);
  const b = unwrap(newValue);
  if (a === undefined || b === undefined) {
    if (a !== b) found.set(path, a === undefined ? "add" : "delete");
  } else if (isArray(a) && isArray(b)) {
    for (let index = 0; index < Math.max(a.length, b.length); index++) {
      compare(a[index], b[index], childPath(path, index), found);
    }
  } else if (isObject(a) && isObject(b)) compareObjects(a, b, path, found);
  else if (!sameLeaf(a, b)) found.set(path, "update");
}

function sameLeaf(a: PropertyValue, b: PropertyValue): boolean {
  if (a instanceof Unknown) return b instanceof Unknown;
  if (a instanceof Asset) return b instanceof Asset && sameFiles(a, b);
  if (a instanceof Archive) return b instanceof Archive && sameFiles(a, b);
  if (a instanceof ResourceReference) return b instanceof ResourceReference && a.urn === b.urn;
  return Object.is(a, b);
}

function sameFiles(a: Asset | Archive, b: Asset | Archive): boolean {
  if (a.hash !== undefined || b.hash !== undefined) return a.hash === b.hash;
  return JSON.stringify(a.content) === JSON.stringify(b.content);
}
