"""slurm.conf as far as nodes and partitions go. Pure: text in, text out."""

import re

from hyperlab import hostlist

PAIR = re.compile(r'([A-Za-z0-9_]+)\s*=\s*("[^"]*"|\S*)')
#: Keys that describe the processors; they belong together and come from one of the two sizes.
PROCESSOR_KEYS = ("cpus", "boards", "sockets", "socketsperboard", "corespersocket", "threadspercore")


def pairs(line):
    """Keys (as written) and values of a line, without comment."""
    return [(key, value.strip('"')) for key, value in PAIR.findall(re.sub(r"(^|[^\\])#.*$", r"\1", line))]


def logical_lines(text):
    """Lines with continuations joined."""
    return re.sub(r"\\\n", " ", text).split("\n")


def kind(line):
    """`nodename`, `partitionname` and so on: the first key of a line in lower case."""
    found = pairs(line)
    return found[0][0].lower() if found else ""


class Node:
    """One node's line: key (lower case) to (key as written, value)."""

    def __init__(self, found):
        self.keys = {key.lower(): (key, value) for key, value in found}

    def number(self, key, default):
        text = self.keys.get(key, ("", ""))[1]
        return int(text) if text.isdigit() else default

    @property
    def name(self):
        return self.keys["nodename"][1]

    @property
    def processors(self):
        if "cpus" in self.keys:
            return self.number("cpus", 1)
        sockets = self.number("sockets", self.number("boards", 1) * self.number("socketsperboard", 1))
        return sockets * self.number("corespersocket", 1) * self.number("threadspercore", 1)

    @property
    def memory(self):
        return self.number("realmemory", 1)

    def line(self):
        return " ".join(f'{key}="{value}"' if " " in value else f"{key}={value}" for key, value in self.keys.values())


def expand_nodes(line):
    """The nodes of a NodeName line, each with a line of its own."""
    found = pairs(line)
    names = hostlist.expand(found[0][1])
    lists = {}
    for key, value in found:
        if key.lower() in ("nodename", "nodeaddr", "nodehostname", "port") and key.lower() != "nodename":
            expanded = hostlist.expand(value)
            lists[key] = expanded if len(expanded) == len(names) else [value] * len(names)
    nodes = []
    for index, name in enumerate(names):
        values = [(key, lists[key][index] if key in lists else value) for key, value in found[1:]]
        nodes.append(Node([(found[0][0], name), *values]))
    return nodes


def is_node_line(line):
    return kind(line) == "nodename" and pairs(line)[0][1].lower() != "default"


def nodes(text):
    """All nodes of a slurm.conf by name, in order."""
    found = {}
    for line in logical_lines(text):
        if is_node_line(line):
            found.update((node.name, node) for node in expand_nodes(line))
    return found


def partition_nodes(text):
    """Value of `Nodes` by partition."""
    found = {}
    for line in logical_lines(text):
        if kind(line) == "partitionname":
            keys = {key.lower(): value for key, value in pairs(line)}
            found[keys["partitionname"]] = keys.get("nodes", "")
    return found


def smaller(old, new):
    """The node that both sizes of a machine can register as: fewer processors, less memory."""
    merged = Node(list(new.keys.values()))
    if old.processors < new.processors:
        merged.keys = {key: value for key, value in merged.keys.items() if key not in PROCESSOR_KEYS}
        merged.keys.update((key, old.keys[key]) for key in PROCESSOR_KEYS if key in old.keys)
    if old.memory < new.memory:
        merged.keys["realmemory"] = ("RealMemory", str(old.memory))
    return merged


def same(first, second):
    return {key: value for key, (_, value) in first.keys.items()} == {
        key: value for key, (_, value) in second.keys.items()
    }


def transitional(old_text, new_text):
    """
    The configuration for the time in which machines change: the new one, with the smaller of both sizes for each
    node, and with the nodes that leave still in it and in their partitions.
    """
    old, new = nodes(old_text), nodes(new_text)
    leaving = [node for name, node in old.items() if name not in new]
    old_partitions = partition_nodes(old_text)
    lines, placed = [], False
    for line in logical_lines(new_text):
        if is_node_line(line):
            lines.extend(transitional_nodes(line, old))
        elif kind(line) == "partitionname":
            if not placed:
                lines.extend(node.line() for node in leaving)
                placed = True
            lines.append(transitional_partition(line, old_partitions, {node.name for node in leaving}))
        else:
            lines.append(line)
    if not placed:
        lines.extend(node.line() for node in leaving)
    return "\n".join(lines)


def transitional_nodes(line, old):
    """The line itself while no node of it shrinks, else one line per node."""
    expanded = expand_nodes(line)
    merged = [smaller(old[node.name], node) if node.name in old else node for node in expanded]
    unchanged = all(same(before, after) for before, after in zip(expanded, merged, strict=True))
    return [line] if unchanged else [node.line() for node in merged]


def transitional_partition(line, old_partitions, leaving):
    keys = {key.lower(): value for key, value in pairs(line)}
    listed = keys.get("nodes", "")
    before = old_partitions.get(keys["partitionname"], "")
    if listed.upper() == "ALL" or not leaving or not before:
        return line
    # A partition of all nodes that becomes a list keeps those that leave, whose jobs still run.
    members = leaving if before.upper() == "ALL" else leaving & set(hostlist.expand(before))
    kept = ",".join(sorted(members))
    return re.sub(r"(?i)\bNodes\s*=\s*\S*", f"Nodes={listed},{kept}", line) if kept else line


def leaving_nodes(active_text, document_nodes):
    """Names of nodes that the running configuration has and the document has not."""
    return [name for name in nodes(active_text) if name not in set(document_nodes)]
