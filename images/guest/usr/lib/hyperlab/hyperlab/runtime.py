"""
What an administrator changed by scontrol while slurmctld runs, and SLURM forgets when it is configured anew. Pure: text in,
decisions out.
"""

from hyperlab import slurm_conf

#: Parts of a partition that `scontrol update` changes, with SLURM's default. `State` is kept by SLURM itself.
PARTITION = {
    "MaxTime": "UNLIMITED",
    "DefaultTime": "NONE",
    "MaxNodes": "UNLIMITED",
    "AllowGroups": "ALL",
    "AllowAccounts": "ALL",
    "AllowQos": "ALL",
    "Hidden": "NO",
    "OverSubscribe": "NO",
    "PriorityTier": "1",
    "PriorityJobFactor": "1",
}
#: The same for a node; drains are kept by SLURM itself.
NODE = {"Weight": "1", "AvailableFeatures": "(null)"}
#: Name in slurm.conf of what scontrol shows under another one.
WRITTEN_AS = {"availablefeatures": "feature"}


def shown(text, key):
    """Objects of `scontrol show … -o` by name; keys are as scontrol writes them."""
    found = {}
    for line in text.splitlines():
        fields = dict(slurm_conf.pairs(line))
        if key in fields:
            found[fields[key]] = fields
    return found


def partition_for_job(partitions):
    """
    Partition that takes a job of any user: the default one where it is up, else another. None where none does.
    `partitions` is what `shown` gives.
    """
    up = [fields for fields in partitions.values() if fields.get("State") == "UP"]
    default = [fields for fields in up if fields.get("Default") == "YES"]
    everybody = [fields for fields in up if fields.get("AllowGroups") == fields.get("AllowAccounts") == "ALL"]
    return next((fields["PartitionName"] for fields in [*default, *everybody]), None)


def planned_partitions(text):
    """Keys in lower case, by partition."""
    found = {}
    for line in slurm_conf.logical_lines(text):
        if slurm_conf.kind(line) == "partitionname":
            keys = {key.lower(): value for key, value in slurm_conf.pairs(line)}
            found[keys["partitionname"]] = keys
    return found


def planned_nodes(text):
    return {
        name: {key: value for key, (_, value) in node.keys.items()} for name, node in slurm_conf.nodes(text).items()
    }


def kept(old_text, new_text, partitions, nodes):
    """
    Arguments of `scontrol update` that make again what a new configuration would undo: values that differ from the old
    configuration, where the new one says the same as the old. What the new one changes on purpose is not held back.
    """
    old, new = planned_partitions(old_text), planned_partitions(new_text)
    commands = changes("partitionname", PARTITION, old, new, shown(partitions, "PartitionName"))
    old, new = planned_nodes(old_text), planned_nodes(new_text)
    return commands + changes("nodename", NODE, old, new, shown(nodes, "NodeName"))


def changes(kind, defaults, old, new, found):
    commands = []
    for name, fields in found.items():
        if name not in old or name not in new:
            continue
        values = []
        for field, default in defaults.items():
            key = WRITTEN_AS.get(field.lower(), field.lower())
            before, after = old[name].get(key, default), new[name].get(key, default)
            if field in fields and fields[field] != before and before == after:
                values.append(f"{field}={'' if fields[field] == '(null)' else fields[field]}")
        if values:
            commands.append([f"{kind}={name}", *values])
    return commands
