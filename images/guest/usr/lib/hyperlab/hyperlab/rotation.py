"""
How SLURM's key changes while the cluster runs: every machine learns the new key, then signs with it, then forgets the old
one. A step begins when every machine that serves has taken the one before, so that each two of them share a key at every
moment. Pure.
"""

import json

from hyperlab.process import Problem

#: What a key signed is accepted for 60 s (SLURM's own default, which no setting of a cluster changes); clocks differ a little.
TOKEN_SECONDS = 75
#: States of a node that SLURM does not hear from.
SILENT = {"DOWN", "NOT_RESPONDING", "POWERED_DOWN", "POWERING_DOWN"}


def keys_of(text):
    """The keys of a slurm.jwks; none where there is no text. The error says nothing of its content."""
    if not text:
        return []
    try:
        keys = json.loads(text)["keys"]
        for key in keys:
            key["kid"], key["k"]
    except (ValueError, KeyError, TypeError):
        raise Problem("slurm.jwks is not a set of keys as SLURM reads it; the stack's next `up` must bring it.") from None
    return keys


def signing(keys):
    """The key that signs: the one marked as default, else the first."""
    return next((key for key in keys if key.get("use") == "default"), keys[0])


def marked(keys, kid):
    """The same keys with one of them signing."""
    plain = [{name: value for name, value in key.items() if name != "use"} for key in keys]
    return [{**key, "use": "default"} if key["kid"] == kid else key for key in plain]


def following(active, wanted):
    """
    The step after a set of keys on the way to the wanted one, as (what it does, text); None at the end. Any set is a
    beginning, that of an interrupted rotation or of one to another key too.
    """
    if active == wanted:
        return None
    present, target = keys_of(active), signing(keys_of(wanted))
    known = next((key for key in present if key["kid"] == target["kid"]), None)
    if not present or (known is not None and known["k"] != target["k"]):
        # Two keys of one name cannot stand side by side: the stack's secret is another one.
        return "replace", wanted
    if known is None:
        # The one that signs goes on signing.
        return "introduce", as_text(marked([*present, target], signing(present)["kid"]))
    if signing(present)["kid"] != target["kid"]:
        return "sign", as_text(marked(present, target["kid"]))
    return "forget", wanted


def as_text(keys):
    return json.dumps({"keys": keys})


def awaited(nodes, digest, applied, unreached, states):
    """
    Names of the nodes that must take a bundle before the next step. One that is off takes the bundle of then before its
    slurmd starts; off is what the distributor could not reach since, and what is meant to be off or is silent to SLURM.

    `applied` and `unreached` map names to digests, `states` names to SLURM's states.
    """
    return sorted(
        node["name"]
        for node in nodes
        if applied.get(node["name"]) != digest
        and not (unreached.get(node["name"]) == digest and is_silent(node, states))
    )


def is_silent(node, states):
    state = states.get(node["name"])
    return not node["running"] or state is None or bool(SILENT & set(state))
