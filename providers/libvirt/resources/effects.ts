import type { CheckFailure, DetailedDiff, DiffKind, DiffResult } from "../../plugin/types.ts";
import { containsUnknown, type PropertyMap } from "../../plugin/values.ts";
import { type Change, changesOf, type ResourceName, worstEffect } from "../schema/index.ts";

/**
 * Changes that are refused, for `check`, where the engine shows them by property before anything happens. A
 * replacement makes everything anew, so nothing is refused beside it.
 */
export function refusals(resource: ResourceName, olds: PropertyMap, news: PropertyMap): CheckFailure[] {
  if (Object.keys(olds).length === 0) return [];
  const changes = changesOf(resource, olds, news);
  if (changes.some((change) => change.effect === "replace")) return [];
  return changes
    .filter((change) => change.effect === "forbidden" && !containsUnknown(news[change.path]))
    .map((change) => ({
      property: change.path,
      reason: `${describe(change)} is not possible: ${change.because ?? "there is no way to do it"}`,
    }));
}

/** The engine's form of changes. Changes without any effect are recorded, not shown. */
export function diffResult(
  changes: readonly Change[],
  options: { readonly deleteBeforeReplace: boolean; readonly stables?: readonly string[] },
): DiffResult {
  if (worstEffect(changes) === "none") return { changes: "none" };
  const detailed: DetailedDiff = Object.fromEntries(
    changes.map((change) => [change.path, { kind: kindOf(change), inputDiff: true }]),
  );
  return {
    changes: "some",
    detailedDiff: detailed,
    deleteBeforeReplace: options.deleteBeforeReplace,
    stables: options.stables ?? [],
  };
}

function kindOf(change: Change): DiffKind {
  if (change.effect !== "replace") return change.kind;
  return change.kind === "add" ? "addReplace" : change.kind === "delete" ? "deleteReplace" : "updateReplace";
}

/** The line of an object that is there already and is taken into the state. */
export const adoptionLine = (name: string): string => `${name}: adopt, it stays as it is`;

/** One line for the preview: name, effect, what changes and why. */
export function effectLine(name: string, changes: readonly Change[]): string {
  const effect = worstEffect(changes);
  const because = changes.find((change) => change.effect === effect)?.because;
  const what = changes.filter((change) => change.effect !== "none").map(describe);
  return `${name}: ${effect}: ${what.join(", ")}${because === undefined ? "" : ` (${because})`}`;
}

function describe(change: Change): string {
  const { path, before, after } = change;
  if (before !== undefined && after !== undefined) return `${path} ${before} → ${after}`;
  return change.kind === "add"
    ? `${path} added`
    : change.kind === "delete"
      ? `${path} removed`
      : `${path} changed`;
}
