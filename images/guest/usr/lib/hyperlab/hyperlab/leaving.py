"""Empties nodes that leave the cluster, on the controller, before SLURM forgets them."""

import time

from hyperlab import drain, jobs, overdue, slurm
from hyperlab.process import Problem

#: Time for jobs that were told to end.
END_SECONDS = 600


def empty(names, order, log):
    """Drain the nodes that leave and wait for their jobs, as the document's `drain` says."""
    if not names:
        return
    on_timeout = order.get("onTimeout", "fail")
    deadline = time.monotonic() + order["timeoutSeconds"]
    said = None
    while True:
        nodes = slurm.all_nodes()
        for name in names:
            if name in nodes and not drain.is_closed(nodes[name]):
                slurm.update(name, "drain", drain.LEAVING)
                nodes[name] = slurm.node(name) or nodes[name]
        busy = [name for name in names if name in nodes and not drain.is_emptied(nodes[name])]
        if not busy:
            return
        if on_timeout != "wait" and time.monotonic() > deadline:
            end_jobs(jobs.order_of(on_timeout), [nodes[name] for name in busy], deadline)
        if busy != said:
            said = busy
            log(f"waiting for jobs on {', '.join(busy)}")
        time.sleep(2)


def end_jobs(order, busy, deadline):
    """What happens at the end of the time; Problem where jobs are left that are not to be touched."""
    names = [node["name"] for node in busy]
    remaining = overdue.act(order, names)
    if remaining:
        raise Problem(
            f"Nodes that leave are not empty in time. {overdue.report(names, busy, remaining, order)}. "
            "Nothing was removed, and they take no new jobs: run again to go on."
        )
    if order == "fail" or time.monotonic() > deadline + END_SECONDS:
        raise Problem(f"On {', '.join(names)} jobs are ending and not gone yet. Nothing was removed: run again to go on.")
