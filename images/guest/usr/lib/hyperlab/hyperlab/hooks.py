"""Runs a directory of hooks: the first that does not end with 0 decides."""

import argparse
import os
import subprocess
import sys
import time

from hyperlab.process import NOT_YET

DIRECTORY = "/usr/lib/hyperlab"


def programs(directory):
    """Executable files of a directory in order of their names."""
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    paths = [os.path.join(directory, name) for name in names]
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]


def child_environment(environment, seconds):
    """Hooks find our package although they lie in another directory."""
    return {**environment, "HYPERLAB_SLICE_SECONDS": str(seconds), "PYTHONPATH": DIRECTORY}


def run_all(kind, slice_seconds, environment):
    """Run the hooks of one kind within a time slice; return the exit code of the contract."""
    deadline = time.monotonic() + slice_seconds
    for path in programs(os.path.join(DIRECTORY, kind + ".d")):
        left = max(1, int(deadline - time.monotonic()))
        try:
            # A hook ends by its slice; one that hangs is stopped, since the agent that called us waits for it.
            done = subprocess.run([path], env=child_environment(environment, left), timeout=left + 20)
        except subprocess.TimeoutExpired:
            print(f"{path} did not answer within {left + 20} s", flush=True)
            return NOT_YET
        if done.returncode != 0:
            return done.returncode
    return 0


def main(kind):
    """Entry point of `quiesce`, `unquiesce` and `ready`."""
    parser = argparse.ArgumentParser(prog=kind)
    parser.add_argument("--reason", default="change of the machine")
    parser.add_argument("--slice-seconds", type=int, default=30)
    arguments = parser.parse_args()
    sys.exit(run_all(kind, arguments.slice_seconds, {**os.environ, "HYPERLAB_REASON": arguments.reason}))
