#!/bin/bash
# Runs a controller (MariaDB, slurmdbd, slurmctld) and two nodes (slurmd) of Debian's SLURM in private namespaces, rotates
# the cluster's key with the guest's own steps while a job runs, and prints what each machine could do after each step.
# Usage: slurm-keys.sh TREE CONFIG-FOLDER HOST-NAME ADDRESS NODE-1 ADDRESS-1 NODE-2 ADDRESS-2
# CONFIG-FOLDER holds old.jwks, new.jwks and rotation.py's steps as 1.jwks, 2.jwks, 3.jwks beside SLURM's files.
set -eu
tree=$1 config=$2 name=$3 address=$4
nodes=("$5" "$7") addresses=("$6" "$8")

hostname "$name"
ip link set lo up
for one in "$address" "${addresses[@]}"; do ip addr add "$one/32" dev lo; done
mount --make-rprivate /
# Processes of this namespace, for nsenter.
mount -t proc none /proc
for folder in etc/slurm srv run var/log var/lib/mysql var/lib/slurm tmp dev/shm; do
  mkdir -p "$tree/$folder"
  mount -t tmpfs none "$tree/$folder"
done
mount -t proc none "$tree/proc"
mount --bind /dev/null "$tree/dev/null" 2>/dev/null || true
cp "$config"/*.conf "$tree/etc/slurm/"
cp "$config/old.cnf" "$tree/tmp/"
mkdir -p "$tree/srv/hyperlab/slurmctld" "$tree/var/log/slurm" "$tree/run/mysqld" "$tree/run/slurm" "$tree/run/slurmctld"
printf '127.0.0.1 localhost\n%s %s\n%s %s\n%s %s\n' "$address" "$name" "${addresses[0]}" "${nodes[0]}" \
  "${addresses[1]}" "${nodes[1]}" >"$tree/tmp/hosts"
mount --bind "$tree/tmp/hosts" "$tree/etc/hosts" 2>/dev/null || cp "$tree/tmp/hosts" "$tree/etc/hosts"

fail() { echo "== failed: $1"; for file in "$tree"/tmp/*.log; do echo "-- $file"; tail -n 40 "$file"; done; exit 3; }
inside() { timeout 20 chroot "$tree" "$@"; }
# Repeats a command until it succeeds, for up to a minute.
until_works() {
  local what=$1
  shift
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  fail "$what"
}
# A key set, whole or not at all, as files.write of the guest puts it.
put() {
  cp "$1" "$2.draft"
  chown 64030:64030 "$2.draft" 2>/dev/null || true
  chmod 600 "$2.draft"
  mv "$2.draft" "$2"
}

put "$config/old.jwks" "$tree/etc/slurm/slurm.jwks"
chroot "$tree" chown -R slurm: /srv/hyperlab /var/log/slurm /run/mysqld /var/lib/mysql /run/slurmctld /etc/slurm/slurm.jwks

chroot "$tree" mariadb-install-db --user=slurm --datadir=/var/lib/mysql --skip-test-db --force \
  --auth-root-authentication-method=normal >"$tree/tmp/install.log" 2>&1 || fail "MariaDB's set-up"
chroot "$tree" mariadbd --user=slurm --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock --skip-networking \
  --innodb-buffer-pool-size=32M >"$tree/tmp/mariadb.log" 2>&1 &
database() { inside mariadb --socket=/run/mysqld/mysqld.sock "$@"; }
until_works "MariaDB" database -e 'select 1'
set_password() { database <"$config/$1.sql"; }
write_dbd() {
  cp "$config/$1.slurmdbd" "$tree/etc/slurm/slurmdbd.conf"
  chroot "$tree" chown slurm: /etc/slurm/slurmdbd.conf
  chmod 600 "$tree/etc/slurm/slurmdbd.conf"
}
dbd=0
restart_dbd() {
  if [ "$dbd" != 0 ]; then kill "$dbd"; wait "$dbd" || true; fi
  SLURM_SACK_JWKS=/etc/slurm/slurm.jwks chroot "$tree" slurmdbd -D >>"$tree/tmp/slurmdbd.log" 2>&1 &
  dbd=$!
  until_works "slurmdbd" inside bash -c "exec 3<>/dev/tcp/$address/6819"
}
set_password password-1
write_dbd password-1
restart_dbd
SLURM_SACK_JWKS=/etc/slurm/slurm.jwks chroot "$tree" slurmctld -D >"$tree/tmp/slurmctld.log" 2>&1 &
until_works "slurmctld" bash -c "timeout 20 chroot '$tree' scontrol ping | grep -q 'is UP'"

# A node: a host name, key file and run folder of its own; the rest of the tree is shared.
holders=()
start_holder() {
  unshare --uts --mount bash -c "
    hostname ${nodes[$1]}
    mount -t tmpfs none '$tree/etc/slurm'; mount -t tmpfs none '$tree/run'
    mkdir -p '$tree/run/slurm' '$tree/var/lib/slurm/slurmd-$1'
    touch '$tree/tmp/holder-$1'
    exec sleep infinity" &
  holders[$1]=$!
  until_works "the namespace of a node" test -e "$tree/tmp/holder-$1"
}
on() { local node=$1; shift; nsenter --target "${holders[$node]}" --uts --mount -- "$@"; }
give() { put "$2" "/proc/${holders[$1]}/root$tree/etc/slurm/slurm.jwks"; }
daemons=(0 0)
stop_slurmd() { kill "${daemons[$1]}" 2>/dev/null || true; wait "${daemons[$1]}" 2>/dev/null || true; }
start_slurmd() {
  on "$1" env SLURM_SACK_JWKS=/etc/slurm/slurm.jwks chroot "$tree" slurmd -D -N "${nodes[$1]}" --conf-server "$address:6817" \
    >>"$tree/tmp/slurmd-$1.log" 2>&1 &
  daemons[$1]=$!
}
is_idle() { inside scontrol show node "${nodes[$1]}" -o | grep -Eq 'State=(IDLE|ALLOCATED|MIXED) '; }
works() { if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }
asks() { on "$1" timeout 20 chroot "$tree" squeue >"$tree/tmp/asks-$1.log" 2>&1; }
# A step that is launched while slurmd starts anew is refused and asked for again, as by any reconfiguration.
runs_job() { for _ in 1 2 3 4 5; do if inside srun -w "${nodes[$1]}" -n1 --immediate=15 true; then return 0; fi; sleep 1; done; return 1; }
report() {
  echo "== $1 controller=$(works inside scontrol ping) accounting=$(works inside sacctmgr -n show cluster)" \
    "updated=$(works asks 0) old=$(works asks 1) job=$(works runs_job 0)"
}

for node in 0 1; do
  start_holder "$node"
  give "$node" "$config/old.jwks"
  start_slurmd "$node"
  until_works "the tools of node $node" asks "$node"
  until_works "node $node" is_idle "$node"
done

long=$(inside sbatch --parsable -w "${nodes[0]}" -n1 -o /srv/out --wrap 'echo $$; while [ ! -e /srv/go ]; do sleep 0.2; done; echo through')
until_works "the long job" test -s "$tree/srv/out"
report before
for step in 1 2 3; do
  put "$config/$step.jwks" "$tree/etc/slurm/slurm.jwks"
  restart_dbd
  inside scontrol reconfigure || fail "scontrol reconfigure in step $step"
  until_works "slurmctld after step $step" bash -c "timeout 20 chroot '$tree' scontrol ping | grep -q 'is UP'"
  report "$step-controller"
  give 0 "$config/$step.jwks"
  stop_slurmd 0
  start_slurmd 0
  until_works "the node's own tools after step $step" asks 0
  report "$step-nodes"
done

# The password while the job still runs; an interrupt between database and file is mended by doing it again.
set_password password-2
for _ in 1 2; do set_password password-2; write_dbd password-2; restart_dbd; done
report password
echo "== old-password $(works inside mariadb --defaults-file=/tmp/old.cnf -e 'select 1')"

touch "$tree/srv/go"
until_works "the long job's end" bash -c "timeout 20 chroot '$tree' sacct -X -n -P -j $long -o State | grep -q COMPLETED"
echo "== long $(inside sacct -X -n -P -j "$long" -o State,ExitCode,Restarts) $(wc -l <"$tree/srv/out") $(tail -n 1 "$tree/srv/out")"

# The node that missed all of it: it gets the set of now, then slurmd starts.
stop_slurmd 1
give 1 "$config/3.jwks"
start_slurmd 1
until_works "the node that was off" asks 1
until_works "the node that was off serves" is_idle 1
echo "== returned $(works asks 1) $(works runs_job 1)"
echo "== refused $(grep -c "could not find kid=" "$tree/tmp/slurmctld.log" || true)"
