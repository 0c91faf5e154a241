"""The machine's firewall: rules of its role, which come with the controller's document, and the machines they are for."""

import os

from hyperlab import files
from hyperlab.process import Problem, run

#: Included by /etc/nftables.conf, so that every later boot has it from the beginning.
RULES = "/etc/hyperlab/nftables.d/policy.nft"
#: Not included: nothing that nft refused may be in the way of the next boot's firewall.
DRAFT = "/etc/hyperlab/nftables.d/policy.draft"

#: A document of a release without rules.
OPEN = """flush chain inet hyperlab services
flush chain inet hyperlab egress
table inet hyperlab {{
  chain services {{
    tcp dport 22 accept
    ip saddr {subnet} accept
  }}
}}
"""


def text(rules, addresses):
    """One transaction: machines and rules change together or not at all."""
    members = f"add element inet hyperlab machines {{ {', '.join(sorted(set(addresses)))} }}\n" if addresses else ""
    return f"flush set inet hyperlab machines\n{members}{rules}"


def network(document, controller):
    """What every machine gets of a document: the rules by role, and who the machines are."""
    nodes = [node["address"] for node in document["nodes"]]
    return {
        "subnet": document["network"]["subnet"],
        "rules": document["network"].get("rules"),
        "machines": sorted({controller["address"], *nodes}),
    }


def apply(wanted, role):
    """Bring the firewall to the rules of a role; a set that nft refuses leaves everything as it is."""
    rules = wanted.get("rules") or {}
    content = text(rules.get(role) or OPEN.format(subnet=wanted["subnet"]), wanted.get("machines", []))
    if files.read_text(RULES) == content:
        return
    files.write(DRAFT, content)
    try:
        run(["nft", "--file", DRAFT])
    except Problem as problem:
        raise Problem(f"The firewall stays as it was: nft refused the rules of a {role}. {problem}") from None
    os.replace(DRAFT, RULES)
