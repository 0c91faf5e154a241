/** Which change of versions a machine may make, and which machines go together. Pure. */
import { compareDebianVersions } from "./debian-version.ts";
import { mariadbSeries, slurmRelease, slurmReleaseNumber, slurmReleasesBack } from "./releases.ts";

/** What stands against a change of versions. */
export interface Objection {
  readonly id: string;
  readonly severity: "error" | "unknown" | "warning";
  /** Predicate of a sentence whose subject is the machine. */
  readonly text: string;
  readonly remedy: string;
}

/** A release with its place in the row of all releases. */
interface Release {
  readonly name: string;
  readonly number: number;
}

function releaseOf(version: string): Release | undefined {
  const name = slurmRelease(version);
  const number = name === undefined ? undefined : slurmReleaseNumber(name);
  return name === undefined || number === undefined ? undefined : { name, number };
}

const unreadable = (version: string): Objection => ({
  id: "slurm-release-unknown",
  severity: "unknown",
  text: `has or gets SLURM ${version}, whose place among the releases is not known`,
  remedy: "Compare the releases by hand: SLURM's upgrade guide says which steps are supported.",
});

/** SLURM on one machine, before and after. */
export function judgeSlurmChange(before: string, after: string): Objection | undefined {
  const [was, is] = [releaseOf(before), releaseOf(after)];
  if (was === undefined || is === undefined)
    return before === after ? undefined : unreadable(was ? after : before);
  if (is.number < was.number) {
    return {
      id: "slurm-downgrade",
      severity: "error",
      text: `would go from SLURM ${before} back to ${after}: no release reads the state and the accounting that a newer one wrote`,
      remedy: `Take an image with SLURM ${was.name} or newer. The way back is a backup that ${is.name} wrote, in a new cluster.`,
    };
  }
  const back = slurmReleasesBack(is.name);
  if (is.number - was.number > back) {
    return {
      id: "slurm-step-too-large",
      severity: "error",
      text: `would go from SLURM ${before} to ${after}: ${is.name} takes over from at most ${back} releases back`,
      remedy: "Go there in steps: first an image with a release between the two.",
    };
  }
  if (is.number === was.number && compareDebianVersions(after, before) < 0) {
    return {
      id: "slurm-older-patch",
      severity: "warning",
      text: `goes from SLURM ${before} to the older ${after} of the same release`,
      remedy: "State stays readable; errors that the newer version mended may come back.",
    };
  }
  return undefined;
}

/** A node's SLURM beside that of the controller to come: slurmdbd >= slurmctld >= slurmd. */
export function judgeSlurmBesideController(controller: string, node: string): Objection | undefined {
  const [ctld, slurmd] = [releaseOf(controller), releaseOf(node)];
  if (ctld === undefined || slurmd === undefined) {
    return controller === node ? undefined : unreadable(ctld ? node : controller);
  }
  if (slurmd.number > ctld.number) {
    return {
      id: "slurm-node-newer",
      severity: "error",
      text: `would have SLURM ${node} under a controller with ${controller}: slurmd may not be newer than slurmctld`,
      remedy: `Give the controller an image with SLURM ${slurmd.name} as well, or this machine an older one.`,
    };
  }
  const back = slurmReleasesBack(ctld.name);
  if (ctld.number - slurmd.number > back) {
    return {
      id: "slurm-node-too-old",
      severity: "error",
      text: `has SLURM ${node} under a controller with ${controller}, which serves at most ${back} releases back`,
      remedy: "Bring this machine to a release between the two first.",
    };
  }
  return undefined;
}

/** MariaDB on the controller, before and after. */
export function judgeMariadbChange(before: string, after: string): Objection | undefined {
  const [was, is] = [mariadbSeries(before), mariadbSeries(after)];
  if (was === undefined || is === undefined) {
    if (before === after) return undefined;
    return {
      id: "mariadb-series-unknown",
      severity: "unknown",
      text: `goes from MariaDB ${before} to ${after}, whose series could not be compared`,
      remedy: "Compare them by hand: MariaDB does not read data files of a newer series.",
    };
  }
  const [wasMajor = 0, wasMinor = 0] = was.split(".").map(Number);
  const [isMajor = 0, isMinor = 0] = is.split(".").map(Number);
  if (isMajor > wasMajor || (isMajor === wasMajor && isMinor >= wasMinor)) return undefined;
  return {
    id: "mariadb-downgrade",
    severity: "error",
    text: `would go from MariaDB ${before} back to ${after}: an older series does not read the data files of a newer one`,
    remedy: `Take an image with MariaDB ${was} or newer. The way back is a dump that is loaded into a new cluster.`,
  };
}
