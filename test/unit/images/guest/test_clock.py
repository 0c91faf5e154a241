"""The clock after a pause: only what passed outside is added, whatever else moves the clocks."""

import random
import unittest
from unittest import mock

from hyperlab import clock

HOUR = 3600


def reading(outside, system, running):
    """The hardware clock counts whole seconds."""
    return int(outside), system, running


class Missed(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(1)

    def readings(self, pause=0.0, step=0.0, host_ahead=0.0, synced=False):
        """Two readings some seconds apart, with what happened between them."""
        start, running = self.random.uniform(1e9, 2e9), self.random.uniform(0, 1e6)
        apart = self.random.uniform(4.9, 9.0)
        before = reading(start + host_ahead, start, running)
        system = start + apart + step
        outside = system if synced else start + host_ahead + apart + pause
        return before, reading(outside, system, running + apart)

    def test_a_pause_is_added_to_the_second(self):
        for _ in range(500):
            pause = self.random.choice([10, 60, HOUR, 90 * HOUR]) + self.random.random()
            missed = clock.missed_seconds(*self.readings(pause=pause))
            self.assertAlmostEqual(missed, pause, delta=1.6)

    def test_a_pause_is_added_to_a_clock_that_differs_from_the_hosts(self):
        for ahead in (-HOUR, -40, 40, HOUR):
            missed = clock.missed_seconds(*self.readings(pause=600, host_ahead=ahead))
            self.assertAlmostEqual(missed, 600, delta=1.6)

    def test_without_a_pause_nothing_is_added(self):
        for _ in range(500):
            ahead = self.random.uniform(-HOUR, HOUR)
            self.assertEqual(clock.missed_seconds(*self.readings(host_ahead=ahead)), 0)

    def test_a_time_service_that_sets_the_clock_is_no_pause(self):
        for step in (-HOUR, -5, 5, HOUR):
            for ahead in (0, -step, step):
                self.assertEqual(clock.missed_seconds(*self.readings(step=step, host_ahead=ahead)), 0)

    def test_the_kernel_that_writes_the_hardware_clock_is_no_pause(self):
        for ahead in (-HOUR, -30, -6, 6, 30, HOUR):
            self.assertEqual(clock.missed_seconds(*self.readings(host_ahead=ahead, synced=True)), 0)


class CatchUp(unittest.TestCase):
    def test_sets_the_clock_forward_before_slurm_registers_again(self):
        calls = []
        with (
            mock.patch.object(clock.time, "time", return_value=1000.0),
            mock.patch.object(clock.time, "clock_settime", side_effect=lambda _, value: calls.append(value)),
            mock.patch.object(clock, "succeeds", side_effect=calls.append),
        ):
            clock.catch_up(HOUR)
        self.assertEqual(calls, [4600.0, ["systemctl", "try-restart", "slurmd.service"]])


if __name__ == "__main__":
    unittest.main()
