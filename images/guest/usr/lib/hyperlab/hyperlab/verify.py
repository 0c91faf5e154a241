"""Proof that a cluster works: nodes as planned, a job that ran."""

import subprocess
import time

from hyperlab import drain, runtime, slurm, slurm_conf
from hyperlab.process import Problem, run

POLL_SECONDS = 2
#: How long the job may wait before it is asked whether it can get a node at all.
PATIENCE_SECONDS = 60
#: Why a job waits that could run as soon as others end.
BEHIND_OTHERS = ("Resources", "Priority")


def planned(document):
    """Planned node lines by name."""
    found = {}
    for entry in document["nodes"]:
        found[entry["name"]] = slurm_conf.expand_nodes(entry["line"])[0]
    return found


def shortcoming(plan, node):
    """What a node that should run lacks, or None."""
    if node is None:
        return "SLURM does not know it"
    broken = drain.broken_states(node)
    if broken:
        reason = f" ({node['reason']})" if node["reason"] else ""
        return f"{drain.state_text(node)}{reason}"
    if node["boot_time"] == 0:
        return "it has not registered yet"
    if node["cpus"] < plan.processors or node["memory"] < plan.memory:
        return f"SLURM has {node['cpus']} CPUs and {node['memory']} MiB, planned are {plan.processors} and {plan.memory}"
    return None


def wait_for_nodes(document, deadline, log):
    """Wait until every node that should run is as planned; return what SLURM says about all nodes."""
    plans = planned(document)
    running = [entry["name"] for entry in document["nodes"] if entry["running"]]
    said = None
    while True:
        nodes = slurm.all_nodes()
        for name in running:
            # A drain of ours has served its purpose when the machine is as planned.
            if name in nodes and drain.may_resume(nodes[name]) and shortcoming(plans[name], nodes[name]) is None:
                slurm.update(name, "resume")
                nodes[name] = slurm.node(name) or nodes[name]
        missing = {name: shortcoming(plans[name], nodes.get(name)) for name in running}
        missing = {name: text for name, text in missing.items() if text is not None}
        if not missing:
            return nodes
        text = "; ".join(f"{name}: {why}" for name, why in missing.items())
        if time.monotonic() > deadline:
            raise Problem(
                f"{len(missing)} of {len(running)} nodes are not as planned: {text}. Look at the node's console and at "
                "`journalctl -u slurmd` on it, and at /var/log/slurm/slurmctld.log on the controller; then run again."
            )
        if text != said:
            said = text
            log(f"waiting for {text[:500]}")
        time.sleep(POLL_SECONDS)


def is_full(waits, nodes, usable):
    """Whether a job waits (its state and reason, as squeue says) because other jobs have all that it could use."""
    state, _, reason = waits.partition(" ")
    taken = all({"ALLOCATED", "MIXED"} & set(nodes[name]["state"]) for name in usable if name in nodes)
    return state == "PENDING" and reason in BEHIND_OTHERS and taken


def wait_for_job(job, user, usable, seconds):
    """Output and errors of the job's srun; None where it was given up, because others have all that it could use."""
    end = time.monotonic() + seconds
    while True:
        try:
            return job.communicate(timeout=min(PATIENCE_SECONDS, seconds))
        except subprocess.TimeoutExpired:
            waits = run(["squeue", "--name=hyperlab-verify", "--noheader", "--format=%T %r"]).strip()
        full = is_full(waits, slurm.all_nodes(), usable)
        if not full and time.monotonic() < end:
            continue
        run(["scancel", "--name=hyperlab-verify", f"--user={user}"])
        job.communicate()
        if full:
            return None
        raise Problem(
            f"The job that verifies the cluster did not end within {seconds} s (in the queue: {waits or 'nothing'}). "
            "Ask `scontrol show job` and `sinfo -R` what it waits for; then run again."
        )


def run_job(user, nodes, document, deadline, log):
    """Run a one-node job as an ordinary user; return the host it ran on, or why no node could take it."""
    running = {entry["name"] for entry in document["nodes"] if entry["running"]}
    usable = [name for name in sorted(running) if not drain.is_drained(nodes[name])]
    if not usable:
        log("no job is run: every node is drained by somebody else")
        return ""
    partition = runtime.partition_for_job(runtime.shown(slurm.show("partition"), "PartitionName"))
    if partition is None:
        log("no job is run: somebody set every partition down")
        return ""
    left = max(30, int(deadline - time.monotonic()))
    log(f"running a one-node job as {user}")
    command = ["runuser", "-u", user, "--", "srun", "-N1", "-n1", f"--partition={partition}", "--job-name=hyperlab-verify", "--chdir=/"]
    command += [f"--time={left // 60 + 1}", "hostname"]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output = wait_for_job(job, user, usable, left)
    if output is None:
        log("no job is run: jobs of others fill every node, and it would wait for them")
        return ""
    host = output[0].strip()
    if job.returncode != 0 or host not in running:
        raise Problem(f"The job that verifies the cluster failed (code {job.returncode}): {output[1].strip()[-1000:]}")
    return host


def report(document, nodes):
    """The states of the document's nodes, as `after` prints them."""
    lines = []
    for entry in document["nodes"]:
        node = nodes.get(entry["name"], {"state": ["UNKNOWN"], "reason": ""})
        lines.append({"name": entry["name"], "state": drain.state_text(node), "reason": node["reason"]})
    return lines
