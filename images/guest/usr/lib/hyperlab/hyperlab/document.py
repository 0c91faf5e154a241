"""The documents that the stack sends to the controller. Pure."""

import json

from hyperlab.process import Problem

FORMAT = 1
#: Secrets of a cluster whose keys were rotated: programs that switch them at once know this format not.
ROTATED = 2
#: A cluster with a login interface, which earlier programs do not know.
LOGIN = 2
PASSWORD_SLOT = "@databasePassword@"

SECRETS = {"slurmJwks": str, "databasePassword": str, "clusterSshKey": str}
CLUSTER = {
    "cluster": str,
    "slurmConf": str,
    "cgroupConf": str,
    "gresConf": str,
    "slurmdbdConf": str,
    "hosts": str,
    "nodes": list,
    "users": list,
    "home": dict,
    "network": dict,
    "drain": dict,
    "verify": dict,
}


def parse(text, fields, name, formats=(FORMAT,)):
    """A document with the fields of its kind. Values never appear in an error: some are secret."""
    try:
        document = json.loads(text)
    except ValueError:
        raise Problem(f"controller: standard input of `{name}` is not JSON.") from None
    if not isinstance(document, dict) or document.get("format") not in formats:
        raise Problem(
            f"controller: the document of `{name}` has another format than {formats[-1]}; program and image do not fit."
        )
    wrong = [key for key, kind in fields.items() if not isinstance(document.get(key), kind)]
    if wrong:
        raise Problem(f"controller: the document of `{name}` lacks {', '.join(wrong)}.")
    return document


def parse_secrets(text):
    secrets = parse(text, SECRETS, "secrets", (FORMAT, ROTATED))
    return {key: secrets[key] for key in ("format", *SECRETS)}


def parse_cluster(text, name):
    document = parse(text, CLUSTER, name, (FORMAT, LOGIN))
    document.setdefault("groups", [])
    return document


def parse_request(line):
    """The request before a backup: one line."""
    try:
        request = json.loads(line)
    except ValueError:
        request = None
    if not isinstance(request, dict) or request.get("format") != FORMAT:
        raise Problem("controller: the request is none that this image knows; program and image do not fit.")
    return request


def slurmdbd_conf(text, password):
    """slurmdbd.conf with the password in its slot."""
    lines = [line for line in text.splitlines() if line.strip() == f"StoragePass={PASSWORD_SLOT}"]
    if len(lines) != 1:
        raise Problem(f"controller: slurmdbdConf must have the line StoragePass={PASSWORD_SLOT} exactly once.")
    return text.replace(PASSWORD_SLOT, password)


def test_user(users):
    """Who runs the job that verifies the cluster: an ordinary user, else an administrator, else the built-in account."""
    for user in sorted(users, key=lambda user: (user["admin"], user["name"])):
        return user["name"]
    return "slurm-test"
