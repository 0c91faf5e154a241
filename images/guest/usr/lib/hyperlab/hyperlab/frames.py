"""
How a backup travels between the controller and the machine that keeps it: frames of one byte of kind, four of length, and
so many of content. `M` begins a member and names it, `D` is a part of it, `Z` ends the stream with a manifest in JSON.
"""

import hashlib
import json
import re
import struct

from hyperlab.process import Problem

HEAD = struct.Struct(">cI")
#: The longest content of a frame.
LIMIT = 1024 * 1024
NAME = re.compile(r"[a-z]{1,32}\.[a-z]{1,16}")


class Writer:
    """Writes members and the manifest. Behaves as a file for the content of the member that is open."""

    def __init__(self, file):
        self.file = file
        self.members = []
        self.hash = None

    def _frame(self, kind, content):
        self.file.write(HEAD.pack(kind, len(content)) + content)

    def member(self, name):
        self._close()
        self._frame(b"M", name.encode())
        self.members.append({"name": name, "bytes": 0, "sha256": ""})
        self.hash = hashlib.sha256()

    def write(self, data):
        self.hash.update(data)
        self.members[-1]["bytes"] += len(data)
        for start in range(0, len(data), LIMIT):
            self._frame(b"D", data[start : start + LIMIT])

    def _close(self):
        if self.members:
            self.members[-1]["sha256"] = self.hash.hexdigest()

    def end(self, facts):
        """The manifest: what the caller knows, and what was written."""
        self._close()
        self._frame(b"Z", json.dumps({**facts, "members": self.members}).encode())
        self.file.flush()


def exactly(file, size):
    data = file.read(size)
    if len(data) != size:
        raise Problem("the backup ends too early: the connection was lost, or the command that sent it was stopped.")
    return data


def read(file):
    """Yields (kind, content) up to the manifest: ("M", name), ("D", bytes), ("Z", dictionary)."""
    member = False
    while True:
        kind, size = HEAD.unpack(exactly(file, HEAD.size))
        if kind not in (b"M", b"D", b"Z") or size > LIMIT or (kind == b"D" and not member):
            raise Problem("the stream of the backup is damaged.")
        content = exactly(file, size)
        if kind == b"D":
            yield "D", content
        elif kind == b"M":
            member = True
            yield "M", name_of(content)
        else:
            yield "Z", manifest_of(content)
            return


def name_of(content):
    name = content.decode("ascii", "replace")
    if not NAME.fullmatch(name):
        raise Problem("the stream of the backup is damaged: the name of a member is none.")
    return name


def manifest_of(content):
    try:
        manifest = json.loads(content)
        members = {entry["name"]: (entry["bytes"], entry["sha256"]) for entry in manifest["members"]}
    except (ValueError, KeyError, TypeError):
        raise Problem("the stream of the backup is damaged: its manifest is none.") from None
    return {**manifest, "members": members}
