import { isDeepStrictEqual } from "node:util";
import type { PropertyMap, PropertyValue } from "../../../plugin/values.ts";
import { decodeInputs } from "../../schema/index.ts";
import { type Definition, definitionOf } from "./definition.ts";
import { itemsIn } from "./members.ts";
import { toProperties } from "./properties.ts";

/**
 * The inputs that a definition stands for. What agrees with the declared inputs keeps their very form, so that a host
 * that is as declared gives back exactly what was declared; what differs is written out. Without declared inputs
 * (import) defaults are left out.
 */
export function toInputs(actual: Definition, declared: PropertyMap | undefined): PropertyMap {
  const written = withSeeds(writtenOut(actual), declared);
  const { name, type, vcpus, memoryMiB } = actual;
  const basis = declared ?? { name, type, vcpus, memoryMiB };
  const wanted = toProperties(definitionOf(decodeInputs("Domain", basis)));
  const is = toProperties(actual);
  const differs = (key: string) => !isDeepStrictEqual(is[key], wanted[key]);
  const kept = Object.entries(basis).filter(([key]) => !differs(key));
  const changed = Object.entries(written).filter(([key]) => differs(key));
  return Object.fromEntries([...kept, ...changed]);
}

/** The definition as inputs in full. Empty lists are left out: they say as much as none. */
function writtenOut(actual: Definition): PropertyMap {
  const { features, numaCells, ...cpu } = actual.cpu;
  return withoutEmptyLists(
    toProperties({ ...actual, cpu: withoutEmptyLists(toProperties({ ...cpu, features, numaCells })) }),
  );
}

/** libvirt does not know which disk is a seed: what was declared so still is, as long as the guest cannot write it. */
function withSeeds(written: PropertyMap, declared: PropertyMap | undefined): PropertyMap {
  const seeds = new Set<PropertyValue | undefined>(
    itemsIn(declared, "disks")
      .filter((disk) => disk.seed === true)
      .map((disk) => disk.target),
  );
  const disks = itemsIn(written, "disks");
  if (seeds.size === 0 || disks.length === 0) return written;
  const marked = disks.map((disk) =>
    seeds.has(disk.target) && disk.readOnly === true ? { ...disk, seed: true } : disk,
  );
  return { ...written, disks: marked };
}

function withoutEmptyLists(value: PropertyMap): PropertyMap {
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => !(Array.isArray(member) && member.length === 0)),
  );
}
