"""The controller's interface for logins, where the cluster has one (`access: lan`)."""

import os

from hyperlab import files
from hyperlab.process import run

#: Comes before what the image says of the interface: that nothing happens at it.
NETWORK = "/etc/systemd/network/10-hyperlab-login.network"
#: The image's udev names the interface so.
INTERFACE = "/sys/class/net/login0"


def apply(text):
    """Bring the interface to the text for systemd-networkd; None where there is none. Other interfaces are left alone."""
    changed = files.write(NETWORK, text) if text else files.remove(NETWORK)
    if not changed:
        return
    run(["networkctl", "reload"])
    # An interface that nothing was wanted of is not looked at again by a reload alone.
    if os.path.exists(INTERFACE):
        run(["networkctl", "reconfigure", os.path.basename(INTERFACE)])
