"""First boot of a user's own cloud image: accounts with fixed ids, packages, units."""

import os
import pwd

from hyperlab import files
from hyperlab.process import Problem, run, succeeds

FACTS = "/usr/lib/hyperlab/bootstrap.json"
ACCOUNTS = {
    "slurm": (64030, "/nonexistent", "/usr/sbin/nologin"),
    "mysql": (64031, "/nonexistent", "/bin/false"),
    "hyperlab": (64032, "/var/lib/hyperlab-admin", "/bin/bash"),
    "slurm-test": (64033, "/nonexistent", "/bin/sh"),
}


def make_accounts():
    """Fixed ids: state disks and homes keep their owners whatever image a machine has."""
    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    for name, (number, home, shell) in ACCOUNTS.items():
        # cloud-init may have made the administration account already, with another id; it owns nothing shared.
        if name not in known:
            run(["groupadd", "--gid", str(number), name])
            create = "--create-home" if name == "hyperlab" else "--no-create-home"
            run(["useradd", create, "--uid", str(number), "--gid", str(number), "-d", home, "-s", shell, name])
        elif known[name] != number and name != "hyperlab":
            raise Problem(
                f"This image has an account {name} with uid {known[name]}; hyperlab needs uid {number}. Remove "
                f"{name} and its packages from the image, or use the golden image."
            )
    if not succeeds(["getent", "group", "hyperlab-admin"]):
        run(["groupadd", "--gid", "64034", "hyperlab-admin"])


def install_packages(names):
    """Packages from the guest's mirror; the configuration that the seed wrote stays."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], timeout=900, env=environment)
    options = ["-o", "Dpkg::Options::=--force-confold", "--no-install-recommends"]
    # Services must not start with the packages' own configuration.
    files.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    try:
        run(["apt-get", "install", "-q", "-y", *options, *names], timeout=3600, env=environment)
    finally:
        files.remove("/usr/sbin/policy-rc.d")


def install():
    facts = files.read_json(FACTS)
    make_accounts()
    install_packages(facts["packages"])
    files.remove("/etc/slurm/plugstack.conf")
    run(["systemctl", "daemon-reload"])
    succeeds(["systemctl", "disable", "--now", *facts["disable"]])
    run(["systemctl", "mask", *facts["mask"]])
    run(["systemctl", "enable", *facts["enable"]])
    run(["systemctl", "restart", "nftables.service", "systemd-udevd.service"])
    run(["udevadm", "trigger", "--subsystem-match=virtio-ports", "--action=add"])
    run(["systemctl", "start", "--no-block", "chrony.service", "hyperlab-setup.service"])
