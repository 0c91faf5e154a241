"""Effects on files, in a directory of their own."""

import os
import stat
import subprocess
import sys
import tempfile
import unittest

from hyperlab import files, hooks, identity, slurm
from hyperlab.process import Problem


class Files(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "sub", "file")

    def write(self, text, mode=0o600):
        return files.write(self.path, text, mode, os.getuid(), os.getgid())

    def test_writes_once(self):
        self.assertTrue(self.write("a"))
        self.assertFalse(self.write("a"))
        self.assertTrue(self.write("b"))
        self.assertEqual(files.read_text(self.path), "b")

    def test_mode_is_part_of_the_file(self):
        self.write("a", 0o644)
        self.assertTrue(self.write("a", 0o600))
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_leaves_no_draft(self):
        self.write("a")
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ["file"])

    def test_damaged_json_counts_as_none(self):
        self.write("{")
        self.assertEqual(files.read_json(self.path, {}), {})
        self.assertIsNone(files.read_json(self.path + "x"))


class Hooks(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        os.mkdir(os.path.join(self.directory.name, "ready.d"))
        self.before = hooks.DIRECTORY
        hooks.DIRECTORY = self.directory.name

    def tearDown(self):
        hooks.DIRECTORY = self.before

    def add(self, name, text, mode=0o755):
        path = os.path.join(self.directory.name, "ready.d", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, mode)

    def run_hooks(self):
        return hooks.run_all("ready", 5, {"PATH": os.environ["PATH"], "OUT": self.directory.name})

    def test_all_run_in_order(self):
        for name in ("20-b", "10-a"):
            self.add(name, f'echo {name} >> "$OUT/said"')
        self.add("15-text", "exit 9", 0o644)
        self.assertEqual(self.run_hooks(), 0)
        self.assertEqual(files.read_text(os.path.join(self.directory.name, "said")), "10-a\n20-b\n")

    def test_the_first_that_is_not_done_decides(self):
        self.add("10-a", "exit 75")
        self.add("20-b", 'echo b >> "$OUT/said"')
        self.assertEqual(self.run_hooks(), 75)
        self.assertEqual(files.read_text(os.path.join(self.directory.name, "said")), "")

    def test_none_is_ready(self):
        self.assertEqual(self.run_hooks(), 0)


class Jobs(unittest.TestCase):
    def test_only_populated_control_groups_count(self):
        with tempfile.TemporaryDirectory() as directory:
            for job, populated in (("7", 1), ("10", 1), ("9", 0)):
                group = os.path.join(directory, "n1_slurmstepd.scope", f"job_{job}")
                os.makedirs(group)
                with open(os.path.join(group, "cgroup.events"), "w", encoding="utf-8") as file:
                    file.write(f"populated {populated}\nfrozen 0\n")
            self.assertEqual(slurm.local_jobs(f"{directory}/*slurmstepd.scope/job_*"), ["7", "10"])


class Identity(unittest.TestCase):
    def test_errors_never_show_the_key(self):
        for text in ("KEYKEY", '{"sshHostEd25519": "KEYKEY", "machineId": "x"}', '["KEYKEY"]'):
            with self.assertRaises(Problem) as caught:
                identity.parse(text)
            self.assertNotIn("KEYKEY", str(caught.exception))

    def test_machine_id_has_its_form(self):
        key = "-----BEGIN OPENSSH PRIVATE KEY-----\\nx\\n-----END OPENSSH PRIVATE KEY-----"
        with self.assertRaises(Problem):
            identity.parse(f'{{"sshHostEd25519": "{key}", "machineId": "abc"}}')
        self.assertEqual(identity.parse(f'{{"sshHostEd25519": "{key}", "machineId": "{"a" * 32}"}}')[1], "a" * 32)


class Programs(unittest.TestCase):
    def call(self, name, *arguments, env=None):
        root = os.environ["HYPERLAB_GUEST"]
        command = [sys.executable, os.path.join(root, name), *arguments]
        return subprocess.run(command, input="", capture_output=True, text=True, env={**os.environ, **(env or {})})

    def test_a_forced_command_allows_two_verbs_only(self):
        for verb in ("knock", "self-drain", "sh", "apply; sh", ""):
            done = self.call("node", env={"SSH_ORIGINAL_COMMAND": verb})
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("apply|status", done.stderr)

    def test_an_empty_bundle_is_refused(self):
        done = self.call("node", env={"SSH_ORIGINAL_COMMAND": "apply"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("not a bundle", done.stderr)

    def test_the_controller_names_its_verbs(self):
        done = self.call("controller", "nonsense")
        self.assertEqual(done.returncode, 1)
        self.assertIn("secrets|before|after", done.stderr)


if __name__ == "__main__":
    unittest.main()
