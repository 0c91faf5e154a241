"""First boot of a user's own cloud image: accounts with fixed ids, packages, units."""

import os
import pwd
import time

from hyperlab import files, seed
from hyperlab.process import NotYet, Problem, run, succeeds

FACTS = "/usr/lib/hyperlab/bootstrap.json"
#: Packages of the cluster file, one a line; the seed writes it.
WANTED = "/etc/hyperlab/packages"
DONE = "/var/lib/hyperlab/bootstrapped"
#: Why the last attempt failed.
TROUBLE = "/run/hyperlab/bootstrap-trouble"
#: As long as it is there, packages do not start their services.
POLICY = "/usr/sbin/policy-rc.d"
#: A trigger of every package with a manual, which takes longest of all under emulation; a timer makes up for it.
MANUALS = "/var/lib/man-db/auto-update"

ACCOUNTS = {
    "slurm": (64030, "/nonexistent", "/usr/sbin/nologin"),
    "mysql": (64031, "/nonexistent", "/bin/false"),
    "hyperlab": (64032, "/var/lib/hyperlab-admin", "/bin/bash"),
    "slurm-test": (64033, "/nonexistent", "/bin/sh"),
}
APT_OPTIONS = [
    "--quiet",
    "--yes",
    "--no-install-recommends",
    *("-o", "Acquire::Retries=3"),
    # The image's own services may use the package manager at the first boot too.
    *("-o", "DPkg::Lock::Timeout=600"),
    *("-o", "Dpkg::Options::=--force-confold"),
    # A machine that loses power here is set up from its image again.
    *("-o", "Dpkg::Options::=--force-unsafe-io"),
]


def account_problems(known):
    """Accounts of the image, by name, that are in the way of the fixed ids."""
    owners = {number: name for name, number in known.items()}
    problems = []
    for name, (number, _home, _shell) in ACCOUNTS.items():
        if known.get(name, number) != number:
            problems.append(f"it has an account {name} with uid {known[name]}, which must be {number}")
        elif owners.get(number, name) != name:
            problems.append(f"uid {number} belongs to {owners[number]}, but must be {name}'s")
    return problems


def check_accounts():
    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    problems = account_problems(known)
    if problems:
        raise Problem(
            f"This image cannot be a machine of the lab: {'; '.join(problems)}. Remove the account and its packages "
            "from the image, or use the image that hyperlab builds."
        )
    return known


def make_accounts():
    """Fixed ids: state disks and homes keep their owners whatever image a machine has."""
    known = check_accounts()
    for name, (number, home, shell) in ACCOUNTS.items():
        if name in known:
            continue
        if not succeeds(["getent", "group", name]):
            run(["groupadd", "--gid", str(number), name])
        create = "--create-home" if name == "hyperlab" else "--no-create-home"
        run(["useradd", create, "--uid", str(number), "--gid", str(number), "-d", home, "-s", shell, name])
    if not succeeds(["getent", "group", "hyperlab-admin"]):
        run(["groupadd", "--gid", "64034", "hyperlab-admin"])


def install_packages(names):
    """Packages from the guest's mirror; the configuration that is there already stays."""
    # Offline: systemd does not read its units again for each package, which takes seconds on an emulated machine.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_OFFLINE": "1"}
    # An earlier attempt may have been cut off.
    run(["dpkg", "--configure", "-a", "--force-confold"], timeout=3600, env=environment)
    update = ["apt-get", *APT_OPTIONS, "update"]
    # An archive of the image that is out of reach matters only where a package is missing; then it is the reason.
    run(update, timeout=900, env=environment)
    try:
        run(["apt-get", *APT_OPTIONS, "install", *names], timeout=3600, env=environment)
    except Problem:
        run([*update, "--error-on=any"], timeout=900, env=environment)
        raise


def without_services(action):
    """Services must not start with the packages' own configuration."""
    manuals = files.remove(MANUALS)
    own = files.read_text(POLICY)
    files.write(POLICY, "#!/bin/sh\nexit 101\n", 0o755)
    try:
        action()
    finally:
        if own:
            files.write(POLICY, own, 0o755)
        else:
            files.remove(POLICY)
        if manuals:
            files.write(MANUALS, "")


def install():
    """Everything that the image lacks. Repeating it after a failure goes on."""
    facts = files.read_json(FACTS)
    make_accounts()
    names = sorted({*facts["packages"][seed.load()["role"]], *files.read_text(WANTED).split()})
    # Its package goes when chrony comes, and a service that still runs then ends as a failed one.
    succeeds(["systemctl", "stop", "systemd-timesyncd.service"])
    without_services(lambda: install_packages(names))
    files.remove("/etc/slurm/plugstack.conf")
    # One reload for all of them: each takes seconds on an emulated machine.
    for unit in facts["disable"]:
        # A role has only some of them.
        succeeds(["systemctl", "--no-reload", "disable", unit])
    run(["systemctl", "--no-reload", "mask", *facts["mask"]])
    run(["systemctl", "--no-reload", "enable", *facts["enable"]], timeout=600)
    run(["systemctl", "daemon-reload"], timeout=600)
    succeeds(["systemctl", "stop", *facts["disable"]], timeout=600)
    run(["systemctl", "restart", "nftables.service"])
    run(["systemctl", "start", "--no-block", "chrony.service", "hyperlab-setup.service"])
    files.write(DONE, "")
    # The agent's port was there before its rule.
    run(["udevadm", "control", "--reload"])
    run(["udevadm", "trigger", "--subsystem-match=virtio-ports", "--action=add"])


def attempt():
    """One attempt, whose failure `ready` can tell."""
    try:
        install()
    except Problem as problem:
        files.write(TROUBLE, f"{problem}\n")
        raise
    files.remove(TROUBLE)


def reason(trouble):
    """The package manager's own words, where it said any, on one short line."""
    errors = [line.strip() for line in trouble.splitlines() if " E: " in f" {line}"]
    return " ".join((errors or [trouble])[0].split())[-200:]


def missing():
    """What is not done yet, or None."""
    if os.path.exists(DONE):
        return None
    trouble = files.read_text(TROUBLE).strip()
    if trouble:
        return f"what this image lacks could not be installed, it is tried again: {reason(trouble)}"
    return "what this image lacks is being installed"


def ready(seconds):
    """Waits until the bootstrap is done. An account in the way never goes by itself."""
    check_accounts()
    deadline = time.monotonic() + seconds
    while True:
        text = missing()
        if text is None:
            return
        if time.monotonic() > deadline:
            raise NotYet(text)
        time.sleep(2)


def main(arguments):
    actions = {"accounts": make_accounts, "install": attempt}
    if len(arguments) != 1 or arguments[0] not in actions:
        raise Problem("Usage: bootstrap accounts|install")
    actions[arguments[0]]()
