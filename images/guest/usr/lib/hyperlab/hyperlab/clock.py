"""
The clock after a pause. A guest that its host pauses, saves or migrates does not see the time that passes; the hardware
clock that QEMU gives it does. Waiting for the time servers would take up to an hour, and chrony would then slew for days.
"""

import sys
import time

from hyperlab import files
from hyperlab.process import Problem, succeeds

HARDWARE_CLOCK = "/sys/class/rtc/rtc0/since_epoch"
INTERVAL_SECONDS = 5
#: The hardware clock counts whole seconds, and a busy host delays the reading: less than this is no pause.
LEAST_SECONDS = 4


def missed_seconds(before, after):
    """
    Seconds that passed outside while this machine stood, 0 for none. A reading is the hardware clock, the system clock
    and the time since boot. A time service that sets the system clock moves it against the time since boot; a kernel
    that writes the system clock into the hardware clock leaves both alike: neither is a pause.
    """
    hardware, system, running = (late - early for early, late in zip(before, after))
    missed = hardware - running
    is_set_by_others = abs(system - running) >= 2
    is_alike = abs(after[0] - after[1]) < LEAST_SECONDS
    return 0 if missed < LEAST_SECONDS or is_set_by_others or is_alike else round(missed)


def reading():
    text = files.read_text(HARDWARE_CLOCK, "").strip()
    if not text.isdigit():
        raise Problem(f"{HARDWARE_CLOCK} cannot be read: the clock is left to the time service")
    return int(text), time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)


def catch_up(seconds):
    """Set the clock forward, and let SLURM's daemon register again: what it had signed meanwhile is too old."""
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
    print(f"this machine stood for {seconds} s: the clock is set forward", file=sys.stderr, flush=True)
    # Jobs live in a scope of their own and survive a restart of the daemon. The controller has none.
    succeeds(["systemctl", "try-restart", "slurmd.service"])


def watch():
    before = reading()
    while True:
        time.sleep(INTERVAL_SECONDS)
        after = reading()
        seconds = missed_seconds(before, after)
        if seconds:
            catch_up(seconds)
            after = reading()
        before = after
