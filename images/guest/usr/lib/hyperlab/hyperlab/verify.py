"""Proof that a cluster works: nodes as planned, a job that ran."""

import subprocess
import time

from hyperlab import drain, runtime, slurm, slurm_conf
from hyperlab.process import Problem, run

POLL_SECONDS = 2


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
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=left)
    except subprocess.TimeoutExpired:
        queue = run(["squeue", "--name=hyperlab-verify", "--noheader", "--format=%T %r"]).strip()
        run(["scancel", "--name=hyperlab-verify", f"--user={user}"])
        raise Problem(
            f"The job that verifies the cluster did not end within {left} s (in the queue: {queue or 'nothing'}). If "
            "other jobs fill the cluster, let them end and run again."
        ) from None
    host = done.stdout.strip()
    if done.returncode != 0 or host not in running:
        raise Problem(f"The job that verifies the cluster failed (code {done.returncode}): {done.stderr.strip()[-1000:]}")
    return host


def report(document, nodes):
    """The states of the document's nodes, as `after` prints them."""
    lines = []
    for entry in document["nodes"]:
        node = nodes.get(entry["name"], {"state": ["UNKNOWN"], "reason": ""})
        lines.append({"name": entry["name"], "state": drain.state_text(node), "reason": node["reason"]})
    return lines
