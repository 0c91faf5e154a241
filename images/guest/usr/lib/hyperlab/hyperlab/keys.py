"""The cluster's secrets: kept, brought to the services, changed while the cluster runs."""

import os
import time

from hyperlab import accounting, document, files, publication, rotation, scheduler, seed, slurm, state_disk, store
from hyperlab.process import Problem, log

#: What the nodes have to take a bundle, one step of a rotation.
NODES_SECONDS = 600
STEPS = {
    "replace": "every machine gets another one",
    "introduce": "every machine learns the new one, the old one still signs",
    "sign": "the new one signs, the old one is still known",
    "forget": "every machine forgets the old one",
}


def keep(text):
    """`secrets`: keep the keys on the state disk and put them where the services read them."""
    parsed = document.parse_secrets(text)
    state_disk.mount()
    store.make_directories()
    # A cluster of an earlier version kept no set of its own.
    if not files.read_text(store.JWKS):
        known = files.read_text(slurm.JWKS) or (files.read_json(store.SECRETS) or parsed)["slurmJwks"]
        files.write(store.JWKS, known, 0o600)
    files.write_json(store.SECRETS, parsed)
    wanted = files.read_json(store.DOCUMENT)
    if wanted and os.path.exists(slurm.CONF):
        rotate(wanted, parsed)
    else:
        files.write(store.JWKS, parsed["slurmJwks"], 0o600)
        install(parsed)
    return {"stored": True}


def install(secrets):
    files.write(store.CLUSTER_KEY, secrets["clusterSshKey"].rstrip("\n") + "\n", 0o600)
    keys = files.read_text(store.JWKS) or secrets["slurmJwks"]
    return files.write(slurm.JWKS, keys, 0o600, slurm.SLURM_ID, slurm.SLURM_ID)


def rotate(wanted, secrets):
    """Bring a cluster that runs from the secrets that it has to the wanted ones; an interrupted run is gone on with."""
    if not is_installed(wanted, secrets):
        apply(wanted, secrets)
    elif rotation.following(files.read_text(store.JWKS), secrets["slurmJwks"]) is not None:
        # Whatever an earlier run was stopped at.
        publication.distribute()
    while (step := rotation.following(files.read_text(store.JWKS), secrets["slurmJwks"])) is not None:
        what, keys = step
        if what != "replace":
            wait_for_nodes(wanted)
        if what == "forget":
            log(f"SLURM's key: waits {rotation.TOKEN_SECONDS} s for what the old key signed to run out")
            time.sleep(rotation.TOKEN_SECONDS)
        log(f"SLURM's key: {STEPS[what]}")
        files.write(store.JWKS, keys, 0o600)
        apply(wanted, secrets)
        wait_for_nodes(wanted)


def apply(wanted, secrets):
    install(secrets)
    accounting.start(wanted, secrets)
    scheduler.apply(wanted, store.current_conf())
    publication.publish(wanted, seed.load()["controller"], files.read_text(slurm.JWKS))


def is_installed(wanted, secrets):
    """Whether every service of this machine, and what it gives to the nodes, has the secrets in force."""
    keys = files.read_text(store.JWKS)
    conf = document.slurmdbd_conf(wanted["slurmdbdConf"], secrets["databasePassword"])
    return (
        (files.read_text(slurm.JWKS), files.read_text(accounting.CONF)) == (keys, conf)
        and files.read_json(accounting.ACTIVE) == {"digest": accounting.digest()}
        and files.read_json(scheduler.ACTIVE) == {"digest": scheduler.active_digest()}
        and (files.read_json(store.BUNDLE) or {}).get("bundle", {}).get("slurmJwks") == keys
    )


def wait_for_nodes(wanted):
    """Until every node has the bundle in force; one that is off takes the bundle of then before its slurmd starts."""
    digest = (files.read_json(store.BUNDLE) or {}).get("digest")
    said = None

    def late():
        states = {name: node["state"] for name, node in slurm.all_nodes().items()}
        applied, unreached = files.read_json(store.RECORD, {}), files.read_json(store.UNREACHED, {})
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
