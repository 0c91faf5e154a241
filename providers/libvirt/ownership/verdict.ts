import type { Mark } from "./mark.ts";

/** Whose an object is that has the name we want. */
export type CreateVerdict =
  /** Made by an earlier create of the same resource with the same inputs: take it over. */
  | { readonly verdict: "adopt" }
  /** Somebody else's, or ours but not what is asked for: refuse. `reason` completes "… exists already: ". */
  | { readonly verdict: "refuse"; readonly reason: string };

/** Decides about an object that a create finds in its place. */
export function judgeForCreate(
  mark: Mark | undefined,
  wanted: { readonly owner: string; readonly urn: string; readonly inputHash: string },
): CreateVerdict {
  const foreign = foreignReason(mark, wanted);
  if (foreign !== undefined) return { verdict: "refuse", reason: foreign };
  return mark?.inputHash === wanted.inputHash
    ? { verdict: "adopt" }
    : { verdict: "refuse", reason: "an earlier, interrupted run of this stack made it from other inputs" };
}

/** Why an object is not this resource's; undefined for its own. */
export function foreignReason(
  mark: Mark | undefined,
  wanted: { readonly owner: string; readonly urn: string },
): string | undefined {
  if (mark === undefined) return "it was not made by hyperlab";
  if (mark.owner !== wanted.owner) return "it belongs to another stack";
  return mark.urn === wanted.urn ? undefined : `it belongs to this stack's resource ${mark.urn}`;
}

/** True when the object is the very one that the state knows: only then it may be changed or deleted. */
export function isOurs(
  mark: Mark | undefined,
  known: { readonly owner: string; readonly generation: string },
): boolean {
  return mark !== undefined && mark.owner === known.owner && mark.generation === known.generation;
}
