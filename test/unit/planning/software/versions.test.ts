import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareDebianVersions } from "../../../../planning/software/debian-version.ts";
import {
  judgeMariadbChange,
  judgeSlurmBesideController,
  judgeSlurmChange,
} from "../../../../planning/software/judge.ts";
import { slurmRelease, slurmReleasesBack } from "../../../../planning/software/releases.ts";

describe("the order of Debian versions", () => {
  it.each([
    ["24.11.5-4", "24.11.5-4+deb13u1"],
    ["24.11.5-4~bpo12+1", "24.11.5-4"],
    ["24.11.5~rc1-1", "24.11.5-1"],
    ["24.11.9-1", "24.11.10-1"],
    ["99.9-1", "1:0.1-1"],
    ["1:11.8.3-0+deb13u1", "1:11.8.3-1"],
    ["1.0-1", "1.0.1-1"],
    ["1.0a-1", "1.0+b-1"],
    ["20240101", "20250202"],
  ])("%s is older than %s", (older, newer) => {
    expect(compareDebianVersions(older, newer)).toBeLessThan(0);
    expect(compareDebianVersions(newer, older)).toBeGreaterThan(0);
  });

  it("leading zeros of a number do not count, and every version equals itself", () => {
    expect(compareDebianVersions("1.02-1", "1.2-1")).toBe(0);
    const version = fc.stringMatching(/^(\d:)?[0-9][0-9a-z.+~]{0,8}(-[0-9a-z+~]{1,5})?$/);
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(compareDebianVersions(a, a)).toBe(0);
        expect(Math.sign(compareDebianVersions(a, b))).toBe(-Math.sign(compareDebianVersions(b, a)) + 0);
        if (compareDebianVersions(a, b) <= 0 && compareDebianVersions(b, c) <= 0) {
          expect(compareDebianVersions(a, c)).toBeLessThanOrEqual(0);
        }
      }),
    );
  });
});

describe("a change of SLURM's version", () => {
  const judged = (before: string, after: string) => {
    const objection = judgeSlurmChange(before, after);
    return objection === undefined ? "allowed" : `${objection.severity} ${objection.id}`;
  };

  it.each([
    ["24.11.5-4", "24.11.5-4", "allowed"],
    ["24.11.5-4", "24.11.6-1", "allowed"],
    ["24.11.5-4", "26.05.5-1", "allowed"],
    ["24.11.5-4", "26.11.0-1", "error slurm-step-too-large"],
    ["23.02.7-1", "24.11.5-4", "allowed"],
    ["22.05.8-4", "24.11.5-4", "error slurm-step-too-large"],
    ["22.05.8-4", "23.11.4-1", "allowed"],
    ["22.05.8-4", "24.05.1-1", "error slurm-step-too-large"],
    ["24.11.5-4", "24.05.2-1", "error slurm-downgrade"],
    ["25.05.0-1", "24.11.9-1", "error slurm-downgrade"],
    ["24.11.6-1", "24.11.5-4", "warning slurm-older-patch"],
    ["24.11.5-4+deb13u1", "24.11.5-4", "warning slurm-older-patch"],
    ["24.11.5-4", "trunk-1", "unknown slurm-release-unknown"],
    ["24.08.1-1", "24.11.5-4", "unknown slurm-release-unknown"],
    ["odd-1", "odd-1", "allowed"],
  ])("%s to %s: %s", (before, after, expected) => {
    expect(judged(before, after)).toBe(expected);
  });

  it("is never both allowed and taken back: of two different releases one direction is a downgrade", () => {
    const releases = [
      "20.11",
      "21.08",
      "22.05",
      "23.02",
      "23.11",
      "24.05",
      "24.11",
      "25.05",
      "25.11",
      "26.05",
    ];
    const release = fc.constantFrom(...releases);
    fc.assert(
      fc.property(release, release, fc.nat(9), fc.nat(9), (a, b, x, y) => {
        const verdicts = [judged(`${a}.${x}-1`, `${b}.${y}-1`), judged(`${b}.${y}-1`, `${a}.${x}-1`)];
        const downgrades = verdicts.filter((verdict) => verdict === "error slurm-downgrade");
        expect(downgrades).toHaveLength(a === b ? 0 : 1);
      }),
    );
  });

  it("reads a release from package versions and nothing else", () => {
    expect(slurmRelease("24.11.5-4")).toBe("24.11");
    expect(slurmRelease("1:25.05~rc1-1")).toBe("25.05");
    expect(slurmRelease("2411-1")).toBeUndefined();
    expect(["24.05", "24.11", "26.05"].map(slurmReleasesBack)).toEqual([2, 3, 3]);
  });
});

describe("a node's SLURM beside the controller's", () => {
  it.each([
    ["24.11.5-4", "24.11.6-1", undefined],
    ["25.05.1-1", "24.11.5-4", undefined],
    ["24.11.5-4", "25.05.1-1", "slurm-node-newer"],
    ["26.05.1-1", "24.11.5-4", undefined],
    ["26.11.1-1", "24.11.5-4", "slurm-node-too-old"],
    ["24.11.5-4", "odd", "slurm-release-unknown"],
  ])("controller %s, node %s: %s", (controller, node, id) => {
    expect(judgeSlurmBesideController(controller, node)?.id).toBe(id);
  });
});

describe("a change of MariaDB's version", () => {
  it.each([
    ["1:10.11.14-0+deb12u2", "1:11.8.3-0+deb13u1", undefined],
    ["1:11.8.3-1", "1:11.8.2-1", undefined],
    ["1:11.8.3-1", "1:11.4.9-1", "mariadb-downgrade"],
    ["1:11.8.3-1", "1:10.11.14-1", "mariadb-downgrade"],
    ["1:11.8.3-1", "x", "mariadb-series-unknown"],
  ])("%s to %s: %s", (before, after, id) => {
    expect(judgeMariadbChange(before, after)?.id).toBe(id);
  });
});
