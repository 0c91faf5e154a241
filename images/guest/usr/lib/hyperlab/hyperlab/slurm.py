"""SLURM's own tools."""

import glob
import json
import os
import socket
import subprocess

from hyperlab import files
from hyperlab.process import Problem, run

CONF = "/etc/slurm/slurm.conf"
JWKS = "/etc/slurm/slurm.jwks"
SLURM_ID = 64030
JOB_CGROUPS = "/sys/fs/cgroup/system.slice/*slurmstepd.scope/job_*"


def this_node():
    return socket.gethostname().split(".")[0]


def parse_nodes(text):
    """Nodes of `scontrol show nodes --json`, by name, with what is needed of them."""
    found = {}
    for entry in json.loads(text).get("nodes", []):
        found[entry["name"]] = {
            "name": entry["name"],
            "state": list(entry.get("state", [])),
            "reason": entry.get("reason") or "",
            "cpus": entry.get("cpus", 0),
            "memory": entry.get("real_memory", 0),
            "boot_time": number(entry.get("boot_time", 0)),
        }
    return found


def all_nodes(timeout=60):
    """Every node, by name. Problem when the controller does not answer."""
    return parse_nodes(run(["scontrol", "show", "nodes", "--json"], timeout=timeout))


def node(name, timeout=20):
    """One node, or None where the controller does not answer or does not know it."""
    try:
        return parse_nodes(run(["scontrol", "show", "node", name, "--json"], timeout=timeout)).get(name)
    except (Problem, ValueError):
        return None


def update(name, state, reason=None):
    command = ["scontrol", "update", f"nodename={name}", f"state={state}"]
    run(command if reason is None else [*command, f"reason={reason}"])


def parse_jobs(text):
    """Jobs of `squeue --json`, with what is needed of them."""
    found = []
    for entry in json.loads(text).get("jobs", []):
        limit = entry.get("time_limit") or {}
        found.append(
            {
                "id": str(entry["job_id"]),
                "user": entry.get("user_name") or f"user {entry.get('user_id')}",
                "state": list(entry.get("job_state", [])),
                "batch": bool(entry.get("batch_flag")),
                "requeue": bool(entry.get("requeue")),
                "start": number(entry.get("start_time")),
                "limit_minutes": None if limit.get("infinite") or not limit.get("set") else limit["number"],
            }
        )
    return found


def number(value):
    return value.get("number", 0) if isinstance(value, dict) else value or 0


def jobs_on(names, timeout=60):
    """Jobs that SLURM has on these nodes. Problem when the controller does not answer."""
    return parse_jobs(run(["squeue", "--json", f"--nodelist={','.join(names)}"], timeout=timeout))


def requeue(job_id):
    """Put a job back into the queue. It gets SIGTERM and, after KillWait, SIGKILL."""
    run(["scontrol", "requeue", job_id])


def cancel(job_id):
    """End a job: SIGTERM and, after KillWait, SIGKILL."""
    run(["scancel", job_id])


def show(kind):
    """`scontrol show KIND -o`: one object a line."""
    return run(["scontrol", "show", kind, "-o"], timeout=60)


def answers():
    """Whether slurmctld answers a ping."""
    try:
        done = subprocess.run(["scontrol", "ping"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and " is UP" in done.stdout


def local_jobs(pattern=JOB_CGROUPS):
    """Ids of the jobs that have processes on this machine, from their control groups."""
    jobs = []
    for directory in glob.glob(pattern):
        events = files.read_text(os.path.join(directory, "cgroup.events"))
        if "populated 1" in events:
            jobs.append(os.path.basename(directory).removeprefix("job_"))
    return sorted(jobs, key=lambda job: (len(job), job))
