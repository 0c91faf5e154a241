"""
What becomes of jobs that still run when the time of a drain is over. Pure: decisions from what SLURM says about jobs,
and the words for people.
"""

import datetime

#: What a caller may order; anything else counts as the first, which touches no job.
ORDERS = ("fail", "requeue", "kill")
#: States of a job that holds its node and is not on its way out.
HOLDING = ("RUNNING", "SUSPENDED", "CONFIGURING", "STOPPED", "SIGNALING")
LISTED = 20


def order_of(word):
    return word if word in ORDERS else "fail"


def holds(job):
    """Whether a job has its node and nobody has ended it yet."""
    return "COMPLETING" not in job["state"] and any(state in HOLDING for state in job["state"])


def can_be_requeued(job):
    return job["requeue"] and job["batch"]


def decide(order, jobs):
    """
    At the end of the time: which jobs are put back into the queue, which are cancelled, and which stay as they are. Jobs
    that end already are in none of the lists.
    """
    holding = [job for job in jobs if holds(job)]
    if order == "kill":
        return {"requeue": [], "cancel": holding, "stay": []}
    if order == "requeue":
        return {
            "requeue": [job for job in holding if can_be_requeued(job)],
            "cancel": [],
            "stay": [job for job in holding if not can_be_requeued(job)],
        }
    return {"requeue": [], "cancel": [], "stay": holding}


def latest_end(job):
    """When a job ends at the latest: start and time limit, in UTC, because a reader may sit anywhere."""
    if "SUSPENDED" in job["state"]:
        return "suspended, so its end is open"
    if job["limit_minutes"] is None:
        return "no time limit (UNLIMITED)"
    if not job["start"]:
        return f"at most {job['limit_minutes']} minutes after it starts"
    end = datetime.datetime.fromtimestamp(job["start"] + job["limit_minutes"] * 60, datetime.timezone.utc)
    return f"until {end:%Y-%m-%d %H:%M} UTC at the latest"


def not_requeued(job):
    return "only batch jobs can be requeued" if not job["batch"] else "submitted with --no-requeue"


def line(job, order="fail"):
    """`12 of ada, until 2026-11-26 09:30 UTC at the latest`."""
    why = f", cannot be requeued: {job.get('why') or not_requeued(job)}" if order == "requeue" else ""
    return f"{job['id']} of {job['user']}, {latest_end(job)}{why}"


def listing(jobs, order="fail"):
    lines = [line(job, order) for job in sorted(jobs, key=lambda job: int(job["id"]))]
    more = [] if len(lines) <= LISTED else [f"and {len(lines) - LISTED} more (squeue)"]
    return "; ".join(lines[:LISTED] + more)


def way_out(names, foreign_reasons=()):
    """What a person can do who does not want to wait for the jobs."""
    listed = " ".join(names)
    taken_back = (
        f'the drain is somebody else\'s ("{"; ".join(foreign_reasons)}") and stays'
        if foreign_reasons
        else f"`hyperlab drain --cancel {listed}` takes the drain back"
    )
    return f"{taken_back}; `scontrol requeue JOB` puts a job back into the queue, `scancel JOB` ends it"
