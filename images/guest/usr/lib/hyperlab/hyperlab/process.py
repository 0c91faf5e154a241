"""Running programs, and the errors that people read."""

import subprocess
import sys

#: Exit code of a hook that is not finished yet; its standard output says what it waits for.
NOT_YET = 75


#: Exit code of a hook that did what it was told at the end of the time; its standard output says which work remains.
WORK_REMAINS = 76


def log(text):
    """Say how it goes, where standard output has the result."""
    print(text, file=sys.stderr, flush=True)


class Problem(Exception):
    """What happened, to what, why, and what to do next."""


class NotYet(Exception):
    """A condition that is expected to come true; the text says what is missing."""


class WorkRemains(Exception):
    """The time is over and work still runs that must not be touched; the text says which."""


def run(command, text=None, timeout=120, env=None, user=None):
    """Run a program to its end; return its standard output. A failure is a Problem with what the program said."""
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=timeout, env=env, user=user
        )
    except subprocess.TimeoutExpired:
        raise Problem(f"{command[0]} did not end within {timeout} s (arguments: {' '.join(command[1:])})") from None
    except OSError as error:
        raise Problem(f"{command[0]} could not run: {error}") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise Problem(f"{' '.join(command)} ended with code {done.returncode}: {said}")
    return done.stdout


def succeeds(command, timeout=60):
    """Whether a program ends with 0."""
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main(function):
    """Run a program's main function with the exit codes of the guest contract."""
    try:
        code = function()
    except NotYet as waiting:
        print(waiting, flush=True)
        code = NOT_YET
    except WorkRemains as remaining:
        print(remaining, flush=True)
        code = WORK_REMAINS
    except Problem as problem:
        print(problem, file=sys.stderr, flush=True)
        code = 1
    sys.exit(code or 0)
