/** SLURM's and MariaDB's release series, and which steps between them they support. Pure. */
import { upstreamVersion } from "./debian-version.ts";

/** Releases before the cycle of six months, the newest first; -1 is the one before 24.05. */
const earlier = ["23.11", "23.02", "22.05", "21.08", "20.11", "20.02"];

/** This release and later ones support three releases back, earlier ones two. */
const threeBackSince = "24.11";

/** SLURM's release of a package version: `24.11` of `24.11.5-4`; undefined where it has another form. */
export function slurmRelease(version: string): string | undefined {
  return /^(\d\d\.\d\d)(?:\.|$|~|\+)/.exec(upstreamVersion(version))?.[1];
}

/** Number of a release in the row of all; undefined for one that SLURM's cycle does not have. */
export function slurmReleaseNumber(release: string): number | undefined {
  const [year = 0, month = 0] = release.split(".").map(Number);
  if (year >= 24 && (month === 5 || month === 11)) return (year - 24) * 2 + (month === 11 ? 1 : 0);
  const before = earlier.indexOf(release);
  return before < 0 ? undefined : -1 - before;
}

/** How many releases back a release can take over state, and can serve daemons. */
export function slurmReleasesBack(release: string): number {
  const [number, since] = [slurmReleaseNumber(release), slurmReleaseNumber(threeBackSince)];
  return number !== undefined && since !== undefined && number >= since ? 3 : 2;
}

/** MariaDB's series of a package version: `11.8` of `1:11.8.3-0+deb13u1`; undefined where it has another form. */
export function mariadbSeries(version: string): string | undefined {
  return /^(\d+\.\d+)(?:\.|$|~|\+)/.exec(upstreamVersion(version))?.[1];
}
