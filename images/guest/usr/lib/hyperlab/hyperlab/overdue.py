"""Ends the work of nodes whose drain took longer than it may, as far as it was ordered."""

import sys

from hyperlab import drain, jobs, slurm
from hyperlab.process import Problem


def act(order, names):
    """
    Carry out an order on the jobs of nodes, once. Returns the jobs that it leaves alone; none where all of them end. A
    job that could not be requeued is one of those.
    """
    decision = jobs.decide(order, slurm.jobs_on(names))
    refused = {job["id"]: why for job in decision["requeue"] if (why := attempt(slurm.requeue, job)) is not None}
    for job in decision["cancel"]:
        why = attempt(slurm.cancel, job)
        if why is not None:
            print(f"job {job['id']} could not be cancelled: {why}", file=sys.stderr, flush=True)
    if not refused:
        return decision["stay"]
    # Some of them may only have ended meanwhile.
    left = [job for job in slurm.jobs_on(names) if job["id"] in refused and jobs.holds(job)]
    return decision["stay"] + [{**job, "why": refused[job["id"]]} for job in left]


def attempt(action, job):
    """Why an action on a job failed, or None."""
    try:
        action(job["id"])
    except Problem as problem:
        return str(problem)
    return None


def report(names, nodes, remaining, order):
    """What remains on nodes, and the way out."""
    foreign = [node["reason"] for node in nodes if drain.is_foreign(node)]
    return f"jobs on {', '.join(names)}: {jobs.listing(remaining, order)}; {jobs.way_out(names, foreign)}"
