"""Accounts of the cluster's users, with the same ids on every machine."""

import grp
import pwd

from hyperlab import files
from hyperlab.process import Problem, run

RECORD = "/var/lib/hyperlab/accounts.json"
ADMINISTRATORS = "hyperlab-admin"
#: Ids below are the system's.
FIRST_ID = 1000
RESERVED_IDS = range(64030, 64040)


def wanted_groups(user):
    return sorted(set(user["groups"]) | ({ADMINISTRATORS} if user["admin"] else set()))


def conflicts(users, groups, passwd, group, managed):
    """Reasons why accounts cannot be made; a machine's own accounts are never taken over."""
    problems = []
    for user in users:
        name, uid = user["name"], user["uid"]
        if uid < FIRST_ID or uid in RESERVED_IDS:
            problems.append(f"user {name}: uid {uid} belongs to the system; give the user another one")
        existing = passwd.get(name)
        if existing is not None and name not in managed["users"] and existing["uid"] != uid:
            problems.append(f"user {name}: this machine has an account of that name; choose another name")
        for other, entry in passwd.items():
            if entry["uid"] == uid and other != name and other not in managed["users"]:
                problems.append(f"user {name}: uid {uid} belongs to the account {other}; choose another uid")
    known = set(group) | {entry["name"] for entry in groups}
    for user in users:
        for name in sorted(set(user["groups"]) - known):
            problems.append(f"user {user['name']}: there is no group {name}")
    return problems


def removals(users, passwd, managed):
    """Commands that remove the accounts of users that went. A user's own group may go with the account, or stay."""
    names = {user["name"] for user in users}
    return [["userdel", "--force", name] for name in managed["users"] if name in passwd and name not in names]


def plan(users, groups, passwd, group, managed):
    """
    Commands that turn the machine's accounts into the wanted ones, after the removals. `passwd` and `group` are what
    the machine has, `managed` the names that an earlier run made.
    """
    kept = {entry["name"] for entry in [*groups, *users]}
    commands = [["groupdel", "--force", name] for name in managed["groups"] if name in group and name not in kept]
    for entry in [*groups, *({"name": user["name"], "gid": user["uid"]} for user in users)]:
        current = group.get(entry["name"])
        if current is None:
            commands.append(["groupadd", "--gid", str(entry["gid"]), entry["name"]])
        elif current["gid"] != entry["gid"]:
            commands.append(["groupmod", "--gid", str(entry["gid"]), entry["name"]])
    for user in users:
        commands += user_commands(user, passwd.get(user["name"]), group)
    return commands


def user_commands(user, current, group):
    name, uid, groups = user["name"], str(user["uid"]), wanted_groups(user)
    shared = ["--uid", uid, "--gid", uid, "--home-dir" if current is None else "--home", f"/home/{name}"]
    shared += ["--shell", "/bin/bash", "--groups", ",".join(groups)]
    if current is None:
        return [["useradd", "--no-create-home", *shared, name]]
    actual = sorted(other for other, entry in group.items() if name in entry["members"])
    wanted = {"uid": user["uid"], "gid": user["uid"], "home": f"/home/{name}", "shell": "/bin/bash"}
    return [] if current == wanted and actual == groups else [["usermod", *shared, name]]


def read_machine():
    passwd = {
        entry.pw_name: {"uid": entry.pw_uid, "gid": entry.pw_gid, "home": entry.pw_dir, "shell": entry.pw_shell}
        for entry in pwd.getpwall()
    }
    group = {entry.gr_name: {"gid": entry.gr_gid, "members": list(entry.gr_mem)} for entry in grp.getgrall()}
    return passwd, group


def apply(users, groups):
    """Make, change and remove accounts; homes are never removed."""
    managed = files.read_json(RECORD, {"users": [], "groups": []})
    passwd, group = read_machine()
    problems = conflicts(users, groups, passwd, group, managed)
    if problems:
        raise Problem("Accounts cannot be made:\n  " + "\n  ".join(problems))
    names = [user["name"] for user in users]
    record = {"users": sorted(names), "groups": sorted({entry["name"] for entry in groups} | set(names))}
    # Recorded first: an account of an interrupted run is still known as ours.
    union = {key: sorted(set(managed[key]) | set(record[key])) for key in record}
    files.write_json(RECORD, union)
    for command in removals(users, passwd, managed):
        run(command)
    for command in plan(users, groups, *read_machine(), managed):
        run(command)
    files.write_json(RECORD, record)
