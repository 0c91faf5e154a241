"""The controller's part: SLURM's configuration and services around changes of machines."""

import contextlib
import fcntl
import json
import os
import sys
import time

from hyperlab import (
    accounting,
    accounts,
    backup_verbs,
    document,
    drain,
    files,
    firewall,
    homes,
    host_keys,
    keys,
    leaving,
    login,
    machine,
    publication,
    restore,
    scheduler,
    seed,
    slurm,
    slurm_conf,
    state_disk,
    store,
    verify,
)
from hyperlab.process import Problem, log, run

REQUEST_BYTES = 64 * 1024


def before(text):
    """`before`: ready for the changes of machines that follow."""
    wanted = document.parse_cluster(text, "before")
    state_disk.mount()
    active = store.current_conf()
    transition = slurm_conf.transitional(active, wanted["slurmConf"]) if active else wanted["slurmConf"]
    stored = files.read_json(store.DOCUMENT)
    apply_document(with_leaving(host_keys.with_known(wanted, stored), active, stored), transition)
    return_nodes({entry["name"] for entry in wanted["nodes"]})
    return {"nodes": len(wanted["nodes"]), "leaving": slurm_conf.leaving_nodes(active, names_of(wanted))}


def after(text):
    """`after`: empty the nodes that go, final configuration, proof."""
    wanted = document.parse_cluster(text, "after")
    state_disk.mount()
    active = store.current_conf()
    leaving.empty(slurm_conf.leaving_nodes(active, names_of(wanted)), wanted["drain"], log)
    apply_document(wanted, wanted["slurmConf"])
    deadline = time.monotonic() + wanted["verify"]["timeoutSeconds"]
    nodes = verify.wait_for_nodes(wanted, deadline, log)
    job = ""
    if wanted["verify"]["job"]:
        job = verify.run_job(document.test_user(wanted["users"]), nodes, wanted, deadline, log)
        nodes = settled(names_of(wanted))
    return {"nodes": verify.report(wanted, nodes), "job": job}


def boot():
    """At every boot: mount the state disk; on a new root disk set everything up again from what it holds."""
    if not state_disk.is_ours():
        return
    state_disk.mount()
    restore.recover()
    secrets, wanted = files.read_json(store.SECRETS), files.read_json(store.DOCUMENT)
    if not secrets or not wanted:
        return
    if not os.path.exists(slurm.CONF):
        apply_document(wanted, files.read_text(f"{store.CONFIG}/slurm.conf") or wanted["slurmConf"])
        return
    if not keys.is_installed(wanted, secrets):
        # The machine went down in the middle of a change of its secrets.
        try:
            keys.apply(wanted, secrets)
        except Problem as problem:
            log(f"an interrupted change of secrets is left to the next run of the stack: {problem}")
    automounts = ["home.automount"] if os.path.exists("/etc/systemd/system/home.automount") else []
    run(["systemctl", "start", "--no-block", "hyperlab-controller.target", *automounts])


def with_leaving(wanted, active_text, stored):
    """The document with the nodes that leave still in it, so that they stay served while they empty."""
    names = {entry["name"] for entry in wanted["nodes"]}
    active = set(slurm_conf.nodes(active_text))
    kept = [entry for entry in (stored or {}).get("nodes", []) if entry["name"] in active - names]
    return {**wanted, "nodes": [*wanted["nodes"], *kept]}


def names_of(wanted):
    return [entry["name"] for entry in wanted["nodes"]]


def apply_document(wanted, slurm_text):
    secrets = store.secrets()
    controller = seed.load()["controller"]
    state_disk.mount()
    store.make_directories()
    keys.install(secrets)
    log("users, names and homes")
    apply_machine(wanted)
    log("database and accounting")
    accounting.start(wanted, secrets)
    log("slurmctld")
    scheduler.apply(wanted, slurm_text)
    accounting.ensure_associations(wanted["users"])
    files.write(f"{store.CONFIG}/slurm.conf", slurm_text)
    publication.publish(wanted, controller, files.read_text(slurm.JWKS))


def apply_machine(wanted):
    """Everything of the document that is not SLURM."""
    machine.write_hosts(wanted["hosts"])
    firewall.apply(firewall.network(wanted, seed.load()["controller"]), "controller")
    login.apply(wanted["network"].get("login"))
    accounts.apply(wanted["users"], wanted["groups"])
    machine.authorize(wanted["users"])
    machine.know_hosts(wanted["nodes"])
    serve_time(wanted["network"]["subnet"])
    homes.serve(wanted)
    homes.make(wanted["users"])


def serve_time(subnet):
    if files.write("/etc/chrony/conf.d/hyperlab.conf", f"allow {subnet}\nlocal stratum 10\n"):
        run(["systemctl", "restart", "chrony.service"])


def return_nodes(names):
    """Resume nodes that an earlier run wanted to remove and that stay after all."""
    for name, node in slurm.all_nodes().items():
        if name in names and drain.is_drained(node) and node["reason"] == drain.LEAVING:
            slurm.update(name, "resume")


def settled(names, seconds=60):
    """The nodes when the job's traces are cleaned up, as far as that does not take long."""
    deadline = time.monotonic() + seconds
    while True:
        nodes = slurm.all_nodes()
        if time.monotonic() > deadline or not any("COMPLETING" in nodes[name]["state"] for name in names if name in nodes):
            return nodes
        time.sleep(1)


@contextlib.contextmanager
def alone():
    """One change at a time: a command may arrive while the boot still sets the machine up."""
    os.makedirs("/run/hyperlab", exist_ok=True)
    with open("/run/hyperlab/controller.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


#: Verbs with a JSON document on standard input, and verbs of backups, whose request is one line, which a backup may follow.
VERBS = {"secrets": keys.keep, "before": before, "after": after}
BACKUP_VERBS = {"backup": backup_verbs.send, "inventory": backup_verbs.tell_inventory, "restore": backup_verbs.take}


def main(arguments):
    """Entry point: one verb; one JSON line on standard output, of `backup` the backup."""
    if arguments == ["boot"]:
        with alone():
            boot()
        return
    if len(arguments) != 1 or arguments[0] not in VERBS | BACKUP_VERBS:
        raise Problem(f"Usage: controller {'|'.join([*VERBS, *BACKUP_VERBS])}, with a JSON document on standard input.")
    if os.geteuid() != 0:
        raise Problem("controller: run me as root, with sudo.")
    verb = arguments[0]
    if verb in VERBS:
        text = sys.stdin.read()
        with alone():
            mend()
            result = VERBS[verb](text)
    else:
        request = document.parse_request(sys.stdin.buffer.readline(REQUEST_BYTES))
        with alone():
            mend()
            result = BACKUP_VERBS[verb](request, sys.stdin.buffer)
    if result is not None:
        print(json.dumps(result), flush=True)


def mend():
    """What a restore left that was killed."""
    if restore.recover():
        log("a restore was interrupted; what was there before is back")
        backup_verbs.serve_again(store.configured(), store.secrets())
