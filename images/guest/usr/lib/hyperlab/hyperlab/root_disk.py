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
    device = os.stat("/").st_dev
    partition = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    disk = os.path.dirname(partition)
    index = files.read_text(f"{partition}/partition").strip()
    # A root file system that is no partition (a user's own layout) is left alone.
    if not index:
        return
    if gap(number(f"{disk}/size"), number(f"{partition}/start"), number(f"{partition}/size")) <= SLACK:
        return
    run(["growpart", f"/dev/{os.path.basename(disk)}", index])
    run(["resize2fs", f"/dev/{os.path.basename(partition)}"], timeout=600)
