"""Whose drain it is, and what to do about it."""

import itertools
import unittest
from unittest import mock

from hyperlab import drain, node as compute, slurm, verify
from hyperlab.slurm import parse_nodes


def node(*state, reason=""):
    return {"name": "n1", "state": list(state), "reason": reason, "cpus": 2, "memory": 1800, "boot_time": 9}


OURS = "hyperlab: memory 1 to 2 GiB"


class Quiesce(unittest.TestCase):
    def step(self, found, jobs=()):
        return drain.quiesce(found, list(jobs))[0]

    def test_an_undrained_node_is_drained_first(self):
        self.assertEqual(self.step(node("IDLE")), "drain")
        self.assertEqual(self.step(node("MIXED"), ["7"]), "drain")

    def test_waits_for_local_jobs(self):
        self.assertEqual(self.step(node("MIXED", "DRAIN", reason=OURS), ["7"]), "wait")

    def test_waits_while_slurm_shows_work(self):
        self.assertEqual(self.step(node("ALLOCATED", "DRAIN", reason=OURS)), "wait")
        self.assertEqual(self.step(node("IDLE", "COMPLETING", "DRAIN", reason=OURS)), "wait")

    def test_empty_when_idle(self):
        self.assertEqual(self.step(node("IDLE", "DRAIN", reason=OURS)), "empty")

    def test_a_drain_of_somebody_else_serves_as_well(self):
        self.assertEqual(self.step(node("IDLE", "DRAIN", reason="admin: fan")), "empty")
        self.assertEqual(self.step(node("MIXED", "DRAIN", reason="admin: fan"), ["7"]), "wait")

    def test_a_gone_controller_holds_nothing_up_but_jobs_do(self):
        self.assertEqual(self.step(None), "empty")
        self.assertEqual(self.step(None, ["7"]), "wait")

    def test_a_node_that_is_down_is_empty(self):
        self.assertEqual(self.step(node("DOWN", "DRAIN", "NOT_RESPONDING", "COMPLETING")), "empty")


class Ownership(unittest.TestCase):
    def test_only_our_own_is_resumed(self):
        self.assertTrue(drain.may_resume(node("IDLE", "DRAIN", reason=OURS)))
        self.assertFalse(drain.may_resume(node("IDLE", "DRAIN", reason="admin: fan")))
        self.assertFalse(drain.may_resume(node("IDLE", "DRAIN")))
        self.assertFalse(drain.may_resume(node("IDLE", reason=OURS)))

    def test_a_reason_is_one_safe_line(self):
        text = drain.quiesce_reason("a\nb \"c\" 'd'\\" + "x" * 500)
        self.assertTrue(text.startswith("hyperlab: a b c d x"))
        self.assertLessEqual(len(text), 200)
        self.assertEqual(drain.quiesce_reason(" \n"), "hyperlab: change of the machine")

    def test_emptied(self):
        self.assertTrue(drain.is_emptied(node("IDLE", "DRAIN")))
        self.assertFalse(drain.is_emptied(node("MIXED", "DRAIN")))
        self.assertTrue(drain.is_emptied(node("DOWN", "COMPLETING", "DRAIN")))


STATES = ("IDLE", "MIXED", "ALLOCATED", "DOWN", "FAIL", "ERROR", "DRAIN", "DRAINING", "NOT_RESPONDING", "COMPLETING", "MAINT")
FOREIGN = ("broken fan", "hyperlab drain: repairs", "Not responding", "Hyperlab: x", " hyperlab: x")


def every_node(reasons):
    for first, second, reason in itertools.product(STATES, STATES, reasons):
        yield node(*dict.fromkeys((first, second)), reason=reason)


class ForeignMarks(unittest.TestCase):
    """Over every pair of states: what somebody else decided stays as it is."""

    def test_no_foreign_reason_is_ever_taken_back(self):
        for found in every_node(FOREIGN):
            self.assertFalse(drain.may_resume(found), found)
            self.assertFalse(compute.is_held_by_us(found), found)

    def test_no_foreign_reason_of_a_node_that_takes_no_jobs_is_overwritten(self):
        for found, jobs in itertools.product(every_node(FOREIGN), ([], ["7"])):
            if drain.is_drained(found) or "DOWN" in found["state"] or "FAIL" in found["state"]:
                self.assertNotEqual(drain.quiesce(found, jobs)[0], "drain", found)
                self.assertTrue(drain.is_foreign(found), found)

    def test_no_machine_with_jobs_is_ever_empty(self):
        for found in every_node((*FOREIGN, OURS, "")):
            self.assertNotEqual(drain.quiesce(found, ["7"])[0], "empty", found)

    def test_a_node_that_takes_jobs_is_drained_first(self):
        for found in every_node((OURS, "")):
            if not drain.is_drained(found):
                self.assertEqual(drain.quiesce(found, [])[0], "drain", found)

    def test_the_programs_wait_for_jobs_and_change_nothing(self):
        for state in (["MIXED", "DRAIN"], ["IDLE", "DRAIN"], ["DOWN"]):
            found = node(*state, reason="broken fan")
            ends = [["7"], ["7"], [], [], []]
            with (
                mock.patch.object(slurm, "node", return_value=found),
                mock.patch.object(slurm, "update") as update,
                mock.patch.object(slurm, "local_jobs", side_effect=ends * 3),
                mock.patch.object(slurm, "this_node", return_value="n1"),
                mock.patch.object(compute, "is_shutting_down", return_value=True),
                mock.patch.object(compute, "LAUNCH_SECONDS", 0),
                mock.patch.object(compute.files, "remove"),
                mock.patch("os.path.exists", return_value=True),
                mock.patch("time.sleep"),
                mock.patch("builtins.print"),
            ):
                compute.self_drain()
                compute.resume_self()
                if state != ["MIXED", "DRAIN"]:
                    compute.quiesce("memory", 60)
            self.assertEqual(update.call_count, 0)


class Verification(unittest.TestCase):
    document = {
        "nodes": [{"name": "n1", "running": True, "line": "NodeName=n1 CPUs=2 RealMemory=1800"}],
    }

    def lacks(self, found):
        return verify.shortcoming(verify.planned(self.document)["n1"], found)

    def test_good_states(self):
        for state in (["IDLE"], ["MIXED"], ["ALLOCATED"], ["IDLE", "DRAIN"]):
            self.assertIsNone(self.lacks(node(*state)))

    def test_bad_states_name_the_state(self):
        self.assertEqual(self.lacks(node("DOWN", "DRAIN", reason="r")), "DOWN+DRAIN (r)")
        self.assertIn("INVALID_REG", self.lacks(node("IDLE", "INVALID_REG")))
        self.assertIsNotNone(self.lacks(node("IDLE", "NOT_RESPONDING")))
        self.assertIsNotNone(self.lacks(None))

    def test_smaller_than_planned(self):
        self.assertIn("planned", self.lacks({**node("IDLE"), "memory": 900}))

    def test_never_registered(self):
        self.assertIn("registered", self.lacks({**node("IDLE"), "boot_time": 0}))

    def test_report_covers_nodes_that_slurm_lost(self):
        self.assertEqual(verify.report(self.document, {}), [{"name": "n1", "state": "UNKNOWN", "reason": ""}])


class Json(unittest.TestCase):
    def test_nodes_of_scontrol(self):
        text = (
            '{"nodes":[{"name":"n1","state":["IDLE","DRAIN"],"reason":"x","cpus":2,"real_memory":1800,'
            '"boot_time":{"set":true,"infinite":false,"number":1700000000}}]}'
        )
        self.assertEqual(
            parse_nodes(text)["n1"],
            {
                "name": "n1",
                "state": ["IDLE", "DRAIN"],
                "reason": "x",
                "cpus": 2,
                "memory": 1800,
                "boot_time": 1700000000,
            },
        )


if __name__ == "__main__":
    unittest.main()
