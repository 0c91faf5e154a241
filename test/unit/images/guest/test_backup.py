"""Backups on the controller: what travels, what is copied, and what is put back."""

import io
import os
import random
import tempfile
import unittest
from unittest import mock

from hyperlab import backup, document, frames, restore
from hyperlab.process import Problem


def stream(*members, facts=None):
    out = io.BytesIO()
    writer = frames.Writer(out)
    for name, content in members:
        writer.member(name)
        writer.write(content)
    writer.end(facts or {"format": 1})
    return out.getvalue()


class Frames(unittest.TestCase):
    def test_what_is_written_is_read(self):
        big = os.urandom(frames.LIMIT + 1)
        data = stream(("config.tar", b""), ("database.sql", big))
        read = list(frames.read(io.BytesIO(data)))
        self.assertEqual([kind for kind, _ in read], ["M", "M", "D", "D", "Z"])
        self.assertEqual(b"".join(content for kind, content in read if kind == "D"), big)
        self.assertEqual(read[-1][1]["members"]["database.sql"][0], len(big))

    def test_any_bytes_are_a_clear_error(self):
        chance = random.Random(4)
        data = stream(("database.sql", b"x" * 300))
        for _ in range(3000):
            broken = bytearray(data[: chance.randrange(len(data))])
            if broken and chance.random() < 0.5:
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            with self.assertRaises(Problem):
                list(frames.read(io.BytesIO(bytes(broken))))


class Requests(unittest.TestCase):
    def test_a_line_of_anything_else_is_a_clear_error(self):
        self.assertEqual(document.parse_request(b'{"format": 1, "homes": true}\n')["homes"], True)
        for line in (b"", b"\xff", b"[]", b"{", b'{"format": 2}', b'"' + b"x" * 70000):
            with self.assertRaisesRegex(Problem, "do not fit"):
                document.parse_request(line)


class Copies(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.source, self.target = f"{folder.name}/slurmctld", f"{folder.name}/copy"
        os.makedirs(f"{self.source}/hash.1/job.1", 0o750)
        for name in ("job_state", "job_state.old", "node_state.new", "hash.1/job.1/script"):
            with open(f"{self.source}/{name}", "w", encoding="utf-8") as file:
                file.write(name)

    def test_all_but_what_is_half_written(self):
        backup.copy_state(self.source, self.target)
        self.assertEqual(sorted(os.listdir(self.target)), ["hash.1", "job_state", "job_state.old"])
        self.assertEqual(os.listdir(f"{self.target}/hash.1/job.1"), ["script"])

    def test_reads_again_what_is_just_being_replaced(self):
        os.unlink(f"{self.source}/job_state")
        looks = []

        def listdir(path, real=os.listdir):
            looks.append(path)
            if len(looks) == 3:
                with open(f"{self.source}/job_state", "w", encoding="utf-8") as file:
                    file.write("new")
            return real(path)

        with mock.patch.object(os, "listdir", listdir):
            backup.copy_state(self.source, self.target)
        self.assertIn("job_state", os.listdir(self.target))

    def test_gives_up_in_the_end(self):
        os.unlink(f"{self.source}/job_state")
        with mock.patch.object(backup, "COPY_SECONDS", 0), self.assertRaisesRegex(Problem, "did not stand still"):
            backup.copy_state(self.source, self.target)

    def test_a_home_is_in_use_where_it_has_more_than_a_new_one(self):
        os.makedirs(f"{self.source}/home/ada")
        os.makedirs(f"{self.source}/home/bob/thesis")
        os.makedirs(f"{self.source}/skel")
        os.makedirs(f"{self.source}/home/.hyperlab-eve/x")
        for place in ("skel", "home/ada", "home/bob"):
            with open(f"{self.source}/{place}/.profile", "w", encoding="utf-8"):
                pass
        self.assertEqual(backup.used_homes(f"{self.source}/home", f"{self.source}/skel"), ["bob"])


HAVE = {"cluster": "lab", "slurm": "24.11", "homes": "controller", "jobs": 0, "recorded": 0, "used": []}
ASKED = {"cluster": "lab", "slurm": "24.11", "homes": True, "overwrite": False}


class Objections(unittest.TestCase):
    def test_fits(self):
        self.assertIsNone(restore.objection(ASKED, HAVE))
        self.assertIsNone(restore.objection({**ASKED, "slurm": "23.11"}, HAVE))

    def test_refuses_what_does_not_fit(self):
        for change, why in (
            ({"cluster": "other"}, "cluster 'other'"),
            ({"slurm": "25.05"}, "an older SLURM cannot read it"),
        ):
            self.assertIn(why, restore.objection({**ASKED, **change, "overwrite": True}, HAVE))
        self.assertIn("nas:/home", restore.objection(ASKED, {**HAVE, "homes": "nas:/home"}))
        self.assertIsNone(restore.objection({**ASKED, "homes": False}, {**HAVE, "homes": "nas:/home"}))

    def test_replaces_data_only_when_told(self):
        for have, why in (({"jobs": 2}, "2 jobs"), ({"recorded": 5}, "5 recorded"), ({"used": ["ada"]}, "ada")):
            self.assertIn(why, restore.objection(ASKED, {**HAVE, **have}))
            self.assertIsNone(restore.objection({**ASKED, "overwrite": True}, {**HAVE, **have}))
        self.assertIsNone(restore.objection({**ASKED, "homes": False}, {**HAVE, "used": ["ada"]}))


class Stopped(BaseException):
    """The power went."""


class Replacing(unittest.TestCase):
    """A state disk with a database, SLURM's state and homes; `new/` of a restore beside them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        for name, value in (("ROOT", self.root), ("WORK", f"{self.root}/restore"), ("DONE", f"{self.root}/restored")):
            patch = mock.patch.object(restore, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        patch = mock.patch.object(restore, "stop", lambda: None)
        patch.start()
        self.addCleanup(patch.stop)
        self.fill("mysql/old", "slurmctld/old", "home/ada/old", "home/bob/old", "config/old")
        self.fill("restore/new/slurmctld/new", "restore/new/home/ada/new", "restore/new/home/eve/new")
        self.before = self.seen()

    def fill(self, *paths):
        for path in paths:
            os.makedirs(os.path.dirname(f"{self.root}/{path}"), exist_ok=True)
            with open(f"{self.root}/{path}", "w", encoding="utf-8"):
                pass

    def seen(self):
        found = []
        for folder, _, names in os.walk(self.root):
            found += [os.path.relpath(os.path.join(folder, name), self.root) for name in names]
        return sorted(path for path in found if not path.startswith("restore"))

    def load(self, _=None):
        self.fill("mysql/new")

    def test_replaces(self):
        with mock.patch.object(restore, "load_database", self.load):
            restore.replace("password", lambda: None, lambda text: None)
        self.assertEqual(
            self.seen(), ["config/old", "home/ada/new", "home/bob/old", "home/eve/new", "mysql/new", "slurmctld/new"]
        )
        self.assertEqual(sorted(os.listdir(self.root)), ["config", "home", "mysql", "slurmctld"])

    def test_what_does_not_serve_goes_back(self):
        served = []

        def serve():
            served.append(self.seen())
            if len(served) == 1:
                raise Problem("slurmctld does not start.")

        with mock.patch.object(restore, "load_database", self.load), self.assertRaisesRegex(Problem, "as it was before"):
            restore.replace("password", serve, lambda text: None)
        self.assertEqual(served[1], self.before)
        self.assertEqual(self.seen(), self.before)
        self.assertEqual(sorted(os.listdir(self.root)), ["config", "home", "mysql", "slurmctld"])

    def test_a_power_cut_at_any_step_goes_back(self):
        """Both in the restore and in each attempt to put back; at its last step everything is back or new, and nothing mixed."""
        rename = os.rename
        after = None
        for step in range(1, 40):
            self.setUp()
            calls = []

            def cut(source, target):
                calls.append(source)
                if len(calls) == step:
                    raise Stopped
                rename(source, target)

            with mock.patch.object(os, "rename", cut), mock.patch.object(restore, "load_database", self.load):
                try:
                    with mock.patch.object(restore, "recover", mock.Mock(side_effect=Stopped)):
                        restore.replace("password", lambda: None, lambda text: None)
                    after = self.seen()
                except Stopped:
                    pass
            if after is not None:
                break
            self.put_back_with_cuts()
            self.assertEqual(self.seen(), self.before, f"cut at move {step}")
        self.assertIsNotNone(after)

    def put_back_with_cuts(self):
        rename = os.rename
        for step in range(1, 40):
            calls = []

            def cut(source, target):
                calls.append(source)
                if len(calls) == step % 3 + 1:
                    raise Stopped
                rename(source, target)

            try:
                with mock.patch.object(os, "rename", cut):
                    restore.recover()
                return
            except Stopped:
                continue
        restore.recover()

    def test_what_was_only_received_goes_without_a_trace(self):
        self.assertFalse(restore.recover())
        self.assertEqual(sorted(os.listdir(self.root)), ["config", "home", "mysql", "slurmctld"])
        self.assertEqual(self.seen(), self.before)


class Receiving(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        patch = mock.patch.object(restore, "WORK", f"{folder.name}/restore")
        patch.start()
        self.addCleanup(patch.stop)

    def receive(self, data):
        restore.receive(io.BytesIO(data), lambda text: None)

    def test_refuses_what_is_not_as_the_manifest_says(self):
        sql = stream(("database.sql", b"select 1"))
        with self.assertRaisesRegex(Problem, "lacks slurmctld.tar"):
            self.receive(sql)
        with self.assertRaisesRegex(Problem, "altered or cut"):
            self.receive(sql.replace(b"select 1", b"select 2"))
        with self.assertRaisesRegex(Problem, "ends too early"):
            self.receive(sql[:-1])
        with self.assertRaisesRegex(Problem, "no place"):
            self.receive(stream(("config.tar", b"")))
        with self.assertRaisesRegex(Problem, "no place"):
            self.receive(stream(("database.sql", b"1"), ("database.sql", b"2")))
        with self.assertRaisesRegex(Problem, "cannot be unpacked"):
            self.receive(stream(("slurmctld.tar", b"no archive" * 100)))


if __name__ == "__main__":
    unittest.main()
