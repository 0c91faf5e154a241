"""Waiting for the controller's services."""

import time

from hyperlab.process import Problem

START_SECONDS = 600


def wait_until(what, condition, seconds=START_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Problem(f"{what}: not within {seconds} s. Look at `journalctl -b` and /var/log/slurm on the controller.")
        time.sleep(1)
