"""What a machine does with the facts of its seed, at every boot."""

import os

from hyperlab import files, machine, root_disk, slurm
from hyperlab.process import Problem, run

SEED = "/etc/hyperlab/seed.json"
APPLIED = "/var/lib/hyperlab/applied.json"
CONFIGURED = "/var/lib/hyperlab/configured"
#: Who may log in as the administration account, where that is no more the key of the seed (hyperlab.identity).
LOGIN = "/var/lib/hyperlab/login.pub"

#: Ordinary users get into nodes of their jobs only: /etc/pam.d/hyperlab-node decides.
COMPUTE_SSHD = "UsePAM yes\nPAMServiceName hyperlab-node\n"


def load():
    seed = files.read_json(SEED)
    if not isinstance(seed, dict) or seed.get("role") not in ("controller", "compute"):
        raise Problem(f"{SEED} is missing or names no role (controller or compute); the machine's seed writes it.")
    return seed


def role():
    return files.read_text("/etc/hyperlab/role").strip()


def forced(key):
    return f'restrict,command="/usr/lib/hyperlab/node" {key}\n'


def authorize_login(seed):
    """The seed stays as it was when the machine was made, so that it makes no machine anew; what came later counts."""
    os.makedirs(machine.KEYS, mode=0o755, exist_ok=True)
    files.write(f"{machine.KEYS}/hyperlab", (files.read_text(LOGIN).strip() or seed["loginPublicKey"]) + "\n")


def setup():
    """Keys, firewall and the role's services. A machine without a seed of ours stays a plain machine."""
    root_disk.grow()
    if not os.path.exists(SEED):
        return
    seed = load()
    files.write("/etc/hyperlab/role", seed["role"] + "\n")
    authorize_login(seed)
    if seed["role"] == "compute":
        setup_compute(seed)
    else:
        # Services wait for their configuration here, not the boot for the services.
        run(["systemctl", "start", "--no-block", "hyperlab-controller.service"])


def setup_compute(seed):
    files.write(f"{machine.KEYS}/root", forced(seed["clusterPublicKey"]))
    # sshd starts after this (hyperlab-setup.service), so it reads the file.
    files.write("/etc/hyperlab/sshd.d/compute.conf", COMPUTE_SSHD)
    machine.follow_clock(seed["controller"]["address"])
    units = ["hyperlab-self-drain.service", "hyperlab-knock.service"]
    if os.path.exists(slurm.JWKS) and os.path.exists(APPLIED):
        # slurmd starts when the controller has said that the keys are current (hyperlab-knock.service).
        units += ["home.automount", "hyperlab-resume.service"]
    run(["systemctl", "start", "--no-block", *units])
