"""The controller's interface for logins."""

import os
import tempfile
import unittest
from unittest import mock

from hyperlab import files, login


class Login(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.interface = os.path.join(self.directory.name, "login0")
        self.commands = []
        own = os.getuid(), os.getgid()
        write = files.write
        for patch in (
            mock.patch.object(login, "NETWORK", os.path.join(self.directory.name, "login.network")),
            mock.patch.object(login, "INTERFACE", self.interface),
            mock.patch.object(login, "run", self.commands.append),
            mock.patch.object(files, "write", lambda path, text: write(path, text, 0o644, *own)),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def test_a_cluster_without_one_touches_nothing(self):
        login.apply(None)
        self.assertEqual(self.commands, [])

    def test_what_is_new_is_taken_once(self):
        files.write(self.interface, "")
        for _ in range(2):
            login.apply("[Match]\n")
        self.assertEqual(files.read_text(login.NETWORK), "[Match]\n")
        self.assertEqual(self.commands, [["networkctl", "reload"], ["networkctl", "reconfigure", "login0"]])

    def test_one_that_is_gone_leaves_nothing(self):
        login.apply("[Match]\n")
        login.apply(None)
        self.assertFalse(os.path.exists(login.NETWORK))
        self.assertEqual(self.commands, [["networkctl", "reload"]] * 2)


if __name__ == "__main__":
    unittest.main()
