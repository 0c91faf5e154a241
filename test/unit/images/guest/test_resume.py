"""Two programs may resume a node after a restart; the slower one must not fail over what the other did."""

import unittest
from unittest import mock

from hyperlab import drain, node, slurm
from hyperlab.process import Problem

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


if __name__ == "__main__":
    unittest.main()
