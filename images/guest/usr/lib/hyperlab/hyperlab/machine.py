"""What controller and compute nodes set up alike: names, time, homes, administrators' keys."""

import os

from hyperlab import files, host_keys
from hyperlab.process import run, succeeds

LOCAL_HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
KEYS = "/etc/hyperlab/authorized_keys"


def write_hosts(lines):
    files.write("/etc/hosts", LOCAL_HOSTS + lines.strip("\n") + "\n")


def know_hosts(nodes):
    """Pinned host keys of the nodes for everybody's ssh on this machine."""
    lines = [host_keys.lines(f"{node['name']},{node['address']}", host_keys.of(node)) for node in nodes]
    files.write("/etc/ssh/ssh_known_hosts", "".join(lines))


def authorize(users):
    """Public keys of users in a place that only root writes; keys of users that went are removed."""
    os.makedirs(KEYS, mode=0o755, exist_ok=True)
    wanted = {user["name"]: "".join(f"{key}\n" for key in user["sshKeys"]) for user in users if user["sshKeys"]}
    for name, text in wanted.items():
        files.write(f"{KEYS}/{name}", text)
    for name in os.listdir(KEYS):
        if name not in wanted and name not in ("root", "hyperlab"):
            files.remove(f"{KEYS}/{name}")


def follow_clock(address):
    """Take the time from the controller, so that all machines agree even without the internet."""
    if files.write("/etc/chrony/sources.d/hyperlab.sources", f"server {address} iburst prefer\n"):
        # Time is not worth a failure: chrony tries on by itself.
        succeeds(["chronyc", "reload", "sources"])


def write_units(units):
    """Write unit files; reload systemd when one changed."""
    changed = [files.write(f"/etc/systemd/system/{name}", text) for name, text in units.items()]
    if any(changed):
        run(["systemctl", "daemon-reload"])
    return any(changed)


def nfs_home_units(export):
    """
    /home from an NFSv4 export, mounted at first use: a server that is not up yet delays who needs the home, not the
    boot, and every later use tries again.
    """
    mount = f"""[Unit]
Description=Homes of the cluster
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Mount]
What={export}
Where=/home
Type=nfs4
Options=vers=4.2,hard,proto=tcp,noatime,_netdev
TimeoutSec=90
"""
    automount = """[Unit]
Description=Homes of the cluster, at first use

[Automount]
Where=/home
"""
    return {"home.mount": mount, "home.automount": automount}


def release_home():
    """Let go of /home as it was mounted before; nothing on it is touched."""
    files.remove("/etc/systemd/system/home.automount")
    succeeds(["systemctl", "stop", "home.automount", "home.mount"])


def mount_home(export):
    """/home from an NFS export, at first use; return whether it is another one than before."""
    changed = write_units(nfs_home_units(export))
    if changed:
        succeeds(["systemctl", "stop", "home.automount", "home.mount"])
    run(["systemctl", "start", "home.automount"])
    return changed
