"""The controller's state disk: formatted only when blank, never when anything unknown is on it."""

import os
import subprocess
import sys

from hyperlab.process import Problem, run, succeeds

DEVICE = "/dev/disk/by-id/virtio-hyperlab-state"
MOUNT = "/srv/hyperlab"
LABEL = "hyperlab-state"
UNIT = "srv-hyperlab.mount"
MEBIBYTE = 1024 * 1024


def decide(signature, first_mebibyte_blank):
    """
    What to do with the disk: `use`, `format`, or a reason to refuse. `signature` is what blkid found: None for
    nothing, else a dictionary, empty where it could not tell.
    """
    if signature is None:
        if first_mebibyte_blank:
            return "format"
        return "it holds data of no known kind (no signature, but not blank)"
    if signature.get("TYPE") == "ext4" and signature.get("LABEL") == LABEL:
        return "use"
    kind = signature.get("TYPE") or signature.get("PTTYPE") or "something that could not be told apart"
    label = f" with label {signature['LABEL']!r}" if signature.get("LABEL") else ""
    return f"it holds {kind}{label}, which hyperlab did not make"


def parse_signature(output):
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def read_signature(device):
    done = subprocess.run(["blkid", "--probe", "--output", "export", device], capture_output=True, text=True)
    if done.returncode == 0:
        return parse_signature(done.stdout)
    if done.returncode == 2 and not done.stderr.strip():
        return None
    return {}


def is_blank(device):
    with open(device, "rb") as disk:
        return not any(disk.read(MEBIBYTE))


def is_mounted():
    return os.path.ismount(MOUNT)


def is_ours():
    """Whether a state disk of ours is there; nothing is changed."""
    return os.path.exists(DEVICE) and decide(read_signature(DEVICE), False) == "use"


def check():
    """Mend what a power cut left, however long that takes. Damage that needs a person is not mounted."""
    done = subprocess.run(["e2fsck", "-p", DEVICE], capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip()[-1000:]
    print(f"e2fsck: {said}", file=sys.stderr, flush=True)
    # 1: mended; 2: mended, and a mounted file system would need a reboot.
    if done.returncode & ~3:
        raise Problem(
            f"The file system on the state disk {DEVICE} is damaged and is not mounted; SLURM stays down. Copy the volume, "
            f"then run on the controller: e2fsck {DEVICE} && systemctl restart hyperlab-controller. e2fsck said: {said}"
        )


def allow_mount():
    """What the mount unit waits for, whoever asks for it: the disk is ours and its file system is whole."""
    verdict = decide(read_signature(DEVICE), is_blank(DEVICE))
    if verdict == "format":
        raise Problem(f"The state disk {DEVICE} is blank: the controller formats it when it is set up.")
    if verdict != "use":
        raise Problem(f"The state disk {DEVICE} is not mounted: {verdict}.")
    check()


def mount():
    """Mount the state disk, formatting it when it is blank."""
    if is_mounted():
        return
    if not os.path.exists(DEVICE):
        raise Problem(
            f"The controller has no state disk: {DEVICE} does not exist. Attach the state volume with the serial "
            f"{LABEL} and run again."
        )
    verdict = decide(read_signature(DEVICE), is_blank(DEVICE))
    if verdict == "format":
        run(["mkfs.ext4", "-q", "-L", LABEL, "-m", "1", DEVICE], timeout=900)
        run(["udevadm", "settle"])
    elif verdict != "use":
        raise Problem(
            f"The state disk {DEVICE} is not touched: {verdict}. Attach the right volume; or, if nothing on it is "
            f"needed, clear it with: wipefs --all {DEVICE} && blkdiscard --zeroout {DEVICE}"
        )
    try:
        run(["systemctl", "start", UNIT], timeout=None)
    except Problem:
        # Where the check forbade it, its own words say what to do.
        check()
        raise
    # The volume may have grown since the last time; without a change this does nothing.
    succeeds(["resize2fs", DEVICE], timeout=900)
