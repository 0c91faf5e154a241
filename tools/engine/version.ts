/** A semantic version without build metadata, for example of the engine. */
export interface Version {
  major: number;
  minor: number;
  patch: number;
  /** Text after the hyphen; empty for a release. */
  prerelease: string;
}

/** The engine that is installed where none is found; the SDK in package.json is of the same version. */
export const ENGINE_VERSION = "3.259.0";

/** Reads `v3.259.0` or `3.260.0-alpha.1+dirty`; undefined for anything else. */
export function parseVersion(text: string): Version | undefined {
  const match = /^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/.exec(
    text.trim(),
  );
  if (!match) return undefined;
  const [, major, minor, patch, prerelease] = match;
  return { major: Number(major), minor: Number(minor), patch: Number(patch), prerelease: prerelease ?? "" };
}

/** Negative where `a` is older, positive where it is newer. A pre-release is older than its release. */
export function compareVersions(a: Version, b: Version): number {
  const byNumber = a.major - b.major || a.minor - b.minor || a.patch - b.patch;
  if (byNumber !== 0 || a.prerelease === b.prerelease) return byNumber;
  if (a.prerelease === "") return 1;
  if (b.prerelease === "") return -1;
  return a.prerelease < b.prerelease ? -1 : 1;
}

/** Whether an engine of this version runs the project: at least the SDK's version and the same major version. */
export function engineIsUsable(version: Version): boolean {
  const least = parseVersion(ENGINE_VERSION);
  return least !== undefined && version.major === least.major && compareVersions(version, least) >= 0;
}
