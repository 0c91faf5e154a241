"""The root file system fills its disk, which may have grown since the last boot."""

import os

from hyperlab import files
from hyperlab.process import run

SECTOR = 512
#: Smaller gaps are the disk's second partition table and rounding.
SLACK = 4 * 1024 * 1024


def gap(disk_sectors, start_sector, partition_sectors):
    """Bytes behind the last partition."""
    return (disk_sectors - start_sector - partition_sectors) * SECTOR


def number(path):
    return int(files.read_text(path, "0").strip() or 0)


def grow():
    """Grow the root partition and its file system where the disk has room behind them."""
    number_of_root = os.stat("/").st_dev
    partition = os.path.realpath(f"/sys/dev/block/{os.major(number_of_root)}:{os.minor(number_of_root)}")
    disk = os.path.dirname(partition)
    index = files.read_text(f"{partition}/partition").strip()
    # A root file system that is no partition (a user's own layout) is left alone.
    if not index:
        return
    if gap(number(f"{disk}/size"), number(f"{partition}/start"), number(f"{partition}/size")) <= SLACK:
        return
    device = f"/dev/{os.path.basename(disk)}"
    # The partition is mounted: the table is written without the kernel's reread, which is told the new size after.
    run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "-N", index, device], text=", +\n")
    run(["partx", "--update", "--nr", index, device])
    run(["resize2fs", f"/dev/{os.path.basename(partition)}"], timeout=600)
