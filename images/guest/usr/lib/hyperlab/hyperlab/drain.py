"""
What to do about drains. Pure: decisions from what SLURM says about a node and from the jobs that run on it.

A drain is ours when its reason begins with the prefix; everybody else's drain is left alone.
"""

PREFIX = "hyperlab:"
LEAVING = f"{PREFIX} the node leaves the cluster"
SHUTDOWN = f"{PREFIX} the machine shuts down"

#: Base states and flags in which a node cannot serve, apart from a drain.
BROKEN = ("DOWN", "ERROR", "FAIL", "UNKNOWN", "FUTURE", "INVALID", "INVALID_REG", "NOT_RESPONDING", "POWERED_DOWN")
#: States in which a node takes no jobs without being drained.
HELD = ("DOWN", "FAIL", "ERROR")
#: A node that holds jobs, or cleans up after one.
BUSY = ("ALLOCATED", "MIXED", "COMPLETING")


def quiesce_reason(text):
    """Reason for a drain before a change; one line, without characters that scontrol would take apart."""
    words = " ".join("".join(c if c.isprintable() and c not in "\"'\\" else " " for c in text).split())
    return f"{PREFIX} {words or 'change of the machine'}"[:200]


def is_ours(node):
    return node["reason"].startswith(PREFIX)


def is_drained(node):
    return "DRAIN" in node["state"] or "DRAINED" in node["state"] or "DRAINING" in node["state"]


def is_closed(node):
    """
    Whether a node takes no new jobs: drained, or held down with a reason that is not ours. A drain would put our reason
    in the place of that one.
    """
    held = any(state in HELD for state in node["state"]) and node["reason"] != "" and not is_ours(node)
    return is_drained(node) or held


def is_foreign(node):
    """Whether somebody else keeps jobs off this node."""
    return is_closed(node) and not is_ours(node)


def is_busy(node):
    return any(state in BUSY for state in node["state"])


def broken_states(node):
    return [state for state in node["state"] if state in BROKEN]


def state_text(node):
    """`IDLE+DRAIN`, as SLURM's own tools write it."""
    return "+".join(node["state"])


def quiesce(node, jobs):
    """
    Next step on the way to an empty machine: `drain`, `wait` or `empty`, with words for people.
    `node` is None where the controller does not answer or does not know the machine.
    """
    running = f"jobs {', '.join(jobs)} run here" if jobs else ""
    if node is None:
        return ("wait", f"{running}; the controller does not answer") if jobs else ("empty", "no job runs here")
    if not is_closed(node):
        return "drain", "is being drained"
    if jobs:
        return "wait", running
    # Without a job here a busy mark comes from a job that starts or ends; a node that does not answer never clears it.
    if is_busy(node) and not broken_states(node):
        return "wait", f"SLURM still shows the node as {state_text(node)}"
    return "empty", "no job runs here"


def may_resume(node):
    """Whether a drain is there and is ours."""
    return is_drained(node) and is_ours(node)


def is_emptied(node):
    """Whether nothing of a job is left on a node; what ran on a node that is down is no longer there."""
    return not is_busy(node) or "DOWN" in node["state"]
