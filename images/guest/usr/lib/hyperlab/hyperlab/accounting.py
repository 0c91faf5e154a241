"""SLURM's accounting: slurmdbd and its database."""

import socket

from hyperlab import bundle, database, document, files, seed, services, slurm
from hyperlab.process import run

CONF = "/etc/slurm/slurmdbd.conf"
ACTIVE = "/var/lib/hyperlab/active-accounting.json"
PORT = 6819


def start(wanted, secrets):
    database.start(secrets["databasePassword"])
    text = document.slurmdbd_conf(wanted["slurmdbdConf"], secrets["databasePassword"])
    # After the database knows the password: a file that is current says that both are.
    files.write(CONF, text, 0o600, slurm.SLURM_ID, slurm.SLURM_ID)
    # slurmdbd reads its keys at its start only; slurmctld keeps what there is to record until it is back.
    state = {"digest": digest()}
    current = files.read_json(ACTIVE) == state
    run(["systemctl", "start" if current else "restart", "slurmdbd.service"])
    files.write_json(ACTIVE, state)
    # SLURM's own tools need slurm.conf, which follows; slurmctld needs slurmdbd at its first start.
    services.wait_until("slurmdbd accepts connections", lambda: listens(seed.load()["controller"]["address"], PORT))


def digest():
    return bundle.digest([files.read_text(CONF), files.read_text(slurm.JWKS)])


def listens(address, port):
    try:
        with socket.create_connection((address, port), timeout=10):
            return True
    except OSError:
        return False


def ensure_associations(users):
    """Every user has an account in the accounting database, so that limits can be set and enforced at any time."""
    known = set(run(["sacctmgr", "--noheader", "--parsable2", "list", "user", "format=user"]).split())
    missing = [name for name in ["slurm-test", *(user["name"] for user in users)] if name not in known]
    if not missing:
        return
    have = run(["sacctmgr", "--noheader", "--parsable2", "list", "account", "format=account"]).split()
    if "users" not in have:
        run(["sacctmgr", "--immediate", "add", "account", "users", "description=users", "organization=users"])
    run(["sacctmgr", "--immediate", "add", "user", f"name={','.join(missing)}", "account=users"])
