#!/bin/bash
# Boots a real slurmctld (and, with "accounting", slurmdbd and MariaDB) in private namespaces on a Debian tree, and
# prints what came of it; then, for each folder again-N in CONFIG-FOLDER, takes that configuration over and prints the
# nodes anew. Everything that is written lies in memory and goes with the namespaces.
# Usage: slurm-boot.sh TREE CONFIG-FOLDER HOST-NAME ADDRESS accounting|alone
set -eu
tree=$1 config=$2 name=$3 address=$4 mode=$5

hostname "$name"
ip link set lo up
ip addr add "$address/32" dev lo
mount --make-rprivate /
for folder in etc/slurm srv run var/log var/lib/mysql tmp dev/shm; do
  mkdir -p "$tree/$folder"
  mount -t tmpfs none "$tree/$folder"
done
mount -t proc none "$tree/proc"
find "$config" -maxdepth 1 -type f -exec cp -t "$tree/etc/slurm/" {} +
mkdir -p "$tree/srv/hyperlab/slurmctld" "$tree/var/log/slurm" "$tree/run/mysqld"
chroot "$tree" chown -R slurm: /srv/hyperlab /var/log/slurm /run/mysqld /var/lib/mysql
chroot "$tree" chown slurm: /etc/slurm/slurm.jwks
chmod 600 "$tree/etc/slurm/slurm.jwks"

inside() { timeout 20 chroot "$tree" "$@"; }
# Repeats a command until it succeeds; gives up when the process is gone or after the given tenths of a second.
until_works() {
  local tenths=$1 process=$2
  shift 2
  for _ in $(seq "$tenths"); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    kill -0 "$process" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

if [ "$mode" = accounting ]; then
  chroot "$tree" mariadb-install-db --user=slurm --datadir=/var/lib/mysql --skip-test-db --force \
    --auth-root-authentication-method=normal >"$tree/tmp/install" 2>&1 || {
    echo "MariaDB could not be set up"; cat "$tree/tmp/install"; exit 3; }
  chroot "$tree" mariadbd --user=slurm --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock --skip-networking \
    --innodb-buffer-pool-size=32M >"$tree/tmp/mariadb" 2>&1 &
  until_works 300 $! inside mariadb --socket=/run/mysqld/mysqld.sock -e 'select 1' || {
    echo "MariaDB did not start"; cat "$tree/tmp/mariadb"; exit 3; }
  password=$(sed -n 's/^StoragePass=//p' "$config/slurmdbd.conf")
  inside mariadb --socket=/run/mysqld/mysqld.sock -e "create database slurm_acct_db;
    create user slurm@localhost identified by '$password'; grant all on slurm_acct_db.* to slurm@localhost"
  chroot "$tree" chown slurm: /etc/slurm/slurmdbd.conf
  chmod 600 "$tree/etc/slurm/slurmdbd.conf"
  chroot "$tree" slurmdbd -D >"$tree/tmp/slurmdbd" 2>&1 &
  until_works 300 $! inside bash -c "exec 3<>/dev/tcp/$address/6819" || {
    echo "slurmdbd did not start"; cat "$tree/tmp/slurmdbd"; exit 3; }
fi
rm -f "$tree/etc/slurm/slurmdbd.conf"

begin=$(date +%s%N)
chroot "$tree" slurmctld -D >"$tree/tmp/slurmctld" 2>&1 &
daemon=$!
answers() { inside scontrol ping | grep -q 'is UP'; }
if until_works 300 "$daemon" answers; then
  milliseconds=$((($(date +%s%N) - begin) / 1000000))
  inside bash -e /etc/slurm/commands
  until_works 300 "$daemon" answers
  echo "== up $milliseconds"
  echo "== nodes"
  inside scontrol show node -o
  echo "== partitions"
  inside scontrol show partition -o
  for again in "$config"/again-*; do
    [ -d "$again" ] || continue
    cp "$again"/* "$tree/etc/slurm/"
    # As the controller's guest program does it; answered when the new configuration is in force or refused.
    timeout 100 chroot "$tree" scontrol reconfigure || { echo "scontrol reconfigure failed"; cat "$tree/tmp/slurmctld"; exit 3; }
    until_works 300 "$daemon" answers || { echo "slurmctld is gone"; cat "$tree/tmp/slurmctld"; exit 3; }
    echo "== nodes ${again##*/}"
    inside scontrol show node -o
    echo "== partitions ${again##*/}"
    inside scontrol show partition -o
  done
  echo "== config"
  inside scontrol show config
  if [ "$mode" = accounting ]; then
    # slurmctld answers before it has told the database where it is.
    registered() { inside sacctmgr -nP show cluster format=controlhost | grep -q .; }
    until_works 300 "$daemon" registered || true
    echo "== clusters"
    inside sacctmgr -nP show cluster format=cluster,controlhost
  fi
  kill "$daemon"
  wait "$daemon" || true
else
  kill "$daemon" 2>/dev/null || true
  status=0
  wait "$daemon" || status=$?
  echo "== exited $status"
fi
echo "== log"
cat "$tree/tmp/slurmctld"
