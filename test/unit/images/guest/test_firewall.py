"""The machine's firewall: what is written, and what a refusal leaves."""

import os
import tempfile
import unittest
from unittest import mock

from hyperlab import files, firewall
from hyperlab.process import Problem

CONTROLLER = {"name": "c", "address": "10.0.0.1"}
RULES = {"controller": "# c\n", "compute": "# n\n"}


class Firewall(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "policy.nft")
        self.loaded = []
        own = os.getuid(), os.getgid()
        write = files.write
        for patch in (
            mock.patch.object(firewall, "RULES", self.path),
            mock.patch.object(firewall, "DRAFT", os.path.join(self.directory.name, "policy.draft")),
            mock.patch.object(firewall, "run", lambda command: self.loaded.append(files.read_text(command[-1]))),
            mock.patch.object(files, "write", lambda path, text: write(path, text, 0o644, *own)),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def wanted(self, *addresses, rules=RULES):
        nodes = [{"address": address} for address in addresses]
        network = {"subnet": "10.0.0.0/24", **({} if rules is None else {"rules": rules})}
        return firewall.network({"nodes": nodes, "network": network}, CONTROLLER)

    def test_machines_are_the_controller_and_the_nodes(self):
        firewall.apply(self.wanted("10.0.0.9", "10.0.0.8"), "compute")
        expected = (
            "flush set inet hyperlab machines\n"
            "add element inet hyperlab machines { 10.0.0.1, 10.0.0.8, 10.0.0.9 }\n# n\n"
        )
        self.assertEqual(self.loaded, [expected])
        self.assertEqual(files.read_text(self.path), expected)

    def test_the_same_again_loads_nothing(self):
        for _ in range(2):
            firewall.apply(self.wanted("10.0.0.9"), "controller")
        self.assertEqual(len(self.loaded), 1)

    def test_what_nft_refuses_is_not_there_at_the_next_boot(self):
        firewall.apply(self.wanted("10.0.0.9"), "compute")
        before = files.read_text(self.path)
        with mock.patch.object(firewall, "run", mock.Mock(side_effect=Problem("syntax error"))):
            with self.assertRaises(Problem) as caught:
                firewall.apply(self.wanted("10.0.0.9", rules={**RULES, "compute": "no rules\n"}), "compute")
        self.assertIn("stays as it was", str(caught.exception))
        self.assertEqual(files.read_text(self.path), before)
        included = [name for name in os.listdir(self.directory.name) if name.endswith(".nft")]
        self.assertEqual(included, ["policy.nft"])

    def test_a_document_without_rules_opens_the_subnet(self):
        for wanted in (self.wanted("10.0.0.9", rules=None), {"subnet": "10.0.0.0/24"}):
            firewall.apply(wanted, "compute")
            self.assertIn("ip saddr 10.0.0.0/24 accept", self.loaded[-1])


if __name__ == "__main__":
    unittest.main()
