"""
Puts a backup in the place of what a controller has. Everything is received and checked first; what was there is kept
aside until what was restored serves, and put back where it does not, also after a power cut.
"""

import hashlib
import os
import shutil
import subprocess

from hyperlab import backup, database, files, frames
from hyperlab.process import Problem, run

ROOT = backup.ROOT
#: Everything of a restore that is not finished: `new/`, `before/`, and the journal once anything was moved.
WORK = f"{ROOT}/restore"
#: A finished restore whose leftovers are being removed.
DONE = f"{ROOT}/restored"
ARCHIVES = {"slurmctld.tar": "slurmctld", "homes.tar": "home"}
MEMBERS = ("slurmctld.tar", "database.sql", "homes.tar")
NEEDED = ("slurmctld.tar", "database.sql")
UNITS = ("slurmctld.service", "slurmdbd.service", "mariadb.service")


def objection(request, have):
    """Why a backup cannot be restored here, or None. Pure."""
    if request.get("cluster") != have["cluster"]:
        return (
            f"the backup is of cluster {request.get('cluster')!r}, this controller serves {have['cluster']!r}: SLURM's state and "
            "accounts belong to the name. Give the cluster that name in the cluster file, and make it anew."
        )
    if backup.release_of(str(request.get("slurm"))) > backup.release_of(have["slurm"]):
        return (
            f"the backup is of SLURM {request['slurm']}, this controller has {have['slurm']}: an older SLURM cannot read it. "
            "Take a newer image first (hyperlab image update)."
        )
    if request.get("homes") and have["homes"] != "controller":
        return f"the homes of this cluster are on {have['homes']}: restore them there, and run with --without-homes."
    if not request.get("homes"):
        have = {**have, "used": []}
    present = backup.describe(have)
    if present and request.get("overwrite") is not True:
        return f"this controller has data that would be replaced: {present}. Confirm it, or run with --yes."
    return None


def receive(stream, log):
    """Unpack a backup into `new/`, and compare it with its manifest. Nothing else is touched."""
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(f"{WORK}/new", mode=0o700)
    os.chmod(WORK, 0o700)
    got, sink = {}, None
    try:
        for kind, content in frames.read(stream):
            if kind == "D":
                sink.write(content)
                continue
            if sink is not None:
                got[sink.name] = sink.close()
                sink = None
            if kind == "M":
                if content not in MEMBERS or content in got:
                    raise Problem(f"the stream of the backup is damaged: {content} has no place in it.")
                log(f"receives {content}")
                sink = Sink(content)
            else:
                compare(got, content["members"])
    except BaseException:
        if sink is not None:
            sink.abandon()
        raise


def compare(got, listed):
    wrong = sorted(name for name in {*got, *listed} if got.get(name) != listed.get(name))
    if wrong:
        raise Problem(f"the backup was altered or cut on its way: {', '.join(wrong)}.")
    missing = [name for name in NEEDED if name not in got]
    if missing:
        raise Problem(f"the backup lacks {', '.join(missing)}.")


class Sink:
    """Where a member goes: a file, or a folder that tar fills."""

    def __init__(self, name):
        self.name = name
        self.hash, self.size = hashlib.sha256(), 0
        self.child = None
        if name in ARCHIVES:
            folder = f"{WORK}/new/{ARCHIVES[name]}"
            os.mkdir(folder, 0o700)
            options = ["--extract", "--numeric-owner", "--same-owner", "--preserve-permissions", "--acls", "--xattrs"]
            command = ["tar", *options, f"--directory={folder}"]
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.file = self.child.stdin
        else:
            self.file = open(f"{WORK}/new/{name}", "wb")

    def write(self, data):
        self.hash.update(data)
        self.size += len(data)
        try:
            self.file.write(data)
        except BrokenPipeError:
            # tar says at its end why it gave up.
            pass

    def close(self):
        """(bytes, SHA-256) of what came."""
        said, code = b"", 0
        if self.child is None:
            self.file.close()
        else:
            said = self.child.communicate()[1]
            code = self.child.returncode
        if code != 0:
            raise Problem(f"{self.name} cannot be unpacked: {said.decode(errors='replace').strip()[-1000:]}")
        return self.size, self.hash.hexdigest()

    def abandon(self):
        if self.child is not None:
            self.child.kill()
            self.child.communicate()
        else:
            self.file.close()


def places():
    """What is replaced, as paths below the state disk; the database is made from its dump."""
    homes = [f"home/{name}" for name in backup.homes_in(f"{WORK}/new/home")]
    return ["mysql", "slurmctld", *homes]


def put_in_place(log):
    """Set aside what is there and move what was received to its place."""
    moved = places()
    # Before the first move: what a power cut leaves is put back from it.
    files.write_json(f"{WORK}/journal.json", moved, 0o600)
    os.makedirs(f"{WORK}/before/home", exist_ok=True)
    for place in moved:
        if os.path.lexists(f"{ROOT}/{place}"):
            os.rename(f"{ROOT}/{place}", f"{WORK}/before/{place}")
        if place != "mysql":
            os.rename(f"{WORK}/new/{place}", f"{ROOT}/{place}")
    log("services start with what was restored")


def put_back():
    """Undo `put_in_place`, however far it came. May be repeated: what came is where it was received, or it is not."""
    for place in files.read_json(f"{WORK}/journal.json", []):
        here, before, received = f"{ROOT}/{place}", f"{WORK}/before/{place}", f"{WORK}/new/{place}"
        if place == "mysql":
            # Made from the dump: what was half made is of no use.
            if os.path.lexists(before):
                shutil.rmtree(here, ignore_errors=True)
        elif not os.path.lexists(received):
            os.rename(here, received)
        if os.path.lexists(before):
            os.rename(before, here)


def stop():
    """slurmctld saves its state and tells accounting the last; then slurmdbd writes that down."""
    for unit in UNITS:
        run(["systemctl", "stop", unit], timeout=300)


def load_database(password):
    database.start(password)
    path = f"{WORK}/new/database.sql"
    with open(path, "rb") as text:
        done = subprocess.run(["mariadb", "--batch", database.DATABASE], stdin=text, capture_output=True)
    if done.returncode != 0:
        raise Problem(f"MariaDB refuses the dump of the accounting database: {done.stderr.decode(errors='replace')[-1000:]}")


def recover():
    """Put back what an interrupted restore moved; return whether there was any. The services are stopped then."""
    shutil.rmtree(DONE, ignore_errors=True)
    if not os.path.isdir(WORK):
        return False
    begun = os.path.exists(f"{WORK}/journal.json")
    if begun:
        stop()
        put_back()
    finish()
    return begun


def finish():
    """From here on there is no way back: one rename decides, the rest is cleaning up."""
    os.rename(WORK, DONE)
    shutil.rmtree(DONE, ignore_errors=True)


def replace(password, serve, log):
    """Put what was received in place and serve it. `serve` starts slurmdbd and slurmctld and waits until they answer."""
    try:
        log("services stop")
        stop()
        put_in_place(log)
        load_database(password)
        serve()
    except BaseException as failure:
        recover()
        serve()
        if isinstance(failure, Problem):
            raise Problem(f"{failure} Everything is as it was before, and serves.") from None
        raise
    finish()
