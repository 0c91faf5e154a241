"""slurmctld and its configuration."""

from hyperlab import bundle, files, runtime, services, slurm
from hyperlab.process import Problem, log, run

ACTIVE = "/var/lib/hyperlab/active.json"
CONF_FILES = {"slurm.conf": "slurmConf", "cgroup.conf": "cgroupConf", "gres.conf": "gresConf"}


def apply(wanted, slurm_text):
    """Bring SLURM to a configuration; a file that slurmctld refuses is taken back."""
    # Asked with the files that it runs with: its tools refuse to work with a broken one.
    serving = slurm.answers()
    previous = {name: files.read_text(f"/etc/slurm/{name}") for name in CONF_FILES}
    write_conf(wanted, slurm_text)
    state = {"digest": active_digest()}
    if serving and files.read_json(ACTIVE) == state:
        return
    # Asked before: SLURM forgets it when it reads the new files.
    kept = changed_by_hand(previous["slurm.conf"], slurm_text) if serving else []
    try:
        if serving:
            run(["scontrol", "reconfigure"], timeout=300)
        else:
            run(["systemctl", "restart", "slurmctld.service"], timeout=services.START_SECONDS)
    except Problem as problem:
        restore_conf(previous)
        what = "keeps the old one" if serving else "did not start; its log is /var/log/slurm/slurmctld.log"
        raise Problem(f"slurmctld refused the new configuration and {what}. {problem}") from None
    services.wait_until("slurmctld answers", slurm.answers)
    make_again(kept)
    files.write_json(ACTIVE, state)


def write_conf(wanted, slurm_text):
    texts = {name: wanted[field] for name, field in CONF_FILES.items()} | {"slurm.conf": slurm_text}
    for name, text in texts.items():
        path = f"/etc/slurm/{name}"
        if text or name != "gres.conf":
            files.write(path, text)
        else:
            files.remove(path)


def active_digest():
    names = [f"/etc/slurm/{name}" for name in CONF_FILES] + [slurm.JWKS]
    return bundle.digest([files.read_text(name) for name in names])


def changed_by_hand(old_text, new_text):
    """Updates that keep what an administrator changed by scontrol; none where slurmctld does not tell."""
    try:
        return runtime.kept(old_text, new_text, slurm.show("partition"), slurm.show("node"))
    except Problem as problem:
        log(f"what was changed by scontrol is not kept: {problem}")
        return []


def make_again(updates):
    for update in updates:
        try:
            run(["scontrol", "update", *update])
        except Problem as problem:
            # A limit of somebody must not keep the cluster from its configuration.
            log(f"what was changed by scontrol ({' '.join(update)}) is not kept: {problem}")


def restore_conf(texts):
    for name, text in texts.items():
        path = f"/etc/slurm/{name}"
        files.write(path, text) if text else files.remove(path)
