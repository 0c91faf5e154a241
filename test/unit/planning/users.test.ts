import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UserConfig } from "../../../config/index.ts";
import { Findings } from "../../../planning/findings.ts";
import { GID_RANGE, numberOf, planUsers } from "../../../planning/users.ts";
import { briefly, config, findingsOf, goodFacts, hpcOf, planned } from "./lab.ts";

const user = (name: string, more: Partial<UserConfig> = {}): UserConfig => ({
  name,
  groups: [],
  sshKeys: ["ssh-ed25519 AAAA x"],
  admin: false,
  ...more,
});

function withUsers(...users: UserConfig[]) {
  const lab = config();
  hpcOf(lab).users = users;
  return lab;
}

/** The id of group chemistry. */
const chemistry = numberOf("chemistry", GID_RANGE);

describe("users", () => {
  it("are the invoking person with their key, as admin, where none are given", () => {
    expect(planned(config()).users).toMatchObject([
      { name: "ada", sshKeys: ["ssh-ed25519 AAAAC3Nz ada@example"], admin: true, groups: [] },
    ]);
  });

  it("have no account of the system", () => {
    const lab = config();
    const facts = goodFacts(lab);
    for (const name of ["root", "Jane Doe", "slurm"]) {
      expect(planned(lab, { ...facts, invoker: { name, sshKeys: ["k"] } }).users[0]?.name).toBe("lab");
    }
    const { invoker: _, ...nobody } = facts;
    expect(briefly(findingsOf(lab, nobody))).toEqual(["warning no-users clusters.hpc.users"]);
  });

  it("keep their uid whoever else comes", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9]{2,10}$/);
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 20 }), name, (names, another) => {
        const lab = withUsers(...names.map((one) => user(one)));
        const more = withUsers(...names.map((one) => user(one)), user(another));
        const uids = (of: typeof lab) =>
          new Map(planUsers(hpcOf(of), goodFacts(of), new Findings()).map((one) => [one.name, one.uid]));
        const after = uids(more);
        for (const [one, uid] of uids(lab)) expect(after.get(one)).toBe(uid);
        for (const uid of after.values()) {
          expect(uid).toBeGreaterThanOrEqual(2000);
          expect(uid).toBeLessThan(50_000);
        }
      }),
    );
  });

  it("may have a uid of their own; a derived one that meets it is an error that names both", () => {
    const derived = planned(withUsers(user("grace"))).users[0]?.uid ?? 0;
    expect(planned(withUsers(user("grace", { uid: 2345 }))).users[0]?.uid).toBe(2345);
    const findings = findingsOf(withUsers(user("grace"), user("other", { uid: derived })));
    expect(briefly(findings)).toEqual(["error uid-collision clusters.hpc.users[0].uid"]);
    expect(findings[0]?.text).toContain("grace and other");
  });

  it.each([
    ["twice", [user("a1"), user("a1")], "error user-twice clusters.hpc.users[1].name"],
    ["of the system", [user("daemon")], "error user-reserved clusters.hpc.users[0].name"],
    [
      "without a key",
      [user("a1", { sshKeys: [] })],
      "warning user-without-key clusters.hpc.users[0].ssh_keys",
    ],
    [
      "in a group that only the system fills",
      [user("a1", { groups: ["hyperlab-admin"] })],
      "error group-reserved clusters.hpc.users",
    ],
    [
      "with the id of a group",
      [user("a1", { uid: chemistry, groups: ["chemistry"] })],
      "error gid-collision clusters.hpc.users",
    ],
    [
      "named like a group",
      [user("a1"), user("b1", { groups: ["a1"] })],
      "error group-is-user clusters.hpc.users",
    ],
  ])("%s are reported", (_, users, expected) => {
    expect(briefly(findingsOf(withUsers(...users)))).toEqual([expected]);
  });

  it("share groups with one id, outside the range of users; groups of the system are theirs", () => {
    const plan = planned(
      withUsers(user("a1", { groups: ["chem", "sudo"] }), user("b1", { groups: ["phys", "chem"] })),
    );
    expect(plan.groups.map((group) => group.name)).toEqual(["chem", "phys"]);
    for (const { gid } of plan.groups) {
      expect(gid).toBeGreaterThanOrEqual(50_000);
      expect(gid).toBeLessThan(60_000);
    }
    expect(plan.users[0]?.groups).toEqual(["chem", "sudo"]);
  });

  it("come in the order of their names with sorted keys", () => {
    const plan = planned(withUsers(user("zoe", { sshKeys: ["k2", "k1", "k2"] }), user("ann")));
    expect(plan.users.map((one) => [one.name, one.sshKeys])).toEqual([
      ["ann", ["ssh-ed25519 AAAA x"]],
      ["zoe", ["k1", "k2"]],
    ]);
  });
});
