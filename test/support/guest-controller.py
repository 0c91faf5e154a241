"""
The guest's controller program on a controller whose SLURM lies in a tree (slurm-controller.sh). Only paths differ, and
what a machine's seed says. `serve` starts the services, as an update would; anything else is a verb.
"""

import os
import sys

from hyperlab import controller, database, files, process, seed, slurm

tree = os.environ["TREE"]
document = files.read_json(controller.DOCUMENT)
slurm.CONF = f"{tree}/etc/slurm/slurm.conf"
slurm.JWKS = f"{tree}/etc/slurm/slurm.jwks"
controller.SLURMDBD_CONF = f"{tree}/etc/slurm/slurmdbd.conf"
controller.ACTIVE_ACCOUNTING = f"{tree}/tmp/active-accounting.json"
controller.START_SECONDS = 60
database.TUNING = f"{tree}/tmp/tuning.cnf"
seed.load = lambda: {"controller": {"address": document["controllerAddress"]}}

if sys.argv[1:] == ["serve"]:
    controller.serve_again(document, controller.load_secrets())
    controller.ensure_associations(document["users"])
else:
    process.main(lambda: controller.main(sys.argv[1:]))
