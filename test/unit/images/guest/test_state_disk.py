"""The state disk after a power cut, with a real ext4 file system in a file."""

import os
import subprocess
import tempfile
import unittest
from unittest import mock

from hyperlab import state_disk
from hyperlab.process import Problem

MEBIBYTE = 1024 * 1024
# Not every account has these programs on its path.
os.environ["PATH"] = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def fsck(path, *options):
    return subprocess.run(["e2fsck", *options, path], capture_output=True, text=True).returncode


class Check(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="hyperlab-state-disk-")
        self.addCleanup(folder.cleanup)
        self.disk = os.path.join(folder.name, "disk")
        with open(self.disk, "wb") as file:
            file.truncate(16 * MEBIBYTE)
        subprocess.run(["mkfs.ext4", "-q", "-L", state_disk.LABEL, self.disk], check=True)
        patched = mock.patch.object(state_disk, "DEVICE", self.disk)
        patched.start()
        self.addCleanup(patched.stop)

    def debugfs(self, command):
        done = subprocess.run(["debugfs", "-w", "-R", command, self.disk], capture_output=True, text=True, check=True)
        self.assertNotIn("debugfs: ", done.stderr.partition("\n")[2])

    def test_a_clean_disk_is_left_alone(self):
        state_disk.check()

    def test_a_disk_with_errors_is_mended(self):
        self.debugfs("set_super_value state 0")
        self.debugfs("set_inode_field <11> links_count 7")
        self.assertNotEqual(fsck(self.disk, "-n", "-f"), 0)
        state_disk.check()
        self.assertEqual(fsck(self.disk, "-n", "-f"), 0)

    def test_damage_that_needs_a_person_is_told_and_not_mounted(self):
        self.debugfs("set_inode_field <2> mode 0100644")
        self.debugfs("set_super_value state 2")
        with self.assertRaisesRegex(Problem, "damaged and is not mounted; SLURM stays down.*e2fsck"):
            state_disk.allow_mount()
        # systemd says of the mount only that something that it needs failed.
        with (
            mock.patch.object(state_disk, "run", side_effect=Problem("a dependency failed")),
            mock.patch.object(state_disk, "is_mounted", return_value=False),
            self.assertRaisesRegex(Problem, "damaged and is not mounted; SLURM stays down.*e2fsck"),
        ):
            state_disk.mount()

    def test_a_disk_that_is_whole_may_be_mounted_and_another_ones_may_not(self):
        state_disk.allow_mount()
        subprocess.run(["e2label", self.disk, "photos"], check=True)
        with self.assertRaisesRegex(Problem, "is not mounted: it holds ext4 with label 'photos'"):
            state_disk.allow_mount()
        with open(self.disk, "r+b") as file:
            file.write(bytes(16 * MEBIBYTE))
        with self.assertRaisesRegex(Problem, "is blank"):
            state_disk.allow_mount()

    def test_the_mount_asks_for_the_check_whoever_starts_it(self):
        units = os.path.join(os.path.dirname(state_disk.__file__), "..", "..", "systemd", "system")
        with open(os.path.join(units, state_disk.UNIT)) as file:
            text = file.read()
        for word in ("Requires", "After"):
            self.assertIn(f"\n{word}=hyperlab-state-disk.service\n", text)


if __name__ == "__main__":
    unittest.main()
