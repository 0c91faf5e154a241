"""When the controller pushes to which node."""

import unittest

from hyperlab.distributor import Schedule, known_hosts, push_command

NODES = {name: {"name": name, "address": f"10.0.0.{n}", "hostKey": f"ssh-ed25519 {n}"} for n, name in enumerate("abc")}


class Pushes(unittest.TestCase):
    def setUp(self):
        self.schedule = Schedule({"a": "one"})
        self.schedule.publish("one", NODES, 0)

    def test_nodes_that_have_it_are_left_alone(self):
        self.assertEqual(self.schedule.take(0, 8), ["b", "c"])

    def test_steady_nodes_cost_nothing(self):
        for name in self.schedule.take(0, 8):
            self.schedule.done(name, "one", True, 1)
        self.assertIsNone(self.schedule.wait(1))
        self.schedule.knock("b", "10.0.0.1", "one", 2)
        self.assertEqual(self.schedule.take(1000, 8), [])

    def test_only_so_many_at_a_time(self):
        self.assertEqual(self.schedule.take(0, 1), ["b"])
        self.assertEqual(self.schedule.take(0, 1), [])
        self.schedule.done("b", "one", True, 1)
        self.assertEqual(self.schedule.take(1, 1), ["c"])

    def test_failures_are_tried_later_and_later(self):
        times, now = [], 0
        for _ in range(8):
            now += self.schedule.wait(now)
            times.append(now)
            for name in self.schedule.take(now, 8):
                self.schedule.done(name, "one", False, now)
        self.assertEqual([b - a for a, b in zip(times, times[1:])], [2, 4, 8, 16, 32, 60, 60])

    def test_a_knock_makes_a_stale_node_due_at_once(self):
        for name in self.schedule.take(0, 8):
            self.schedule.done(name, "one", False, 0)
        self.assertTrue(self.schedule.knock("b", "10.0.0.1", "", 1))
        self.assertEqual(self.schedule.take(1, 8), ["b"])

    def test_a_node_that_lost_its_disk_is_served_again(self):
        self.schedule.take(0, 8)
        self.schedule.knock("a", "10.0.0.0", "", 5)
        self.assertEqual(self.schedule.take(5, 8), ["a"])

    def test_who_could_not_be_given_the_bundle_of_now_is_known(self):
        for name in self.schedule.take(0, 8):
            self.schedule.done(name, "one", name == "b", 1)
        self.assertEqual(self.schedule.unreached, {"c": "one"})
        self.schedule.knock("c", "10.0.0.2", "one", 2)
        self.assertEqual(self.schedule.unreached, {})
        self.schedule.publish("two", NODES, 3)
        self.schedule.take(3, 8)
        self.schedule.done("a", "two", False, 4)
        self.schedule.publish("three", NODES, 5)
        self.assertEqual(self.schedule.unreached, {})

    def test_strangers_are_ignored(self):
        self.assertFalse(self.schedule.knock("b", "10.9.9.9", "", 1))
        self.assertFalse(self.schedule.knock("zz", "10.0.0.1", "", 1))

    def test_a_new_bundle_during_a_push_is_pushed_after_it(self):
        self.schedule.take(0, 8)
        self.schedule.publish("two", NODES, 1)
        self.assertEqual(self.schedule.take(1, 8), ["a"])
        self.schedule.done("b", "one", True, 2)
        self.assertEqual(self.schedule.take(2, 8), ["b"])

    def test_a_knock_during_a_push_does_not_start_a_second_one(self):
        self.schedule.take(0, 8)
        self.schedule.knock("b", "10.0.0.1", "", 1)
        self.assertEqual(self.schedule.take(1, 8), [])
        self.schedule.done("b", "one", True, 2)
        self.assertEqual(self.schedule.take(2, 8), [])

    def test_nodes_that_left_are_forgotten(self):
        self.schedule.take(0, 8)
        self.schedule.publish("two", {"b": NODES["b"]}, 1)
        self.schedule.done("c", "one", False, 2)
        self.schedule.done("b", "one", True, 2)
        self.assertEqual(self.schedule.take(3, 8), ["b"])


class Ssh(unittest.TestCase):
    def test_host_keys_are_pinned_by_name(self):
        self.assertEqual(known_hosts([NODES["b"]]), "b ssh-ed25519 1\n")
        words = push_command(NODES["b"])
        self.assertIn("StrictHostKeyChecking=yes", words)
        self.assertIn("HostKeyAlias=b", words)
        self.assertEqual(words[-2:], ["root@10.0.0.1", "apply"])


if __name__ == "__main__":
    unittest.main()
