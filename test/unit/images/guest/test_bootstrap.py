"""First boot of a user's own cloud image: what is decided."""

import os
import tempfile
import unittest
from unittest import mock

import hyperlab

hyperlab.__path__.append(os.environ["HYPERLAB_CLOUD_GUEST"] + "/hyperlab")

from hyperlab import bootstrap  # noqa: E402
from hyperlab.process import NotYet, Problem  # noqa: E402


class Accounts(unittest.TestCase):
    def test_an_image_without_them_or_with_the_right_ids_is_good(self):
        self.assertEqual(bootstrap.account_problems({"root": 0}), [])
        self.assertEqual(bootstrap.account_problems({"root": 0, "slurm": 64030, "hyperlab": 64032}), [])

    def test_other_ids_and_other_owners_of_the_ids_are_problems(self):
        self.assertEqual(
            bootstrap.account_problems({"slurm": 990, "backup": 64031}),
            [
                "it has an account slurm with uid 990, which must be 64030",
                "uid 64031 belongs to backup, but must be mysql's",
            ],
        )


class Readiness(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.done = os.path.join(directory.name, "done")
        self.trouble = os.path.join(directory.name, "trouble")
        for name, value in (("DONE", self.done), ("TROUBLE", self.trouble)):
            patch = mock.patch.object(bootstrap, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        accounts = mock.patch.object(bootstrap, "check_accounts")
        self.check_accounts = accounts.start()
        self.addCleanup(accounts.stop)

    def put(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def test_waits_until_it_is_done(self):
        with self.assertRaisesRegex(NotYet, "is being installed"):
            bootstrap.ready(-1)
        self.put(self.done, "")
        bootstrap.ready(-1)

    def test_says_why_the_last_attempt_failed(self):
        self.put(self.trouble, "apt-get --quiet install ended with code 100: W: something\nE: Unable to locate x\n")
        with self.assertRaisesRegex(NotYet, "tried again: E: Unable to locate x$"):
            bootstrap.ready(-1)

    def test_an_account_in_the_way_is_final(self):
        self.check_accounts.side_effect = Problem("no")
        with self.assertRaises(Problem):
            bootstrap.ready(-1)

    def test_a_failed_attempt_is_recorded_until_one_succeeds(self):
        real = bootstrap.files.write
        write = lambda path, text: real(path, text, 0o644, os.getuid(), os.getgid())  # noqa: E731
        with mock.patch.object(bootstrap.files, "write", write):
            with mock.patch.object(bootstrap, "install", side_effect=Problem("E: no mirror")):
                with self.assertRaises(Problem):
                    bootstrap.attempt()
            self.assertIn("no mirror", bootstrap.missing())
            with mock.patch.object(bootstrap, "install"):
                bootstrap.attempt()
            self.assertFalse(os.path.exists(self.trouble))


class Services(unittest.TestCase):
    def test_do_not_start_while_packages_come_and_the_image_is_as_before(self):
        with tempfile.TemporaryDirectory() as directory:
            policy, manuals = os.path.join(directory, "policy"), os.path.join(directory, "manuals")
            with open(manuals, "w", encoding="utf-8"):
                pass
            seen = []
            real = bootstrap.files.write
            write = lambda path, text, mode=0o644: real(path, text, mode, os.getuid(), os.getgid())  # noqa: E731
            with (
                mock.patch.object(bootstrap, "POLICY", policy),
                mock.patch.object(bootstrap, "MANUALS", manuals),
                mock.patch.object(bootstrap.files, "write", write),
            ):
                bootstrap.without_services(lambda: seen.extend([os.access(policy, os.X_OK), os.path.exists(manuals)]))
            self.assertEqual(seen, [True, False])
            self.assertEqual(sorted(os.listdir(directory)), ["manuals"])


if __name__ == "__main__":
    unittest.main()
