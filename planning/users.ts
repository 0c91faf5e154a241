import { createHash } from "node:crypto";
import type { HpcConfig, UserConfig } from "../config/model.ts";
import type { LabFacts } from "./facts.ts";
import { type Findings, HPC } from "./findings.ts";
import { byText } from "./names.ts";
import type { GroupPlan, UserPlan } from "./plan.ts";

/** Derived user ids. The file may give others up to 59999. */
export const UID_RANGE = { first: 2000, last: 49999 } as const;
/** Ids of groups; below the ranges that systemd and Debian give out themselves. */
export const GID_RANGE = { first: 50000, last: 59999 } as const;

/** Groups that a Debian guest has; a user may belong to them. */
const SYSTEM_GROUPS = new Set(
  (
    "root daemon bin sys adm tty disk lp mail news uucp man proxy kmem dialout fax voice cdrom floppy tape sudo audio dip " +
    "www-data backup operator list irc src shadow utmp video sasl plugdev staff games users nogroup input kvm render " +
    "sgx systemd-journal"
  ).split(" "),
);

/** Accounts and further groups that a guest's Debian, SLURM, MariaDB and hyperlab have themselves. */
const RESERVED = new Set([
  ...SYSTEM_GROUPS,
  ...(
    "sync gnats nobody _apt systemd-network systemd-resolve systemd-timesync systemd-coredump messagebus sshd crontab ssh _ssh " +
    "slurm slurm-test mysql munge statd _rpc _chrony polkitd debian hyperlab hyperlab-admin admin nvram"
  ).split(" "),
]);

/** A number from a name: the same on every run, independent of other names. */
export function numberOf(name: string, range: { first: number; last: number }): number {
  const hash = createHash("sha256").update(name).digest().readUInt32BE(0);
  return range.first + (hash % (range.last - range.first + 1));
}

/** The people with an account, ordered by name, with ids that no other person can change. */
export function planUsers(config: HpcConfig, facts: LabFacts, findings: Findings): UserPlan[] {
  const users = config.users ?? defaultUsers(facts, findings);
  const names = new Map<string, number>();
  const ids = new Map<number, string>();
  const plans: UserPlan[] = [];
  // Ids that were given come first: a derived one yields with an error that names both.
  const ordered = users
    .map((user, index) => ({ user, index }))
    .sort(
      (a, b) =>
        Number(a.user.uid === undefined) - Number(b.user.uid === undefined) ||
        byText(a.user.name, b.user.name),
    );
  for (const { user, index } of ordered) {
    const path = config.users === undefined ? `${HPC}.users` : `${HPC}.users[${index}]`;
    if (names.has(user.name)) {
      findings.error("user-twice", `${path}.name`, `user ${user.name} is listed twice`, "Keep one entry.");
      continue;
    }
    names.set(user.name, index);
    if (RESERVED.has(user.name)) {
      const text = `${user.name} is an account of the system`;
      findings.error("user-reserved", `${path}.name`, text, "Choose another name.");
    }
    const uid = user.uid ?? numberOf(user.name, UID_RANGE);
    const other = ids.get(uid);
    if (other !== undefined) {
      const text = `users ${[other, user.name].sort(byText).join(" and ")} would both have uid ${uid}`;
      findings.error("uid-collision", `${path}.uid`, text, `Give ${user.name} a uid of its own.`);
    }
    ids.set(uid, user.name);
    if (user.sshKeys.length === 0) {
      const text = `${user.name} has no ssh key and cannot log in`;
      findings.warning("user-without-key", `${path}.ssh_keys`, text, "Add a public key.");
    }
    plans.push(userPlan(user, uid));
  }
  return plans.sort((a, b) => byText(a.name, b.name));
}

function userPlan(user: UserConfig, uid: number): UserPlan {
  return {
    name: user.name,
    uid,
    groups: [...new Set(user.groups)].sort(byText),
    sshKeys: [...new Set(user.sshKeys.map((key) => key.trim()))].sort(byText),
    admin: user.admin,
  };
}

/** Whoever runs hyperlab. An account that a guest cannot have (root, odd characters) becomes `lab`. */
function defaultUsers(facts: LabFacts, findings: Findings): UserConfig[] {
  const { invoker } = facts;
  if (invoker === undefined) {
    const text = "no users are given and who runs hyperlab is not known; the cluster has no accounts";
    findings.warning("no-users", `${HPC}.users`, text, "List the users in the cluster file.");
    return [];
  }
  const usable = /^[a-z_][a-z0-9_-]{0,30}$/.test(invoker.name) && !RESERVED.has(invoker.name);
  if (!usable) {
    const text = `${JSON.stringify(invoker.name)} cannot be an account of the cluster; the first user is lab`;
    findings.note(
      "invoker-renamed",
      `${HPC}.users`,
      text,
      "List the users in the cluster file to choose names.",
    );
  }
  return [{ name: usable ? invoker.name : "lab", groups: [], sshKeys: invoker.sshKeys, admin: true }];
}

/** Groups that the users name, except those of the system, with ids derived like those of users. */
export function planGroups(users: readonly UserPlan[], findings: Findings): GroupPlan[] {
  const path = `${HPC}.users`;
  const own = new Set(users.map((user) => user.name));
  // A user's own group has the user's id.
  const ids = new Map(users.map((user) => [user.uid, `of user ${user.name}`]));
  const names = [...new Set(users.flatMap((user) => user.groups))].filter((name) => !SYSTEM_GROUPS.has(name));
  return names.sort(byText).flatMap((name) => {
    if (own.has(name)) {
      const text = `group ${name} is also the name of a user, whose own group it is`;
      findings.error("group-is-user", path, text, "Choose another name for the group.");
      return [];
    }
    if (RESERVED.has(name)) {
      findings.error(
        "group-reserved",
        path,
        `${name} is a name of the system`,
        "Choose another name for the group.",
      );
      return [];
    }
    const gid = numberOf(name, GID_RANGE);
    const other = ids.get(gid);
    if (other !== undefined) {
      const text = `group ${name} and the group ${other} would both have gid ${gid}`;
      findings.error("gid-collision", path, text, `Choose another name for ${name}, or another uid.`);
    }
    ids.set(gid, name);
    return [{ name, gid }];
  });
}
