"""Which SSH host keys of the nodes are accepted while they change: the new ones are known before a node shows one. Pure."""


def of(node):
    """The keys with which a node is accepted: the declared one, then those that it may still show."""
    return node.get("hostKeys") or [node["hostKey"]]


def with_known(wanted, stored):
    """The document with the keys that were accepted before, too. What is not declared any more ends with `after`."""
    known = {node["name"]: of(node) for node in (stored or {}).get("nodes", [])}

    def both(node):
        keys = [node["hostKey"], *known.get(node["name"], [])]
        return {**node, "hostKeys": list(dict.fromkeys(keys))}

    return {**wanted, "nodes": [both(node) for node in wanted["nodes"]]}


def lines(hosts, keys):
    """Lines of a known_hosts file."""
    return "".join(f"{hosts} {key}\n" for key in keys)
