"""Files that appear whole or not at all."""

import json
import os
import tempfile


def read_text(path, default=""):
    """Text of a file, or the default when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return default


def read_json(path, default=None):
    """Content of a JSON file, or the default when there is none or it is damaged."""
    try:
        return json.loads(read_text(path, "null")) or default
    except ValueError:
        return default


def is_current(path, data, mode, uid, gid):
    try:
        state = os.stat(path)
        with open(path, "rb") as file:
            return (
                file.read() == data and state.st_mode & 0o7777 == mode and (state.st_uid, state.st_gid) == (uid, gid)
            )
    except FileNotFoundError:
        return False


def write(path, content, mode=0o644, uid=0, gid=0):
    """Write a file unless it already is so; return whether it changed. Readers see the old file or the new one."""
    data = content.encode() if isinstance(content, str) else content
    if is_current(path, data, mode, uid, gid):
        return False
    directory = os.path.dirname(path)
    os.makedirs(directory, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=directory, prefix=".hyperlab-")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), uid, gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    return True


def write_json(path, value, mode=0o600):
    """Write a value as JSON; return whether the file changed."""
    return write(path, json.dumps(value, sort_keys=True, indent=1) + "\n", mode)


def remove(path):
    """Remove a file; return whether there was one."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
