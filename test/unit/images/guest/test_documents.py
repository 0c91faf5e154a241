"""Documents, bundles, accounts, the state disk."""

import json
import unittest
from unittest import mock

from hyperlab import accounts, bundle, database, document, root_disk, state_disk
from hyperlab.process import Problem

ADA = {"name": "ada", "uid": 2000, "groups": ["chemistry"], "sshKeys": ["ssh-ed25519 A"], "admin": False}
BOB = {"name": "bob", "uid": 2001, "groups": [], "sshKeys": ["ssh-ed25519 B"], "admin": True}
CHEMISTRY = {"name": "chemistry", "gid": 60123}
CLUSTER = {
    "format": 1,
    "cluster": "lab",
    "slurmConf": "",
    "cgroupConf": "",
    "gresConf": "",
    "slurmdbdConf": "",
    "hosts": "10.0.0.1 c\n",
    "nodes": [],
    "users": [ADA, BOB],
    "home": {"kind": "controller"},
    "network": {"subnet": "10.0.0.0/24"},
    "drain": {"timeoutSeconds": 1},
    "verify": {"timeoutSeconds": 1, "job": True},
}
CONTROLLER = {"name": "c", "address": "10.0.0.1"}


class Documents(unittest.TestCase):
    def test_missing_fields_are_named_without_values(self):
        text = json.dumps({"format": 1, "slurmJwks": "TOPSECRET", "databasePassword": 5})
        with self.assertRaises(Problem) as caught:
            document.parse_secrets(text)
        self.assertIn("databasePassword, clusterSshKey", str(caught.exception))
        self.assertNotIn("TOPSECRET", str(caught.exception))

    def test_other_formats_are_refused(self):
        for text in ("", "[]", "{", '{"format": 3}'):
            with self.assertRaises(Problem):
                document.parse_cluster(text, "before")

    def test_secrets_of_a_cluster_whose_keys_were_rotated_have_a_format_of_their_own(self):
        secrets = {"slurmJwks": "s", "databasePassword": "p", "clusterSshKey": "k"}
        for number in (1, 2):
            self.assertEqual(document.parse_secrets(json.dumps({"format": number, **secrets}))["format"], number)
        with self.assertRaises(Problem) as caught:
            document.parse_secrets(json.dumps({"format": 3, **secrets}))
        self.assertIn("another format", str(caught.exception))

    def test_a_login_interface_has_a_format_of_its_own(self):
        for number in (1, 2):
            text = json.dumps({**CLUSTER, "format": number})
            self.assertEqual(document.parse_cluster(text, "before")["format"], number)

    def test_groups_may_be_absent(self):
        self.assertEqual(document.parse_cluster(json.dumps(CLUSTER), "after")["groups"], [])

    def test_password_goes_into_its_slot_only(self):
        text = "A=1\nStoragePass=@databasePassword@\n"
        self.assertEqual(document.slurmdbd_conf(text, "p\\1"), "A=1\nStoragePass=p\\1\n")
        for wrong in ("A=1\n", text + text):
            with self.assertRaises(Problem):
                document.slurmdbd_conf(wrong, "p")

    def test_the_test_job_runs_as_an_ordinary_user(self):
        self.assertEqual(document.test_user([BOB, ADA]), "ada")
        self.assertEqual(document.test_user([BOB]), "bob")
        self.assertEqual(document.test_user([]), "slurm-test")


class Bundles(unittest.TestCase):
    def make(self, **changes):
        return bundle.make({**CLUSTER, **changes}, CONTROLLER, "KEYS")

    def test_digest_ignores_order_and_sees_changes(self):
        first = self.make()
        shuffled = json.loads(json.dumps(first, sort_keys=True))
        self.assertEqual(bundle.digest(first), bundle.digest(shuffled))
        self.assertNotEqual(bundle.digest(first), bundle.digest(self.make(hosts="x")))
        self.assertNotEqual(bundle.digest(first), bundle.digest(bundle.make(CLUSTER, CONTROLLER, "OTHER")))

    def test_keys_of_users_let_them_into_nodes_of_their_jobs(self):
        keys = {user["name"]: user["sshKeys"] for user in self.make()["users"]}
        self.assertEqual(keys, {"ada": ["ssh-ed25519 A"], "bob": ["ssh-ed25519 B"]})

    def test_homes(self):
        self.assertEqual(self.make()["homeExport"], "10.0.0.1:/srv/hyperlab/home")
        external = self.make(home={"kind": "nfs", "export": "filer:/home"})
        self.assertEqual(external["homeExport"], "filer:/home")

    def test_round_trip(self):
        made = self.make()
        self.assertEqual(bundle.parse(json.dumps(made)), made)

    def test_damaged_bundles_are_refused_without_their_secret(self):
        whole = json.dumps(self.make())
        for cut in range(0, len(whole), 7):
            with self.assertRaises(Problem) as caught:
                bundle.parse(whole[:cut])
            self.assertNotIn("KEYS", str(caught.exception))
        with self.assertRaises(Problem):
            bundle.parse(json.dumps({**self.make(), "format": 2}))


class Accounts(unittest.TestCase):
    none = {"users": [], "groups": []}

    def plan(self, users, passwd=None, group=None, managed=None):
        return accounts.plan(users, [CHEMISTRY], passwd or {}, group or {}, managed or self.none)

    def test_a_new_user(self):
        self.assertEqual(
            self.plan([ADA]),
            [
                ["groupadd", "--gid", "60123", "chemistry"],
                ["groupadd", "--gid", "2000", "ada"],
                [
                    *("useradd", "--no-create-home", "--uid", "2000", "--gid", "2000", "--home-dir", "/home/ada"),
                    *("--shell", "/bin/bash", "--groups", "chemistry", "ada"),
                ],
            ],
        )

    def test_a_user_as_wanted_needs_nothing(self):
        passwd = {"bob": {"uid": 2001, "gid": 2001, "home": "/home/bob", "shell": "/bin/bash"}}
        group = {
            "bob": {"gid": 2001, "members": []},
            "chemistry": {"gid": 60123, "members": []},
            "hyperlab-admin": {"gid": 64034, "members": ["bob"]},
        }
        self.assertEqual(self.plan([BOB], passwd, group), [])
        no_longer = self.plan([{**BOB, "admin": False}], passwd, group)
        self.assertEqual([command[0] for command in no_longer], ["usermod"])
        self.assertEqual(no_longer[0][no_longer[0].index("--groups") + 1], "")

    def test_only_managed_users_are_removed(self):
        passwd = {
            "eve": {"uid": 2005, "gid": 2005, "home": "/home/eve", "shell": "/bin/bash"},
            "local": {"uid": 1000, "gid": 1000, "home": "/home/local", "shell": "/bin/bash"},
        }
        commands = accounts.removals([], passwd, {"users": ["eve"], "groups": []})
        self.assertEqual(commands, [["userdel", "--force", "eve"]])

    def test_a_group_that_goes_with_its_user_is_not_removed_twice(self):
        passwd = {"eve": {"uid": 2005, "gid": 2005, "home": "/home/eve", "shell": "/bin/bash"}}
        group = {"eve": {"gid": 2005, "members": []}, "physics": {"gid": 60001, "members": []}}
        done = []

        def run(command):
            done.append(command)
            if command[0] == "userdel":
                passwd.pop(command[-1])
                group.pop(command[-1])

        managed = {"users": ["eve"], "groups": ["eve", "physics"]}
        with (
            mock.patch.object(accounts, "run", run),
            mock.patch.object(accounts, "read_machine", lambda: (dict(passwd), dict(group))),
            mock.patch.object(accounts.files, "read_json", lambda *_: managed),
            mock.patch.object(accounts.files, "write_json"),
        ):
            accounts.apply([], [])
        self.assertEqual(done, [["userdel", "--force", "eve"], ["groupdel", "--force", "physics"]])

    def test_conflicts_are_named(self):
        passwd = {"ada": {"uid": 1000, "gid": 1000, "home": "/", "shell": "/bin/sh"}}
        found = accounts.conflicts([ADA], [CHEMISTRY], passwd, {}, self.none)
        self.assertEqual(found, ["user ada: this machine has an account of that name; choose another name"])
        taken = {"daemon2": {"uid": 2000, "gid": 1, "home": "/", "shell": "/bin/sh"}}
        self.assertIn("belongs to the account daemon2", accounts.conflicts([ADA], [CHEMISTRY], taken, {}, self.none)[0])
        self.assertEqual(accounts.conflicts([ADA], [], {}, {}, self.none), ["user ada: there is no group chemistry"])
        system = accounts.conflicts([{**BOB, "uid": 64030}], [], {}, {}, self.none)
        self.assertIn("belongs to the system", system[0])


class StateDisk(unittest.TestCase):
    def test_blank_is_formatted_and_ours_is_used(self):
        self.assertEqual(state_disk.decide(None, True), "format")
        self.assertEqual(state_disk.decide({"TYPE": "ext4", "LABEL": "hyperlab-state"}, False), "use")

    def test_anything_else_is_refused_with_its_kind(self):
        cases = [
            (None, False, "not blank"),
            ({"TYPE": "ext4", "LABEL": "data"}, False, "'data'"),
            ({"TYPE": "ext4"}, False, "ext4"),
            ({"TYPE": "xfs", "LABEL": "hyperlab-state"}, False, "xfs"),
            ({"PTTYPE": "gpt"}, False, "gpt"),
            ({}, True, "could not be told apart"),
        ]
        for signature, blank, word in cases:
            verdict = state_disk.decide(signature, blank)
            self.assertNotIn(verdict, ("use", "format"))
            self.assertIn(word, verdict)

    def test_blkid_output(self):
        text = "DEVNAME=/dev/vdc\nLABEL=hyperlab-state\nTYPE=ext4\n"
        self.assertEqual(state_disk.decide(state_disk.parse_signature(text), False), "use")


class Sizes(unittest.TestCase):
    def test_buffer_pool(self):
        self.assertEqual([database.buffer_pool_mib(mib) for mib in (100, 2048, 99999)], [64, 512, 4096])

    def test_password_in_sql(self):
        self.assertEqual(database.quoted("a'b\\c"), "'a''b\\\\c'")
        with self.assertRaises(Problem):
            database.quoted("a\nb")

    def test_gap_behind_the_root_partition(self):
        self.assertEqual(root_disk.gap(20971520, 133120, 8253440), (20971520 - 133120 - 8253440) * 512)


if __name__ == "__main__":
    unittest.main()
