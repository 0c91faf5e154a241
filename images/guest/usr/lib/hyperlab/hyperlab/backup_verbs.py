"""The controller's verbs of backups."""

import contextlib
import sys

from hyperlab import accounting, backup, restore, services, slurm, store
from hyperlab.process import Problem, log, run, succeeds


def send(request, _):
    """`backup`: the backup itself on standard output, without a line of JSON."""
    backup.make(request, store.configured(), sys.stdout.buffer, log)


def tell_inventory(*_):
    """`inventory`: what a restore would replace."""
    return backup.inventory(store.configured())


def take(request, stream):
    """`restore`: a backup follows the request on standard input."""
    wanted, secrets = store.configured(), store.secrets()
    if (reason := restore.objection(request, backup.inventory(wanted))) is not None:
        raise Problem(reason)
    try:
        restore.receive(stream, log_if_heard)
    except BaseException:
        restore.recover()
        raise
    restore.replace(secrets["databasePassword"], lambda: serve_again(wanted, secrets), log_if_heard)
    accounting.ensure_associations(wanted["users"])
    return backup.inventory(wanted)


def log_if_heard(text):
    """Who sent a whole backup may be gone by now; the work goes on."""
    with contextlib.suppress(BrokenPipeError):
        log(text)


def serve_again(wanted, secrets):
    """Start accounting and SLURM on the data that is in place."""
    accounting.start(wanted, secrets)
    run(["systemctl", "start", "slurmctld.service"], timeout=services.START_SECONDS)
    services.wait_until("slurmctld answers", slurm.answers)
    services.wait_until("accounting answers", lambda: succeeds(["sacctmgr", "--noheader", "show", "cluster"]))
