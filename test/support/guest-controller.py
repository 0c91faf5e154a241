"""
The guest's controller program on a controller whose SLURM lies in a tree (slurm-controller.sh). Only paths differ, and
what a machine's seed says. `serve` starts the services, as an update would; anything else is a verb.
"""

import os
import sys

from hyperlab import accounting, backup_verbs, controller, database, files, process, seed, services, slurm, store

tree = os.environ["TREE"]
document = files.read_json(store.DOCUMENT)
slurm.CONF = f"{tree}/etc/slurm/slurm.conf"
slurm.JWKS = f"{tree}/etc/slurm/slurm.jwks"
accounting.CONF = f"{tree}/etc/slurm/slurmdbd.conf"
accounting.ACTIVE = f"{tree}/tmp/active-accounting.json"
services.START_SECONDS = 60
database.TUNING = f"{tree}/tmp/tuning.cnf"
seed.load = lambda: {"controller": {"address": document["controllerAddress"]}}

if sys.argv[1:] == ["serve"]:
    backup_verbs.serve_again(document, store.secrets())
    accounting.ensure_associations(document["users"])
else:
    process.main(lambda: controller.main(sys.argv[1:]))
