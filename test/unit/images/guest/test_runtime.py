"""What scontrol changed, and what becomes of it when SLURM is configured anew."""

import unittest

from hyperlab import runtime

CONF = """
NodeName=n[1-2] NodeAddr=10.0.0.[1-2] CPUs=2 Feature=fast RealMemory=1800
PartitionName=main Nodes=ALL Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=long Nodes=n1 State=UP
"""


def partition(name="main", **over):
    fields = {"AllowGroups": "ALL", "AllowAccounts": "ALL", "Default": "YES" if name == "main" else "NO"}
    fields |= {"MaxTime": "1-00:00:00" if name == "main" else "UNLIMITED", "PriorityTier": "1", "State": "UP"}
    return " ".join(f"{key}={value}" for key, value in {"PartitionName": name, **fields, **over}.items()) + "\n"


def node(name, **over):
    fields = {"NodeName": name, "AvailableFeatures": "fast", "Weight": "1", **over}
    return " ".join(f"{key}={value}" for key, value in fields.items()) + "\n"


class Kept(unittest.TestCase):
    def kept(self, new=CONF, partitions=None, nodes=""):
        return runtime.kept(CONF, new, partition() + partition("long") if partitions is None else partitions, nodes)

    def test_nothing_where_nothing_was_changed(self):
        self.assertEqual(self.kept(nodes=node("n1") + node("n2")), [])

    def test_limits_and_weights_are_made_again(self):
        changed = partition(MaxTime="2-00:00:00", PriorityTier="5")
        self.assertEqual(
            self.kept(partitions=changed, nodes=node("n2", Weight="7", AvailableFeatures="(null)")),
            [["partitionname=main", "MaxTime=2-00:00:00", "PriorityTier=5"], ["nodename=n2", "Weight=7", "AvailableFeatures="]],
        )

    def test_what_the_new_configuration_changes_wins(self):
        new = CONF.replace("MaxTime=1-", "MaxTime=3-").replace("Feature=fast", "Feature=slow")
        changed = partition(MaxTime="2-00:00:00", PriorityTier="5")
        self.assertEqual(
            self.kept(new, changed, node("n1", AvailableFeatures="odd")), [["partitionname=main", "PriorityTier=5"]]
        )

    def test_what_comes_or_goes_is_left_alone(self):
        self.assertEqual(self.kept(CONF.replace("PartitionName=long", "#"), partition("long", PriorityTier="5")), [])
        self.assertEqual(self.kept(partitions=partition("extra", PriorityTier="5"), nodes=node("n9", Weight="7")), [])


class Job(unittest.TestCase):
    def choice(self, text):
        return runtime.partition_for_job(runtime.shown(text, "PartitionName"))

    def test_the_default_partition_takes_it(self):
        self.assertEqual(self.choice(partition("long") + partition()), "main")

    def test_another_one_where_that_is_down(self):
        self.assertEqual(self.choice(partition(State="DOWN") + partition("long")), "long")
        self.assertIsNone(self.choice(partition(State="DOWN") + partition("long", AllowGroups="staff")))

    def test_none_where_all_are_down(self):
        self.assertIsNone(self.choice(partition(State="DRAIN") + partition("long", State="INACTIVE")))
        self.assertIsNone(self.choice(""))


if __name__ == "__main__":
    unittest.main()
