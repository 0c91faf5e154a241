"""What becomes of jobs at the end of a drain's time, over every kind of job and order."""

import itertools
import json
import unittest
from unittest import mock

from hyperlab import drain, jobs, leaving, node, overdue, slurm
from hyperlab.process import NotYet, Problem, WorkRemains

STATES = (["RUNNING"], ["SUSPENDED"], ["CONFIGURING"], ["RUNNING", "COMPLETING"], ["COMPLETING"], ["PENDING"], ["CANCELLED"])
DRAINED = {"name": "n1", "state": ["MIXED", "DRAIN"], "reason": "hyperlab: memory", "cpus": 2, "memory": 9, "boot_time": 9}


def job(number=7, state=("RUNNING",), batch=True, requeue=True, start=1_795_680_000, limit=60, user="ada"):
    return {
        "id": str(number),
        "user": user,
        "state": list(state),
        "batch": batch,
        "requeue": requeue,
        "start": start,
        "limit_minutes": limit,
    }


def every_job():
    kinds = itertools.product(STATES, (True, False), (True, False))
    return [job(number, *kind) for number, kind in enumerate(kinds, 1)]


class Decisions(unittest.TestCase):
    def test_every_job_has_one_fate_and_one_that_ends_has_none(self):
        for order in ("fail", "requeue", "kill", "wait", "", "nonsense"):
            decision = jobs.decide(jobs.order_of(order), every_job())
            fates = [each["id"] for fate in decision.values() for each in fate]
            self.assertEqual(len(fates), len(set(fates)))
            self.assertEqual(set(fates), {each["id"] for each in every_job() if jobs.holds(each)})

    def test_only_the_order_to_kill_cancels_and_only_the_order_to_requeue_requeues(self):
        for order in ("fail", "requeue", "kill", "wait", "", "nonsense"):
            decision = jobs.decide(jobs.order_of(order), every_job())
            self.assertEqual(bool(decision["cancel"]), order == "kill")
            self.assertEqual(bool(decision["requeue"]), order == "requeue")
            self.assertEqual(bool(decision["stay"]), order != "kill")

    def test_what_cannot_be_requeued_stays(self):
        decision = jobs.decide("requeue", every_job())
        self.assertTrue(all(each["batch"] and each["requeue"] for each in decision["requeue"]))
        self.assertTrue(all(not (each["batch"] and each["requeue"]) for each in decision["stay"]))


class Words(unittest.TestCase):
    def test_the_latest_end_is_start_and_limit(self):
        self.assertEqual(jobs.latest_end(job()), "until 2026-11-26 09:00 UTC at the latest")
        self.assertIn("UNLIMITED", jobs.latest_end(job(limit=None)))
        self.assertIn("suspended", jobs.latest_end(job(state=["SUSPENDED"])))

    def test_a_listing_names_job_user_and_end_in_order_and_stays_readable(self):
        text = jobs.listing([job(12, user="bob", limit=None), job(7)])
        self.assertEqual(text, "7 of ada, until 2026-11-26 09:00 UTC at the latest; 12 of bob, no time limit (UNLIMITED)")
        self.assertIn("and 80 more", jobs.listing([job(number) for number in range(1, 101)]))

    def test_says_why_a_job_cannot_be_requeued(self):
        self.assertIn("only batch jobs", jobs.listing([job(batch=False)], "requeue"))
        self.assertIn("--no-requeue", jobs.listing([job(requeue=False)], "requeue"))
        self.assertIn("disabled", jobs.listing([{**job(), "why": "disabled"}], "requeue"))

    def test_the_way_out_of_a_foreign_drain_is_not_ours(self):
        self.assertIn("hyperlab drain --cancel n1", jobs.way_out(["n1"]))
        self.assertNotIn("--cancel", jobs.way_out(["n1"], ["broken fan"]))

    def test_jobs_of_squeue(self):
        number = {"set": True, "infinite": False, "number": 10}
        entry = {"job_id": 1, "user_name": "ada", "job_state": ["RUNNING"], "requeue": True, "batch_flag": True}
        text = json.dumps({"jobs": [{**entry, "start_time": number, "time_limit": number}]})
        self.assertEqual(slurm.parse_jobs(text), [job(1, start=10, limit=10)])
        unlimited = {"set": False, "infinite": True, "number": 0}
        text = json.dumps({"jobs": [{**entry, "start_time": number, "time_limit": unlimited}]})
        self.assertIsNone(slurm.parse_jobs(text)[0]["limit_minutes"])


class Slurm:
    """SLURM as far as these programs use it; jobs that are told to end do so at the next look."""

    def __init__(self, jobs, refused=()):
        self.jobs, self.refused, self.told, self.updates = list(jobs), refused, [], []

    def end(self, what, number):
        if number in self.refused:
            raise Problem("Requested operation is presently disabled")
        self.told.append((what, number))
        self.jobs = [each for each in self.jobs if each["id"] != number]

    def __enter__(self):
        fakes = {
            "jobs_on": lambda names, timeout=60: list(self.jobs),
            "local_jobs": lambda: [each["id"] for each in self.jobs],
            "requeue": lambda number: self.end("requeue", number),
            "cancel": lambda number: self.end("cancel", number),
            "this_node": lambda: "n1",
            "node": lambda name, timeout=20: self.node(),
            "all_nodes": lambda: {"n1": self.node()},
            "update": lambda *arguments: self.updates.append(arguments),
        }
        self.patches = [mock.patch.object(slurm, name, fake) for name, fake in fakes.items()]
        self.patches += [mock.patch("os.path.exists", lambda path: True), mock.patch("time.sleep", lambda seconds: None)]
        for patch in self.patches:
            patch.start()
        return self

    def node(self):
        return {**DRAINED, "state": ["MIXED", "DRAIN"] if self.jobs else ["IDLE", "DRAIN"]}

    def __exit__(self, *_):
        for patch in self.patches:
            patch.stop()


class OnTheNode(unittest.TestCase):
    def test_without_an_order_no_job_is_touched(self):
        with Slurm([job()]) as fake, self.assertRaisesRegex(NotYet, "jobs 7 run here"):
            node.quiesce("memory", -1)
        self.assertEqual(fake.told, [])

    def test_fail_lists_what_runs(self):
        with Slurm([job(), job(8, limit=None, user="bob")]) as fake:
            with self.assertRaisesRegex(WorkRemains, "7 of ada, until .*; 8 of bob, no time limit.*--cancel n1"):
                node.quiesce("memory", 1, "fail")
        self.assertEqual((fake.told, fake.updates), ([], []))

    def test_requeue_empties_the_node(self):
        with Slurm([job(), job(8)]) as fake:
            node.quiesce("memory", 1, "requeue")
        self.assertEqual(fake.told, [("requeue", "7"), ("requeue", "8")])

    def test_requeue_kills_nothing_and_lists_the_rest(self):
        with Slurm([job(), job(8, batch=False)]) as fake:
            with self.assertRaisesRegex(WorkRemains, "8 of ada.*only batch jobs"):
                node.quiesce("memory", 1, "requeue")
        self.assertEqual(fake.told, [("requeue", "7")])

    def test_a_requeue_that_slurm_refuses_is_listed_with_its_words(self):
        with Slurm([job()], refused=["7"]) as fake, self.assertRaisesRegex(WorkRemains, "presently disabled"):
            node.quiesce("memory", 1, "requeue")
        self.assertEqual(fake.told, [])

    def test_kill_cancels_and_goes_on(self):
        with Slurm([job(), job(8, batch=False)]) as fake:
            node.quiesce("memory", 1, "kill")
        self.assertEqual(fake.told, [("cancel", "7"), ("cancel", "8")])

    def test_a_controller_that_does_not_answer_ends_no_job(self):
        for order, error in (("fail", WorkRemains), ("requeue", NotYet), ("kill", NotYet)):
            with Slurm([job()]) as fake, mock.patch.object(slurm, "jobs_on", side_effect=Problem("no answer")):
                with self.assertRaisesRegex(error, "7.*no answer"):
                    node.quiesce("memory", 1, order)
            self.assertEqual(fake.told, [])


class OnTheController(unittest.TestCase):
    def empty(self, policy, fake):
        with fake:
            leaving.empty(["n1"], {"timeoutSeconds": -1, **policy}, lambda text: None)

    def test_fail_lists_what_runs_and_removes_nothing(self):
        fake = Slurm([job()])
        with self.assertRaisesRegex(Problem, "7 of ada, until .*Nothing was removed"):
            self.empty({}, fake)
        self.assertEqual(fake.told, [])

    def test_requeue_and_kill_empty_the_nodes(self):
        for policy, told in (("requeue", "requeue"), ("kill", "cancel")):
            fake = Slurm([job()])
            self.empty({"onTimeout": policy}, fake)
            self.assertEqual(fake.told, [(told, "7")])

    def test_wait_has_no_end(self):
        fake = Slurm([job()])
        waits = itertools.count()

        def sleep(_):
            if next(waits) == 50:
                fake.jobs = []

        with fake, mock.patch("time.sleep", sleep):
            leaving.empty(["n1"], {"timeoutSeconds": -1, "onTimeout": "wait"}, lambda text: None)
        self.assertEqual((fake.told, next(waits)), ([], 51))


class Foreign(unittest.TestCase):
    def test_a_report_says_whose_drain_it_is(self):
        foreign = {**DRAINED, "reason": "broken fan"}
        text = overdue.report(["n1"], [foreign], [job()], "fail")
        self.assertIn('somebody else\'s ("broken fan")', text)
        self.assertTrue(drain.is_foreign(foreign))


if __name__ == "__main__":
    unittest.main()
