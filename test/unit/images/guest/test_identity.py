"""A machine's keys change while it runs: with a real sshd, and in every order with its seed."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import unittest
from unittest import mock

from hyperlab import files, host_keys, identity, machine, seed
from hyperlab.process import Problem

SSHD = "/usr/sbin/sshd"
LOGIN = f"ssh-ed25519 {'A' * 68}"
FIRST = f"ssh-ed25519 {'B' * 68}"


def new_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return files.read_text(path), files.read_text(path + ".pub").strip()


class OwnFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.replace(identity, "HOST_KEY", self.path("host"))
        self.replace(identity, "rename_machine", lambda _id: None)
        self.replace(machine, "KEYS", self.path("keys"))
        self.replace(seed, "SEED", self.path("seed.json"))
        self.replace(seed, "LOGIN", self.path("login.pub"))
        write, me = files.write, (os.getuid(), os.getgid())
        self.replace(files, "write", lambda path, text, mode=0o644, *_ids: write(path, text, mode, *me))

    def path(self, name):
        return os.path.join(self.folder, name)

    def replace(self, owner, name, value):
        patch = mock.patch.object(owner, name, value)
        patch.start()
        self.addCleanup(patch.stop)

    def document(self, key, **more):
        named = {"format": 2, "sshHostKey": key, "machineId": "a" * 32}
        return json.dumps({**named, **more})


class RealSshd(OwnFolder):
    """sshd of this machine with a configuration of its own; what `systemctl` would do is done to it."""

    def setUp(self):
        super().setUp()
        self.first = new_key(self.path("one"))
        self.second = new_key(self.path("two"))
        client = new_key(self.path("client"))
        files.write(self.path("authorized"), client[1] + "\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        files.write(self.path("sshd_config"), "".join(f"{line}\n" for line in [
            f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {identity.HOST_KEY}", "StrictModes no", "UsePAM no",
            f"AuthorizedKeysFile {self.path('authorized')}", f"PidFile {self.path('pid')}", "PasswordAuthentication no",
        ]))  # fmt: skip
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self.sshd = None
        self.commands = []
        run = identity.run
        self.replace(identity, "run", lambda command, **options: self.run_command(run, command, **options))
        self.replace(identity, "succeeds", lambda command: command[1] != "is-active" or self.sshd is not None)
        self.addCleanup(self.stop)

    def run_command(self, run, command, **options):
        if command[0] == "ssh-keyscan":
            return run([*command[:1], "-p", str(self.port), *command[1:]])
        if command[0] != "systemctl":
            return run(command, **options)
        self.commands.append(command[1])
        if command[1] == "reload":
            self.sshd.send_signal(signal.SIGHUP)
        elif self.sshd is None:
            self.sshd = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", self.path("sshd_config")], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            # It says on which port it listens.
            while "listening" not in (line := self.sshd.stderr.readline()):
                self.assertTrue(line, "sshd ended")
        return ""

    def stop(self):
        if self.sshd is not None:
            self.sshd.terminate()
            self.sshd.wait()
            self.sshd.stderr.close()

    def session(self, pins, command, **pipes):
        files.write(self.path("known"), host_keys.lines("m", pins))
        options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "HostKeyAlias=m", "GlobalKnownHostsFile=/dev/null"]
        options += [f"UserKnownHostsFile={self.path('known')}", "UpdateHostKeys=no", "IdentitiesOnly=yes", "LogLevel=ERROR"]
        words = [word for option in options for word in ("-o", option)]
        return subprocess.Popen(
            ["ssh", "-F", "none", "-p", str(self.port), "-i", self.path("client"), *words, "127.0.0.1", command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def enters(self, *pins):
        with self.session(pins, "echo in") as process:
            said, wrong = process.communicate(timeout=60)
        if process.returncode != 0:
            self.assertIn("Host key verification failed", wrong)
        return said == "in\n"

    def test_sessions_stay_both_pins_lead_in_meanwhile_and_the_old_one_is_refused_then(self):
        identity.apply(json.dumps({"sshHostEd25519": self.first[0], "machineId": "a" * 32}))
        self.assertTrue(self.enters(self.first[1]))
        both = (self.first[1], self.second[1])
        self.assertTrue(self.enters(*both))
        with self.session(both, "cat") as open_session:
            self.addCleanup(open_session.kill)
            open_session.stdin.write("before\n")
            open_session.stdin.flush()
            self.assertEqual(open_session.stdout.readline(), "before\n")
            identity.apply(self.document(self.second[0]))
            # At once, without another try: who is told that it is done accepts nothing else.
            self.assertEqual([self.enters(self.second[1]), self.enters(self.first[1]), self.enters(*both)], [True, False, True])
            said, _ = open_session.communicate("after\n", timeout=60)
            self.assertEqual(said, "after\n")
        identity.apply(self.document(self.second[0]))
        self.assertEqual(self.commands, ["restart", "reload", "start"])

    def test_a_run_that_ends_before_sshd_was_told_is_made_good_by_the_next(self):
        identity.apply(self.document(self.first[0]))
        with mock.patch.object(identity, "reload_sshd", side_effect=Problem("the power is gone")):
            with self.assertRaises(Problem):
                identity.apply(self.document(self.second[0]))
        identity.apply(self.document(self.second[0]))
        self.assertEqual([self.enters(self.second[1]), self.enters(self.first[1])], [True, False])


class Login(OwnFolder):
    def setUp(self):
        super().setUp()
        self.replace(identity, "run", lambda command, **_options: "ssh-ed25519 AAAA\n")
        self.replace(identity, "succeeds", lambda _command: False)

    def write_seed(self):
        files.write_json(seed.SEED, {"role": "controller", "loginPublicKey": FIRST})

    def authorized(self):
        return files.read_text(self.path("keys/hyperlab"))

    def test_the_key_of_the_seed_counts_until_there_is_another_one(self):
        self.write_seed()
        seed.authorize_login(seed.load())
        self.assertEqual(self.authorized(), FIRST + "\n")
        key = "-----BEGIN OPENSSH PRIVATE KEY-----\nx"
        identity.apply(self.document(key, loginPublicKey=LOGIN))
        self.assertEqual(self.authorized(), LOGIN + "\n")
        # Each boot, and the identity of a machine whose keys never changed.
        seed.authorize_login(seed.load())
        identity.apply(json.dumps({"sshHostEd25519": key, "machineId": "a" * 32}))
        self.assertEqual(self.authorized(), LOGIN + "\n")
        identity.apply(self.document(key))
        self.assertEqual(self.authorized(), FIRST + "\n")

    def test_a_new_root_disk_never_accepts_the_one_of_the_seed(self):
        identity.apply(self.document("-----BEGIN OPENSSH PRIVATE KEY-----\nx", loginPublicKey=LOGIN))
        self.write_seed()
        seed.authorize_login(seed.load())
        self.assertEqual(self.authorized(), LOGIN + "\n")

    def test_errors_never_show_the_key(self):
        key = "-----BEGIN OPENSSH PRIVATE KEY-----\nKEYKEY"
        for text in (
            self.document("KEYKEY"),
            self.document(key, loginPublicKey="ssh-ed25519 KEYKEY"),
            self.document(key, loginPublicKey=f"{LOGIN}\n{LOGIN} KEYKEY"),
            self.document(key, machineId="KEYKEY"),
        ):
            with self.assertRaises(Problem) as caught:
                identity.parse(text)
            self.assertNotIn("KEYKEY", str(caught.exception))


class NodesKeys(unittest.TestCase):
    """What a controller accepts in the steps of an update, also of one that is interrupted and begun with other keys."""

    def document(self, key):
        return {"nodes": [{"name": "n", "address": "10.0.0.2", "hostKey": key}]}

    def test_a_node_is_accepted_before_while_and_after_its_key_changes(self):
        stored = self.document("old")
        self.assertEqual(host_keys.of(stored["nodes"][0]), ["old"])
        stored = host_keys.with_known(self.document("new"), stored)
        self.assertEqual(host_keys.of(stored["nodes"][0]), ["new", "old"])
        stored = host_keys.with_known(self.document("new"), stored)
        self.assertEqual(host_keys.of(stored["nodes"][0]), ["new", "old"])
        other = host_keys.with_known(self.document("other"), stored)
        self.assertEqual(host_keys.of(other["nodes"][0]), ["other", "new", "old"])
        # `after` has the document as it was sent.
        self.assertEqual(host_keys.of(self.document("new")["nodes"][0]), ["new"])

    def test_a_new_node_and_a_new_cluster_have_the_one_key(self):
        for stored in (None, {}, {"nodes": [{"name": "m", "hostKey": "x"}]}):
            self.assertEqual(host_keys.of(host_keys.with_known(self.document("k"), stored)["nodes"][0]), ["k"])


if __name__ == "__main__":
    unittest.main()
