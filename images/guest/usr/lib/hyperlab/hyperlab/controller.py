"""The controller's part: SLURM's configuration and services around changes of machines."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import sys
import time

from hyperlab import (
    accounts,
    backup,
    bundle,
    database,
    document,
    drain,
    files,
    firewall,
    host_keys,
    leaving,
    login,
    machine,
    restore,
    rotation,
    runtime,
    seed,
    slurm,
    slurm_conf,
    state_disk,
    verify,
)
from hyperlab.process import Problem, run, succeeds

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
ACTIVE = "/var/lib/hyperlab/active.json"
ACTIVE_ACCOUNTING = "/var/lib/hyperlab/active-accounting.json"
SLURMDBD_CONF = "/etc/slurm/slurmdbd.conf"
CONF_FILES = {"slurm.conf": "slurmConf", "cgroup.conf": "cgroupConf", "gres.conf": "gresConf"}
START_SECONDS = 600
#: What the nodes have to take a bundle, one step of a rotation.
NODES_SECONDS = 600
SLURMDBD_PORT = 6819
REQUEST_BYTES = 64 * 1024


def log(text):
    print(text, file=sys.stderr, flush=True)


def load_secrets():
    secrets = files.read_json(SECRETS)
    if not secrets:
        raise Problem("The controller has no keys yet: run `controller secrets` first.")
    return secrets


def store_secrets(text):
    """`secrets`: keep the keys on the state disk and put them where the services read them."""
    parsed = document.parse_secrets(text)
    state_disk.mount()
    make_directories()
    # A cluster of an earlier version kept no set of its own.
    if not files.read_text(JWKS):
        known = files.read_text(slurm.JWKS) or (files.read_json(SECRETS) or parsed)["slurmJwks"]
        files.write(JWKS, known, 0o600)
    files.write_json(SECRETS, parsed)
    wanted = files.read_json(DOCUMENT)
    if wanted and os.path.exists(slurm.CONF):
        rotate(wanted, parsed)
    else:
        files.write(JWKS, parsed["slurmJwks"], 0o600)
        install_secrets(parsed)
    return {"stored": True}


def install_secrets(secrets):
    files.write(CLUSTER_KEY, secrets["clusterSshKey"].rstrip("\n") + "\n", 0o600)
    keys = files.read_text(JWKS) or secrets["slurmJwks"]
    return files.write(slurm.JWKS, keys, 0o600, slurm.SLURM_ID, slurm.SLURM_ID)


def rotate(wanted, secrets):
    """Bring a cluster that runs from the secrets that it has to the wanted ones; an interrupted run is gone on with."""
    if not is_installed(wanted, secrets):
        apply_secrets(wanted, secrets)
    elif rotation.following(files.read_text(JWKS), secrets["slurmJwks"]) is not None:
        # Whatever an earlier run was stopped at.
        distribute()
    while (step := rotation.following(files.read_text(JWKS), secrets["slurmJwks"])) is not None:
        what, keys = step
        if what != "replace":
            wait_for_nodes(wanted)
        if what == "forget":
            log(f"SLURM's key: waits {rotation.TOKEN_SECONDS} s for what the old key signed to run out")
            time.sleep(rotation.TOKEN_SECONDS)
        log(f"SLURM's key: {STEPS[what]}")
        files.write(JWKS, keys, 0o600)
        apply_secrets(wanted, secrets)
        wait_for_nodes(wanted)


STEPS = {
    "replace": "every machine gets another one",
    "introduce": "every machine learns the new one, the old one still signs",
    "sign": "the new one signs, the old one is still known",
    "forget": "every machine forgets the old one",
}


def apply_secrets(wanted, secrets):
    install_secrets(secrets)
    start_accounting(wanted, secrets)
    apply_slurm(wanted, current_conf())
    publish(wanted, seed.load()["controller"], files.read_text(slurm.JWKS))


def is_installed(wanted, secrets):
    """Whether every service of this machine, and what it gives to the nodes, has the secrets in force."""
    keys = files.read_text(JWKS)
    conf = document.slurmdbd_conf(wanted["slurmdbdConf"], secrets["databasePassword"])
    return (
        (files.read_text(slurm.JWKS), files.read_text(SLURMDBD_CONF)) == (keys, conf)
        and files.read_json(ACTIVE_ACCOUNTING) == {"digest": accounting_digest()}
        and files.read_json(ACTIVE) == {"digest": active_digest()}
        and (files.read_json(BUNDLE) or {}).get("bundle", {}).get("slurmJwks") == keys
    )


def accounting_digest():
    return bundle.digest([files.read_text(SLURMDBD_CONF), files.read_text(slurm.JWKS)])


def wait_for_nodes(wanted):
    """Until every node has the bundle in force; one that is off takes the bundle of then before its slurmd starts."""
    digest = (files.read_json(BUNDLE) or {}).get("digest")
    said = None

    def late():
        states = {name: node["state"] for name, node in slurm.all_nodes().items()}
        applied, unreached = files.read_json(RECORD, {}), files.read_json(UNREACHED, {})
        return rotation.awaited(wanted["nodes"], digest, applied, unreached, states)

    deadline = time.monotonic() + NODES_SECONDS
    while names := late():
        if time.monotonic() > deadline:
            raise Problem(
                f"SLURM's key is between two steps: {', '.join(names)} did not take it within {NODES_SECONDS} s, and SLURM "
                "hears from them. Every machine is served meanwhile. Look at `journalctl -u hyperlab-distributor` on the "
                "controller, then run again: it goes on from here."
            )
        if names != said:
            said = names
            log(f"SLURM's key: waits for {', '.join(names)}")
        time.sleep(1)


def make_directories():
    os.makedirs(CONFIG, mode=0o700, exist_ok=True)
    os.chmod(CONFIG, 0o700)
    os.makedirs("/srv/hyperlab/home", mode=0o755, exist_ok=True)
    os.makedirs("/srv/hyperlab/slurmctld", mode=0o750, exist_ok=True)
    shutil.chown("/srv/hyperlab/slurmctld", slurm.SLURM_ID, slurm.SLURM_ID)


def apply_machine(wanted):
    """Everything of the document that is not SLURM."""
    machine.write_hosts(wanted["hosts"])
    firewall.apply(firewall.network(wanted, seed.load()["controller"]), "controller")
    login.apply(wanted["network"].get("login"))
    accounts.apply(wanted["users"], wanted["groups"])
    machine.authorize(wanted["users"])
    machine.know_hosts(wanted["nodes"])
    serve_time(wanted["network"]["subnet"])
    serve_homes(wanted)
    make_homes(wanted["users"])


def serve_time(subnet):
    if files.write("/etc/chrony/conf.d/hyperlab.conf", f"allow {subnet}\nlocal stratum 10\n"):
        run(["systemctl", "restart", "chrony.service"])


def serve_homes(wanted):
    exports = "/etc/exports.d/hyperlab.exports"
    if wanted["home"]["kind"] == "nfs":
        machine.mount_home(wanted["home"]["export"])
        if files.remove(exports):
            run(["exportfs", "-r"])
        return
    bind = """[Unit]
Description=Homes of the cluster, on the state disk
RequiresMountsFor=/srv/hyperlab

[Mount]
What=/srv/hyperlab/home
Where=/home
Type=none
Options=bind
"""
    if machine.write_units({"home.mount": bind}):
        machine.release_home()
    options = "rw,sync,no_subtree_check,root_squash,sec=sys"
    changed = files.write(exports, f"/srv/hyperlab/home {wanted['network']['subnet']}({options})\n")
    run(["systemctl", "start", "home.mount", "nfs-server.service"])
    if changed:
        run(["exportfs", "-r"])


def make_homes(users):
    for user in users:
        home = f"/home/{user['name']}"
        if os.path.exists(home):
            continue
        try:
            draft = f"/home/.hyperlab-{user['name']}"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree("/etc/skel", draft, symlinks=True)
            for folder, _, names in os.walk(draft):
                for name in ["", *names]:
                    os.chown(os.path.join(folder, name), user["uid"], user["uid"], follow_symlinks=False)
            os.chmod(draft, 0o700)
            os.rename(draft, home)
        except OSError as error:
            # An export of somebody else may refuse root; its administrator makes the homes then.
            log(f"the home of {user['name']} could not be made: {error}")


def start_accounting(wanted, secrets):
    database.start(secrets["databasePassword"])
    text = document.slurmdbd_conf(wanted["slurmdbdConf"], secrets["databasePassword"])
    # After the database knows the password: a file that is current says that both are.
    files.write(SLURMDBD_CONF, text, 0o600, slurm.SLURM_ID, slurm.SLURM_ID)
    # slurmdbd reads its keys at its start only; slurmctld keeps what there is to record until it is back.
    state = {"digest": accounting_digest()}
    current = files.read_json(ACTIVE_ACCOUNTING) == state
    run(["systemctl", "start" if current else "restart", "slurmdbd.service"])
    files.write_json(ACTIVE_ACCOUNTING, state)
    # SLURM's own tools need slurm.conf, which follows; slurmctld needs slurmdbd at its first start.
    wait_until("slurmdbd accepts connections", lambda: listens(seed.load()["controller"]["address"], SLURMDBD_PORT))


def listens(address, port):
    try:
        with socket.create_connection((address, port), timeout=10):
            return True
    except OSError:
        return False


def wait_until(what, condition, seconds=START_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Problem(f"{what}: not within {seconds} s. Look at `journalctl -b` and /var/log/slurm on the controller.")
        time.sleep(1)


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


def apply_slurm(wanted, slurm_text):
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
            run(["systemctl", "restart", "slurmctld.service"], timeout=START_SECONDS)
    except Problem as problem:
        restore_conf(previous)
        what = "keeps the old one" if serving else "did not start; its log is /var/log/slurm/slurmctld.log"
        raise Problem(f"slurmctld refused the new configuration and {what}. {problem}") from None
    wait_until("slurmctld answers", slurm.answers)
    make_again(kept)
    files.write_json(ACTIVE, state)


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


def publish(wanted, controller, jwks):
    """Give the nodes what they need; the distributor takes it from here."""
    content = bundle.make(wanted, controller, jwks)
    nodes = [
        {"name": entry["name"], "address": entry["address"], "hostKeys": host_keys.of(entry)}
        for entry in wanted["nodes"]
    ]
    files.write_json(DOCUMENT, wanted)
    files.write_json(BUNDLE, {"bundle": content, "digest": bundle.digest(content), "nodes": nodes})
    distribute()


def distribute():
    """The distributor reads the bundle anew."""
    serving = succeeds(["systemctl", "is-active", "--quiet", "hyperlab-distributor.service"])
    run(["systemctl", "reload" if serving else "start", "hyperlab-distributor.service"])


def with_leaving(wanted, active_text, stored):
    """The document with the nodes that leave still in it, so that they stay served while they empty."""
    names = {entry["name"] for entry in wanted["nodes"]}
    active = set(slurm_conf.nodes(active_text))
    kept = [entry for entry in (stored or {}).get("nodes", []) if entry["name"] in active - names]
    return {**wanted, "nodes": [*wanted["nodes"], *kept]}


def apply_document(wanted, slurm_text):
    secrets = load_secrets()
    controller = seed.load()["controller"]
    state_disk.mount()
    make_directories()
    install_secrets(secrets)
    log("users, names and homes")
    apply_machine(wanted)
    log("database and accounting")
    start_accounting(wanted, secrets)
    log("slurmctld")
    apply_slurm(wanted, slurm_text)
    ensure_associations(wanted["users"])
    files.write(f"{CONFIG}/slurm.conf", slurm_text)
    publish(wanted, controller, files.read_text(slurm.JWKS))


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


def before(text):
    """`before`: ready for the changes of machines that follow."""
    wanted = document.parse_cluster(text, "before")
    state_disk.mount()
    active = current_conf()
    transition = slurm_conf.transitional(active, wanted["slurmConf"]) if active else wanted["slurmConf"]
    stored = files.read_json(DOCUMENT)
    apply_document(with_leaving(host_keys.with_known(wanted, stored), active, stored), transition)
    return_nodes({entry["name"] for entry in wanted["nodes"]})
    return {"nodes": len(wanted["nodes"]), "leaving": slurm_conf.leaving_nodes(active, names_of(wanted))}


def names_of(wanted):
    return [entry["name"] for entry in wanted["nodes"]]


def current_conf():
    """The running slurm.conf; on a new root disk the copy on the state disk."""
    return files.read_text(slurm.CONF) or files.read_text(f"{CONFIG}/slurm.conf")


def return_nodes(names):
    """Resume nodes that an earlier run wanted to remove and that stay after all."""
    for name, node in slurm.all_nodes().items():
        if name in names and drain.is_drained(node) and node["reason"] == drain.LEAVING:
            slurm.update(name, "resume")


def after(text):
    """`after`: empty the nodes that go, final configuration, proof."""
    wanted = document.parse_cluster(text, "after")
    state_disk.mount()
    active = current_conf()
    leaving.empty(slurm_conf.leaving_nodes(active, names_of(wanted)), wanted["drain"], log)
    apply_document(wanted, wanted["slurmConf"])
    deadline = time.monotonic() + wanted["verify"]["timeoutSeconds"]
    nodes = verify.wait_for_nodes(wanted, deadline, log)
    job = ""
    if wanted["verify"]["job"]:
        job = verify.run_job(document.test_user(wanted["users"]), nodes, wanted, deadline, log)
        nodes = settled(names_of(wanted))
    return {"nodes": verify.report(wanted, nodes), "job": job}


def settled(names, seconds=60):
    """The nodes when the job's traces are cleaned up, as far as that does not take long."""
    deadline = time.monotonic() + seconds
    while True:
        nodes = slurm.all_nodes()
        if time.monotonic() > deadline or not any("COMPLETING" in nodes[name]["state"] for name in names if name in nodes):
            return nodes
        time.sleep(1)


def boot():
    """At every boot: mount the state disk; on a new root disk set everything up again from what it holds."""
    if not state_disk.is_ours():
        return
    state_disk.mount()
    restore.recover()
    secrets, wanted = files.read_json(SECRETS), files.read_json(DOCUMENT)
    if not secrets or not wanted:
        return
    if not os.path.exists(slurm.CONF):
        apply_document(wanted, files.read_text(f"{CONFIG}/slurm.conf") or wanted["slurmConf"])
        return
    if not is_installed(wanted, secrets):
        # The machine went down in the middle of a change of its secrets.
        try:
            apply_secrets(wanted, secrets)
        except Problem as problem:
            log(f"an interrupted change of secrets is left to the next run of the stack: {problem}")
    homes = ["home.automount"] if os.path.exists("/etc/systemd/system/home.automount") else []
    run(["systemctl", "start", "--no-block", "hyperlab-controller.target", *homes])


def configured():
    """The document that the cluster serves."""
    wanted = files.read_json(DOCUMENT)
    if not wanted:
        raise Problem("controller: this controller serves no cluster yet; bring the cluster up first (hyperlab up).")
    return wanted


def send_backup(request, _):
    """`backup`: the backup itself on standard output, without a line of JSON."""
    backup.make(request, configured(), sys.stdout.buffer, log)


def tell_inventory(*_):
    """`inventory`: what a restore would replace."""
    return backup.inventory(configured())


def take_backup(request, stream):
    """`restore`: a backup follows the request on standard input."""
    wanted, secrets = configured(), load_secrets()
    if (reason := restore.objection(request, backup.inventory(wanted))) is not None:
        raise Problem(reason)
    try:
        restore.receive(stream, log_if_heard)
    except BaseException:
        restore.recover()
        raise
    restore.replace(secrets["databasePassword"], lambda: serve_again(wanted, secrets), log_if_heard)
    ensure_associations(wanted["users"])
    return backup.inventory(wanted)


def log_if_heard(text):
    """Who sent a whole backup may be gone by now; the work goes on."""
    with contextlib.suppress(BrokenPipeError):
        log(text)


def serve_again(wanted, secrets):
    """Start accounting and SLURM on the data that is in place."""
    start_accounting(wanted, secrets)
    run(["systemctl", "start", "slurmctld.service"], timeout=START_SECONDS)
    wait_until("slurmctld answers", slurm.answers)
    wait_until("accounting answers", lambda: succeeds(["sacctmgr", "--noheader", "show", "cluster"]))


@contextlib.contextmanager
def alone():
    """One change at a time: a command may arrive while the boot still sets the machine up."""
    os.makedirs("/run/hyperlab", exist_ok=True)
    with open("/run/hyperlab/controller.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


#: Verbs with a JSON document on standard input, and verbs of backups, whose request is one line, which a backup may follow.
VERBS = {"secrets": store_secrets, "before": before, "after": after}
BACKUP_VERBS = {"backup": send_backup, "inventory": tell_inventory, "restore": take_backup}


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
        serve_again(configured(), load_secrets())
