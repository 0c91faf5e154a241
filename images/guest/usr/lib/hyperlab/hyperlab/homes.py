"""Users' homes, on the controller."""

import os
import shutil

from hyperlab import files, machine
from hyperlab.process import log, run


def serve(wanted):
    """/home of this machine, and its export where the homes are on the state disk."""
    exports = "/etc/exports.d/hyperlab.exports"
    if wanted["home"]["kind"] == "nfs":
        machine.mount_home(wanted["home"]["export"])
        if files.remove(exports):
            run(["exportfs", "-r"])
        return
    bind = """[Unit]
Description=Homes of the cluster, on the state disk
RequiresMountsFor=/srv/hyperlab

[Mount]
What=/srv/hyperlab/home
Where=/home
Type=none
Options=bind
"""
    if machine.write_units({"home.mount": bind}):
        machine.release_home()
    options = "rw,sync,no_subtree_check,root_squash,sec=sys"
    changed = files.write(exports, f"/srv/hyperlab/home {wanted['network']['subnet']}({options})\n")
    run(["systemctl", "start", "home.mount", "nfs-server.service"])
    if changed:
        run(["exportfs", "-r"])


def make(users):
    """A home for each user who has none."""
    for user in users:
        home = f"/home/{user['name']}"
        if os.path.exists(home):
            continue
        try:
            draft = f"/home/.hyperlab-{user['name']}"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree("/etc/skel", draft, symlinks=True)
            for folder, _, names in os.walk(draft):
                for name in ["", *names]:
                    os.chown(os.path.join(folder, name), user["uid"], user["uid"], follow_symlinks=False)
            os.chmod(draft, 0o700)
            os.rename(draft, home)
        except OSError as error:
            # An export of somebody else may refuse root; its administrator makes the homes then.
            log(f"the home of {user['name']} could not be made: {error}")
