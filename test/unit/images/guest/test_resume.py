"""A node comes back into service: what it lacks until then, and two programs that may resume it after a restart."""

import unittest
from unittest import mock

from hyperlab import drain, node, slurm
from hyperlab.process import NotYet, Problem

OURS = {"name": "n1", "state": ["IDLE", "DRAIN"], "reason": drain.quiesce_reason("restart"), "boot_time": 0}
RESUMED = {**OURS, "state": ["IDLE"], "reason": ""}


class Resume(unittest.TestCase):
    def resume(self, seen, refused):
        error = Problem("slurm_update error: Invalid node state specified") if refused else None
        with (
            mock.patch.object(slurm, "node", side_effect=seen),
            mock.patch.object(slurm, "update", side_effect=error) as update,
            mock.patch.object(node.files, "remove"),
        ):
            node.resume_self()
        return update.call_count

    def test_resumes_its_own_drain(self):
        self.assertEqual(self.resume([OURS], refused=False), 1)

    def test_another_was_quicker(self):
        self.assertEqual(self.resume([OURS, RESUMED], refused=True), 1)

    def test_a_drain_that_stays_is_an_error(self):
        with self.assertRaises(Problem):
            self.resume([OURS, OURS], refused=True)

    def test_leaves_a_foreign_drain(self):
        self.assertEqual(self.resume([{**OURS, "reason": "fan broken"}], refused=False), 0)


class Readiness(unittest.TestCase):
    def missing(self, *active):
        with (
            mock.patch.object(node, "applied_digest", return_value="digest"),
            mock.patch.object(node.os.path, "exists", return_value=True),
            mock.patch.object(node, "succeeds", side_effect=lambda command: command[-1] in active),
            mock.patch.object(slurm, "node", return_value=None),
            self.assertRaises(NotYet) as raised,
        ):
            node.readiness()
        return str(raised.exception)

    def test_says_when_slurmd_waits_for_homes(self):
        self.assertIn("/home is not mounted yet", self.missing())
        self.assertEqual(self.missing("home.mount"), "slurmd is not up yet")
        self.assertIn("the controller does not answer", self.missing("home.mount", "slurmd.service"))


class Homes(unittest.TestCase):
    """slurmd mounts them at its start, so that it starts anew where they lie elsewhere now."""

    BUNDLE = {
        "hosts": "",
        "subnet": "10.0.0.0/24",
        "users": [],
        "groups": [],
        "controller": {"name": "c", "address": "10.0.0.1"},
        "homeExport": "10.0.0.1:/srv/hyperlab/home",
        "slurmJwks": "{}",
        "cluster": "lab",
    }

    def order(self, other_homes):
        with (
            mock.patch.object(node.bundle, "parse", return_value=self.BUNDLE),
            mock.patch.object(node, "accounts"),
            mock.patch.object(node, "firewall"),
            mock.patch.object(node, "machine") as machine,
            mock.patch.object(node.files, "write", return_value=False),
            mock.patch.object(node, "run") as run,
        ):
            machine.mount_home.return_value = other_homes
            node.apply("")
        return run.call_args.args[0][1]

    def test_slurmd_starts_anew_for_other_homes_only(self):
        self.assertEqual(self.order(other_homes=True), "restart")
        self.assertEqual(self.order(other_homes=False), "start")


if __name__ == "__main__":
    unittest.main()
