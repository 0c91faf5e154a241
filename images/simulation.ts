/** What apt says it would install, as data. Pure. */

/** A package that an image would get. */
export interface ResolvedPackage {
  readonly name: string;
  readonly version: string;
  /** The version is offered by the suite of security updates. */
  readonly security: boolean;
}

/**
 * Packages from apt's lines `Inst NAME [OLD] (VERSION ORIGIN:RELEASE/SUITE, … [ARCHITECTURE])`, by name. A version that
 * several suites have is named with all of them.
 */
export function parseSimulation(lines: readonly string[]): ResolvedPackage[] {
  const packages = new Map<string, ResolvedPackage>();
  for (const line of lines) {
    const [, name, version, origins] = /^Inst (\S+) (?:\[\S*\] )?\((\S+) ([^)]*)\)/.exec(line) ?? [];
    if (name === undefined || version === undefined) continue;
    packages.set(name, { name, version, security: /Debian-Security:|-security\b/.test(origins ?? "") });
  }
  return [...packages.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
