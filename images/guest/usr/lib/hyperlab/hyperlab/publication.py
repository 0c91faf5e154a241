"""What the controller gives its nodes; the distributor takes it to them."""

from hyperlab import bundle, files, host_keys, store
from hyperlab.process import run, succeeds


def publish(wanted, controller, jwks):
    """Give the nodes what they need; the distributor takes it from here."""
    content = bundle.make(wanted, controller, jwks)
    nodes = [
        {"name": entry["name"], "address": entry["address"], "hostKeys": host_keys.of(entry)}
        for entry in wanted["nodes"]
    ]
    files.write_json(store.DOCUMENT, wanted)
    files.write_json(store.BUNDLE, {"bundle": content, "digest": bundle.digest(content), "nodes": nodes})
    distribute()


def distribute():
    """The distributor reads the bundle anew."""
    serving = succeeds(["systemctl", "is-active", "--quiet", "hyperlab-distributor.service"])
    run(["systemctl", "reload" if serving else "start", "hyperlab-distributor.service"])
