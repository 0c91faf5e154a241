"""slurm.conf around changes of machines."""

import unittest

from hyperlab import slurm_conf

HEAD = "ClusterName=lab\n"
PARTITIONS = "PartitionName=all Nodes=ALL Default=YES\n"


def node(name, cpus=2, memory=1800, address="10.0.0.1"):
    return (
        f"NodeName={name} NodeAddr={address} CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} "
        f"ThreadsPerCore=1 RealMemory={memory}\n"
    )


def sizes(text):
    return {name: (found.processors, found.memory) for name, found in slurm_conf.nodes(text).items()}


class Parsing(unittest.TestCase):
    def test_folded_nodes_get_their_own_addresses(self):
        text = "NodeName=n[01-03] NodeAddr=10.0.1.[9-11] CPUs=4 RealMemory=900 # three\n"
        found = slurm_conf.nodes(text)
        self.assertEqual(list(found), ["n01", "n02", "n03"])
        self.assertEqual(found["n02"].keys["nodeaddr"][1], "10.0.1.10")

    def test_default_line_and_comments_are_no_nodes(self):
        text = "NodeName=DEFAULT CPUs=2\n# NodeName=x\n\nNodeName=a CPUs=2 \\\n RealMemory=5\n"
        self.assertEqual(sizes(text), {"a": (2, 5)})

    def test_processors_without_cpus(self):
        self.assertEqual(sizes("NodeName=a Sockets=2 CoresPerSocket=4 ThreadsPerCore=2"), {"a": (16, 1)})

    def test_line_keeps_quotes(self):
        found = slurm_conf.nodes('NodeName=a CPUs=2 Reason="two words"')["a"]
        self.assertEqual(found.line(), 'NodeName=a CPUs=2 Reason="two words"')


class Transitional(unittest.TestCase):
    def test_no_change_gives_the_new_text(self):
        text = HEAD + "NodeName=n[1-900] NodeAddr=10.0.[1-9].1 CPUs=2 RealMemory=900\n" + PARTITIONS
        self.assertEqual(slurm_conf.transitional(text, text), text)

    def test_each_node_has_the_smaller_size(self):
        old = HEAD + node("grows", 2, 1800) + node("shrinks", 4, 3600) + node("mixed", 4, 1800) + PARTITIONS
        new = HEAD + node("grows", 4, 3600) + node("shrinks", 2, 1800) + node("mixed", 2, 3600) + PARTITIONS
        merged = sizes(slurm_conf.transitional(old, new))
        self.assertEqual(merged, {"grows": (2, 1800), "shrinks": (2, 1800), "mixed": (2, 1800)})

    def test_processor_keys_come_from_one_side(self):
        old = HEAD + node("a", 2) + PARTITIONS
        new = HEAD + node("a", 8) + PARTITIONS
        merged = slurm_conf.nodes(slurm_conf.transitional(old, new))["a"]
        self.assertEqual(merged.keys["corespersocket"][1], "2")

    def test_new_nodes_join_and_leaving_nodes_stay(self):
        old = HEAD + node("a") + node("gone") + PARTITIONS
        new = HEAD + node("a") + node("fresh") + PARTITIONS
        self.assertEqual(set(sizes(slurm_conf.transitional(old, new))), {"a", "fresh", "gone"})

    def test_only_the_shrinking_line_is_unfolded(self):
        old = HEAD + "NodeName=n[1-3] CPUs=2 RealMemory=900\nNodeName=m[1-9] CPUs=2 RealMemory=900\n" + PARTITIONS
        new = HEAD + "NodeName=n[1-3] CPUs=2 RealMemory=1800\nNodeName=m[1-9] CPUs=2 RealMemory=900\n" + PARTITIONS
        text = slurm_conf.transitional(old, new)
        self.assertIn("NodeName=m[1-9]", text)
        self.assertEqual(sizes(text)["n2"], (2, 900))

    def test_leaving_nodes_keep_their_partition(self):
        old = HEAD + node("a") + node("b") + node("gone") + "PartitionName=p Nodes=a,gone\nPartitionName=q Nodes=b\n"
        new = HEAD + node("a") + node("b") + "PartitionName=p Nodes=a MaxTime=60\nPartitionName=q Nodes=b\n"
        partitions = slurm_conf.partition_nodes(slurm_conf.transitional(old, new))
        self.assertEqual(partitions, {"p": "a,gone", "q": "b"})

    def test_repeating_changes_nothing(self):
        old = HEAD + node("a", 4) + node("gone") + PARTITIONS
        new = HEAD + node("a", 2) + PARTITIONS
        once = slurm_conf.transitional(old, new)
        self.assertEqual(slurm_conf.transitional(once, new), once)

    def test_nodes_are_defined_before_partitions(self):
        old = HEAD + node("a") + node("gone") + PARTITIONS
        lines = slurm_conf.transitional(old, HEAD + node("a") + PARTITIONS).splitlines()
        kinds = [slurm_conf.kind(line) for line in lines if slurm_conf.kind(line)]
        self.assertEqual(kinds, ["clustername", "nodename", "nodename", "partitionname"])

    def test_leaving(self):
        text = HEAD + node("a") + node("gone")
        self.assertEqual(slurm_conf.leaving_nodes(text, ["a", "fresh"]), ["gone"])


if __name__ == "__main__":
    unittest.main()
