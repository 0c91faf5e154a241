"""The machine's identity, given by the provider at the first boot of a root disk, and again when its keys change."""

import json
import os
import re
import time

from hyperlab import files, seed
from hyperlab.process import Problem, run, succeeds

JOURNAL = "/var/log/journal"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
#: Identities whose keys were changed: programs that know nothing of that refuse them.
CHANGED = 2
#: What sshd has to show another key after it was told of it.
SERVED_SECONDS = 60


def parse(text):
    """
    The document on standard input: a private host key, a machine-id, and who may log in as the administration account:
    None for what is in force, "" for the seed's. Nothing of it appears in an error.
    """
    try:
        document = json.loads(text)
        changed = document.get("format") == CHANGED
        name = "sshHostKey" if changed else "sshHostEd25519"
        key, machine_id = document[name], document["machineId"]
        login = document.get("loginPublicKey", "") if changed else None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Problem(
            "identity: standard input is not a JSON object with machineId and sshHostEd25519 (in format 2: sshHostKey)."
        ) from None
    if not isinstance(key, str) or not key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----"):
        raise Problem(f"identity: {name} is not an OpenSSH private key.")
    if not isinstance(machine_id, str) or not re.fullmatch("[0-9a-f]{32}", machine_id):
        raise Problem("identity: machineId is not 32 hexadecimal digits.")
    if login and not (isinstance(login, str) and re.fullmatch("ssh-ed25519 [A-Za-z0-9+/]{68}( [ -~]*)?", login)):
        raise Problem("identity: loginPublicKey is not an ed25519 public key.")
    return key.rstrip("\n") + "\n", machine_id, login


def rename_machine(machine_id):
    """Give the machine its id for good; the journal, which is kept under the id, goes with it."""
    old = files.read_text("/etc/machine-id").strip()
    if not files.write("/etc/machine-id", machine_id + "\n", 0o444):
        return
    if old and os.path.isdir(f"{JOURNAL}/{old}") and not os.path.exists(f"{JOURNAL}/{machine_id}"):
        os.rename(f"{JOURNAL}/{old}", f"{JOURNAL}/{machine_id}")
        run(["systemctl", "restart", "systemd-journald.service"])


def take_login(login):
    """Another key for the administration account, or the seed's again."""
    files.write(seed.LOGIN, login + "\n") if login else files.remove(seed.LOGIN)
    # At a first boot cloud-init may not have written the seed's facts yet; setup takes the key then, before sshd starts.
    if os.path.exists(seed.SEED):
        seed.authorize_login(seed.load())


def served():
    """What sshd shows as its host key; empty where it does not answer."""
    try:
        return run(["ssh-keyscan", "-T", "5", "-t", "ed25519", "127.0.0.1"])
    except Problem:
        return ""


def reload_sshd(public):
    """sshd takes another host key; sessions that are open stay. Done when it shows it: who comes next accepts no other."""
    run(["systemctl", "reload", "ssh.service"])
    deadline = time.monotonic() + SERVED_SECONDS
    while public.split()[1] not in served():
        if time.monotonic() > deadline:
            raise Problem(
                f"identity: sshd still shows another host key {SERVED_SECONDS} s after it was told of the new one. "
                "Look at `journalctl -u ssh` in the guest."
            )
        # Not more often: sshd shuts out who comes again and again without a login.
        time.sleep(0.5)


def apply(text):
    """Write keys and machine-id; sshd starts, or takes them while it runs. Repeating it changes nothing."""
    key, machine_id, login = parse(text)
    if login is not None:
        take_login(login)
    changed = files.write(HOST_KEY, key, 0o600)
    public = run(["ssh-keygen", "-y", "-f", HOST_KEY])
    # Last: an interrupted run has it to do again.
    changed = files.read_text(HOST_KEY + ".pub") != public or changed
    rename_machine(machine_id)
    if changed and succeeds(["systemctl", "is-active", "--quiet", "ssh.service"]):
        reload_sshd(public)
    else:
        # Without a key sshd may have failed too often to be started again by itself (a user's own cloud image).
        succeeds(["systemctl", "reset-failed", "ssh.service"])
        run(["systemctl", "restart" if changed else "start", "ssh.service"])
    files.write(HOST_KEY + ".pub", public)
