"""The machine's identity, given by the provider at the first boot of a root disk."""

import json
import os
import re

from hyperlab import files
from hyperlab.process import Problem, run, succeeds

JOURNAL = "/var/log/journal"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"


def parse(text):
    """The document on standard input: a private host key and a machine-id. Nothing of it appears in an error."""
    try:
        document = json.loads(text)
        key, machine_id = document["sshHostEd25519"], document["machineId"]
    except (ValueError, KeyError, TypeError):
        raise Problem("identity: standard input is not a JSON object with sshHostEd25519 and machineId.") from None
    if not isinstance(key, str) or not key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----"):
        raise Problem("identity: sshHostEd25519 is not an OpenSSH private key.")
    if not isinstance(machine_id, str) or not re.fullmatch("[0-9a-f]{32}", machine_id):
        raise Problem("identity: machineId is not 32 hexadecimal digits.")
    return key.rstrip("\n") + "\n", machine_id


def rename_machine(machine_id):
    """Give the machine its id for good; the journal, which is kept under the id, goes with it."""
    old = files.read_text("/etc/machine-id").strip()
    if not files.write("/etc/machine-id", machine_id + "\n", 0o444):
        return
    if old and os.path.isdir(f"{JOURNAL}/{old}") and not os.path.exists(f"{JOURNAL}/{machine_id}"):
        os.rename(f"{JOURNAL}/{old}", f"{JOURNAL}/{machine_id}")
        run(["systemctl", "restart", "systemd-journald.service"])


def apply(text):
    """Write host key and machine-id, start sshd. Repeating it changes nothing."""
    key, machine_id = parse(text)
    changed = files.write(HOST_KEY, key, 0o600)
    files.write(HOST_KEY + ".pub", run(["ssh-keygen", "-y", "-f", HOST_KEY]))
    rename_machine(machine_id)
    # Without a key sshd may have failed too often to be started again by itself (a user's own cloud image).
    succeeds(["systemctl", "reset-failed", "ssh.service"])
    run(["systemctl", "restart" if changed else "start", "ssh.service"])
