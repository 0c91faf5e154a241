"""What a controller keeps, and where: on its state disk, and on a root disk."""

import os
import shutil

from hyperlab import files, slurm
from hyperlab.process import Problem

CONFIG = "/srv/hyperlab/config"
SECRETS = f"{CONFIG}/secrets.json"
DOCUMENT = f"{CONFIG}/document.json"
BUNDLE = f"{CONFIG}/bundle.json"
#: The keys in force, which differ from the wanted ones during a rotation.
JWKS = f"{CONFIG}/slurm.jwks"
RECORD = "/var/lib/hyperlab/distribution.json"
#: The bundle that a node could not be given, by name.
UNREACHED = "/run/hyperlab/unreached.json"
CLUSTER_KEY = "/etc/hyperlab/cluster_key"


def make_directories():
    os.makedirs(CONFIG, mode=0o700, exist_ok=True)
    os.chmod(CONFIG, 0o700)
    os.makedirs("/srv/hyperlab/home", mode=0o755, exist_ok=True)
    os.makedirs("/srv/hyperlab/slurmctld", mode=0o750, exist_ok=True)
    shutil.chown("/srv/hyperlab/slurmctld", slurm.SLURM_ID, slurm.SLURM_ID)


def secrets():
    """The secrets that the stack gave last."""
    found = files.read_json(SECRETS)
    if not found:
        raise Problem("The controller has no keys yet: run `controller secrets` first.")
    return found


def configured():
    """The document that the cluster serves."""
    wanted = files.read_json(DOCUMENT)
    if not wanted:
        raise Problem("controller: this controller serves no cluster yet; bring the cluster up first (hyperlab up).")
    return wanted


def current_conf():
    """The running slurm.conf; on a new root disk the copy on the state disk."""
    return files.read_text(slurm.CONF) or files.read_text(f"{CONFIG}/slurm.conf")
