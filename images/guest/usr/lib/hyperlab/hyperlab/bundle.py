"""What the controller gives to every node. Pure."""

import hashlib
import json

from hyperlab import firewall, host_keys
from hyperlab.process import Problem

FORMAT = 1


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(bundle):
    """Identity of a bundle: nodes with the same one need nothing."""
    return hashlib.sha256(canonical(bundle).encode()).hexdigest()


def make(document, controller, jwks):
    """The bundle of a cluster."""
    return {
        "format": FORMAT,
        "cluster": document["cluster"],
        "controller": controller,
        "hosts": document["hosts"],
        "users": document["users"],
        "groups": document.get("groups", []),
        "homeExport": home_export(document["home"], controller["address"]),
        # For nodes whose image knows no `network`.
        "subnet": document["network"]["subnet"],
        "network": firewall.network(document, controller),
        "slurmJwks": jwks,
        # No node needs them. One that was off when they changed takes a bundle again, which it gets by its new key only:
        # its slurmd does not start before.
        "hostKeys": digest([[node["name"], host_keys.of(node)] for node in document["nodes"]]),
    }


def home_export(home, controller_address):
    return home["export"] if home["kind"] == "nfs" else f"{controller_address}:/srv/hyperlab/home"


def parse(text):
    """A bundle from text. The error says nothing of its content, which has a secret in it."""
    try:
        bundle = json.loads(text)
        if bundle["format"] != FORMAT:
            raise Problem(f"node: the bundle has format {bundle['format']!r}; this machine's image knows {FORMAT}.")
        for key in ("cluster", "controller", "hosts", "users", "groups", "homeExport", "subnet", "slurmJwks"):
            bundle[key]
    except (ValueError, KeyError, TypeError):
        raise Problem("node: standard input is not a bundle of a controller.") from None
    return bundle
