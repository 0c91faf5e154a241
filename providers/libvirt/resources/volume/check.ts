import type { CheckFailure } from "../../../plugin/types.ts";
import { isObject, type PropertyMap, Unknown, unwrap } from "../../../plugin/values.ts";
import { parseMarker } from "./marker.ts";

/** What the field table cannot say: which inputs go together. */
export function checkVolume(inputs: PropertyMap): CheckFailure[] {
  const source = unwrap(inputs.source);
  const seed = unwrap(inputs.seed);
  const failures: CheckFailure[] = [];
  const fail = (property: string, reason: string) => failures.push({ property, reason });
  if (source !== undefined && seed !== undefined)
    fail("seed", "not together with source: a volume has one content");
  if (source === undefined && seed === undefined && inputs.sizeMiB === undefined) {
    fail("sizeMiB", "is required for a volume without source and seed");
  }
  if (seed !== undefined && inputs.sizeMiB !== undefined)
    fail("sizeMiB", "not with a seed, which is as large as its files");
  if (seed !== undefined && unwrap(inputs.format) === "qcow2")
    fail("format", "must be raw for a seed, or be left out");
  if (isObject(source)) failures.push(...checkSource(source));
  const name = unwrap(inputs.name);
  if (typeof name === "string" && parseMarker(name) !== undefined) {
    fail("name", "has the form of a mark of ownership; choose another name");
  }
  return failures;
}

function checkSource(source: PropertyMap): CheckFailure[] {
  const id = unwrap(source.id);
  const sha256 = unwrap(source.sha256);
  if (id instanceof Unknown || sha256 instanceof Unknown) return [];
  if ((id === undefined) === (sha256 === undefined)) {
    return [
      { property: "source", reason: "needs exactly one of id and sha256, which say what the file holds" },
    ];
  }
  return [];
}
