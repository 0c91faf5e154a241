/** What another image would change, package by package. Pure. */
import type { ResolvedPackage } from "../../images/simulation.ts";
import { compareDebianVersions } from "../../planning/software/debian-version.ts";

/** A package of both images, in another version. */
export interface ChangedPackage {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  /** The new version comes from the suite of security updates. */
  readonly security: boolean;
  /** The new version is the lower one. */
  readonly older: boolean;
}

/** Differences of two images. */
export interface PackageChanges {
  readonly changed: readonly ChangedPackage[];
  readonly added: readonly ResolvedPackage[];
  readonly removed: readonly { readonly name: string; readonly version: string }[];
}

/** Compares the packages of the image in use with those that a new one would have; each list by name. */
export function comparePackages(
  before: ReadonlyMap<string, string>,
  after: readonly ResolvedPackage[],
): PackageChanges {
  const names = new Set(after.map(({ name }) => name));
  return {
    changed: after.flatMap(({ name, security, version }) => {
      const from = before.get(name);
      if (from === undefined || from === version) return [];
      return [{ name, from, to: version, security, older: compareDebianVersions(version, from) < 0 }];
    }),
    added: after.filter(({ name }) => !before.has(name)),
    removed: [...before]
      .filter(([name]) => !names.has(name))
      .map(([name, version]) => ({ name, version }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** Whether the two images have the same packages. */
export const isUnchanged = ({ added, changed, removed }: PackageChanges): boolean =>
  added.length + changed.length + removed.length === 0;

/** Lines for people: security updates first. */
export function renderChanges(changes: PackageChanges): string[] {
  const { added, changed, removed } = changes;
  const security = changed.filter((change) => change.security);
  const others = changed.filter((change) => !change.security);
  const line = ({ from, name, older, to }: ChangedPackage) =>
    `  ${name} ${from} -> ${to}${older ? " (older)" : ""}`;
  const block = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`${title} (${lines.length}):`, ...lines];
  return [
    ...block("Security updates", security.map(line)),
    ...block("Changed", others.map(line)),
    ...block(
      "Added",
      added.map((one) => `  ${one.name} ${one.version}${one.security ? " (security)" : ""}`),
    ),
    ...block(
      "Removed",
      removed.map((one) => `  ${one.name} ${one.version}`),
    ),
  ];
}
