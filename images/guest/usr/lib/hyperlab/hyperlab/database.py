"""MariaDB on the state disk, for SLURM's accounting."""

import os
import shutil

from hyperlab import files
from hyperlab.process import Problem, run

DATA = "/srv/hyperlab/mysql"
TUNING = "/etc/mysql/mariadb.conf.d/95-hyperlab-memory.cnf"
MYSQL_ID = 64031
DATABASE = "slurm_acct_db"


def buffer_pool_mib(memory_mib):
    """A quarter of the machine's memory, between 64 MiB and 4 GiB: the controller runs more than the database."""
    return max(64, min(4096, memory_mib // 4))


def memory_mib():
    for line in files.read_text("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    return 1024


def quoted(text):
    """A string literal of SQL."""
    if any(ord(c) < 32 for c in text):
        raise Problem("The database password has a control character; make another one.")
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def account_sql(password):
    return f"""CREATE DATABASE IF NOT EXISTS {DATABASE};
CREATE USER IF NOT EXISTS 'slurm'@'localhost';
ALTER USER 'slurm'@'localhost' IDENTIFIED BY {quoted(password)};
GRANT ALL ON {DATABASE}.* TO 'slurm'@'localhost';
"""


def initialize():
    """Make an empty database where there is none; an interrupted attempt is made anew."""
    if os.path.isdir(f"{DATA}/mysql"):
        return
    draft = f"{DATA}.new"
    shutil.rmtree(draft, ignore_errors=True)
    command = ["mariadb-install-db", "--user=mysql", f"--datadir={draft}", "--skip-test-db"]
    run([*command, "--auth-root-authentication-method=socket", "--skip-name-resolve"], timeout=900)
    if os.path.isdir(DATA):
        # Only an empty directory goes; anything in it stops here.
        os.rmdir(DATA)
    os.rename(draft, DATA)


def start(password):
    """Start the database with SLURM's account in it."""
    pool = f"[mariadbd]\ninnodb_buffer_pool_size = {buffer_pool_mib(memory_mib())}M\n"
    files.write(TUNING, pool)
    initialize()
    run(["systemctl", "start", "mariadb.service"], timeout=900)
    run(["mariadb", "--batch"], text=account_sql(password), timeout=120)
