"""A copy of what only the controller has: SLURM's saved state, the accounting database, keys, homes. Nothing is stopped."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import time

from hyperlab import database, frames, slurm
from hyperlab.process import Problem, run

ROOT = "/srv/hyperlab"
#: Copy of StateSaveLocation while it is written out.
STAGE = f"{ROOT}/backup"
HOST_KEYS = "etc/ssh/ssh_host_*"
VERIFICATION = "hyperlab-verify"
#: slurmctld saves what changed within 5 s (SAVE_MAX_WAIT of its state_save.c); the rest is for a slow disk.
SAVE_SECONDS = 8
COPY_SECONDS = 60
PIECE = 256 * 1024


def slurm_version():
    """SLURM's release as (24, 11)."""
    return release_of(run(["slurmctld", "-V"]))


def release_of(text):
    found = re.search(r"(\d+)\.(\d+)", text)
    if found is None:
        raise Problem(f"slurmctld does not tell its release: {text.strip()!r}")
    return int(found[1]), int(found[2])


def make(request, wanted, out, log):
    """Write the backup of this controller to a binary file. `request` is `{"homes": bool}`, `wanted` its document."""
    if request.get("homes") and wanted["home"]["kind"] == "nfs":
        raise Problem(
            f"the homes are on {wanted['home']['export']}, not on the controller: back them up there, and run without --homes."
        )
    writer = frames.Writer(out)
    log("keys and configuration")
    writer.member("config.tar")
    keys = sorted(os.path.relpath(path, "/") for path in glob.glob(f"/{HOST_KEYS}"))
    tar(["--directory=/", f"{ROOT.lstrip('/')}/config", *keys], writer)
    log("SLURM's saved state")
    # Before the database: a job that ends between the two is then known to the database, which is told once more. The other
    # way round its end would never be told.
    try:
        wait_for_save(f"{ROOT}/slurmctld")
        copy_state(f"{ROOT}/slurmctld", STAGE)
        writer.member("slurmctld.tar")
        tar([f"--directory={STAGE}", "."], writer)
    finally:
        shutil.rmtree(STAGE, ignore_errors=True)
    log("accounting database")
    writer.member("database.sql")
    dump(writer)
    if request.get("homes"):
        log("homes")
        writer.member("homes.tar")
        tar(["--one-file-system", "--exclude=./.hyperlab-*", f"--directory={ROOT}/home", "."], writer)
    major, minor = slurm_version()
    writer.end({"format": 1, "cluster": wanted["cluster"], "slurm": f"{major}.{minor}"})
    return writer.members


def wait_for_save(folder):
    """Until slurmctld saved its jobs once more, or for as long as it may keep a change to itself."""
    begin, deadline = time.time(), time.monotonic() + SAVE_SECONDS
    while time.monotonic() < deadline and modified(f"{folder}/job_state") <= begin and slurm.answers():
        time.sleep(0.2)


def modified(path):
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0


def is_whole(names):
    """Whether no file is just being replaced: slurmctld takes it away for a moment, and its predecessor has `.old`."""
    return all(name.removesuffix(".old") in names for name in names if name.endswith(".old"))


def copy_state(source, target):
    """
    Copy slurmctld's saved state while it works. Each of its files is written under another name and then put in place, so
    that a file is whole whenever it is read; what is being replaced at this moment is read again.
    """
    deadline = time.monotonic() + COPY_SECONDS
    while True:
        shutil.rmtree(target, ignore_errors=True)
        try:
            names = os.listdir(source)
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("*.new"), copy_function=copy_file)
            for folder, _, _ in os.walk(target):
                give_as(os.path.join(source, os.path.relpath(folder, target)), folder)
            if is_whole(names) and is_whole(os.listdir(target)):
                return
        except (FileNotFoundError, shutil.Error) as error:
            if not is_about_missing(error):
                raise Problem(f"SLURM's saved state in {source} cannot be copied: {error}") from None
        if time.monotonic() > deadline:
            raise Problem(f"SLURM's saved state in {source} did not stand still for a copy within {COPY_SECONDS} s.")


def is_about_missing(error):
    """Files that went while they were copied, and nothing else."""
    if isinstance(error, FileNotFoundError):
        return True
    return all("Errno 2]" in why for _, _, why in error.args[0])


def copy_file(source, target):
    shutil.copy2(source, target)
    give_as(source, target)


def give_as(source, target):
    state = os.stat(source)
    os.chown(target, state.st_uid, state.st_gid)


def tar(arguments, writer):
    """An archive with ids as numbers, lists of access rights and holes."""
    options = ["--create", "--numeric-owner", "--acls", "--xattrs", "--sparse"]
    # 1: a file changed or went while it was read, as users' files do.
    pipe(["tar", *options, "--warning=no-file-changed", "--warning=no-file-removed", *arguments], writer, (0, 1))


def dump(writer):
    """The database as of one moment, as root of the machine: the socket needs no password."""
    options = ["--single-transaction", "--quick", "--hex-blob", "--no-tablespaces"]
    pipe(["mariadb-dump", *options, database.DATABASE], writer, (0,))


def pipe(command, writer, fine):
    """What a program prints, into the member that is open."""
    with tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL)
        except OSError as error:
            raise Problem(f"{command[0]} could not run: {error}") from None
        with child:
            try:
                while piece := child.stdout.read(PIECE):
                    writer.write(piece)
            except BaseException:
                child.kill()
                raise
        if child.returncode not in fine:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()[-2000:]
            raise Problem(f"{command[0]} ended with code {child.returncode}: {said}")


def inventory(wanted):
    """What this controller has that a restore would replace."""
    major, minor = slurm_version()
    on_controller = wanted["home"]["kind"] != "nfs"
    return {
        "cluster": wanted["cluster"],
        "slurm": f"{major}.{minor}",
        "homes": "controller" if on_controller else wanted["home"]["export"],
        "jobs": len(run(["squeue", "--noheader", "--format=%i"]).split()),
        "recorded": recorded(wanted["cluster"]),
        "used": used_homes() if on_controller else [],
    }


def recorded(cluster):
    """How many jobs accounting knows, apart from those that verify a cluster."""
    # SLURM writes names of clusters in small letters.
    table = f"`{cluster.lower()}_job_table`"
    query = f"SELECT COUNT(*) FROM {table} WHERE job_name <> '{VERIFICATION}'"
    return int(run(["mariadb", "--batch", "--skip-column-names", database.DATABASE], text=query))


def used_homes(folder=f"{ROOT}/home", skeleton="/etc/skel"):
    """Homes with more in them than every new one has."""
    plain = set(os.listdir(skeleton)) if os.path.isdir(skeleton) else set()
    return [name for name in homes_in(folder) if set(os.listdir(f"{folder}/{name}")) - plain]


def homes_in(folder):
    """Names of homes; not what is only being made."""
    if not os.path.isdir(folder):
        return []
    names = sorted(name for name in os.listdir(folder) if not name.startswith(".hyperlab-") and name != "lost+found")
    return [name for name in names if os.path.isdir(f"{folder}/{name}") and not os.path.islink(f"{folder}/{name}")]


def describe(have):
    """What there is, for people; empty where nothing would be lost."""
    parts = []
    if have["jobs"]:
        parts.append(f"{have['jobs']} jobs in the queue")
    if have["recorded"]:
        parts.append(f"{have['recorded']} recorded jobs")
    if have["used"]:
        parts.append(f"homes in use ({', '.join(have['used'][:10])}{' …' if len(have['used']) > 10 else ''})")
    return ", ".join(parts)
