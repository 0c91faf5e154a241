#!/bin/bash
# A controller (MariaDB, slurmdbd, slurmctld) with one node of Debian's SLURM in private namespaces, whose services the
# guest's own program starts and stops. Obeys commands from standard input, one per line, until it ends: `slurm COMMAND` runs among SLURM's
# programs, `host COMMAND` beside them, as the guest's programs run. Each answer ends with a line `== CODE`.
# Everything that is written lies in memory.
# Usage: slurm-controller.sh TREE CONFIG-FOLDER GUEST-PROGRAM HOST-NAME ADDRESS NODE
set -u
tree=$1 config=$2 guest=$3 name=$4 address=$5 node=$6

hostname "$name"
ip link set lo up
ip addr add "$address/32" dev lo
mount --make-rprivate /
for folder in etc/slurm srv run var/log var/lib/slurm tmp dev/shm; do
  mkdir -p "$tree/$folder"
  mount -t tmpfs none "$tree/$folder"
done
mount -t proc none "$tree/proc"
mount --bind /dev/null "$tree/dev/null" 2>/dev/null || true
# One place for the state disk and for locks, inside and beside.
mount --bind "$tree/srv" /srv
mount --bind "$tree/run" /run
cp "$config"/*.conf "$config/slurm.jwks" "$tree/etc/slurm/"
mkdir -p /srv/hyperlab/slurmctld /srv/hyperlab/home /srv/hyperlab/config /run/slurm /run/slurmctld /run/mysqld "$tree/var/log/slurm" "$tree/var/lib/slurm/slurmd"
cp "$config/document.json" "$config/secrets.json" /srv/hyperlab/config/
chroot "$tree" chown -R slurm: /srv/hyperlab/slurmctld /var/log/slurm /run/slurmctld /run/mysqld /etc/slurm
chmod 600 "$tree/etc/slurm/slurm.jwks"
printf '127.0.0.1 localhost\n%s %s %s\n' "$address" "$name" "$node" >"$tree/tmp/hosts"
touch "$tree/etc/hosts"
mount --bind "$tree/tmp/hosts" "$tree/etc/hosts"
export SLURM_SACK_JWKS=/etc/slurm/slurm.jwks TREE=$tree

# The programs as the guest's programs call them.
mkdir "$tree/tmp/bin"
for program in scontrol squeue sacctmgr slurmctld mariadb mariadb-dump; do
  printf '#!/bin/sh\nexec chroot %s %s "$@"\n' "$tree" "$program" >"$tree/tmp/bin/$program"
done
cat >"$tree/tmp/bin/mariadb-install-db" <<'END'
#!/bin/bash
words=("${@/--user=mysql/--user=slurm}")
exec chroot "$TREE" mariadb-install-db --force "${words[@]/=socket/=normal}"
END
cat >"$tree/tmp/bin/systemctl" <<'END'
#!/bin/bash
# start, stop or restart one service; a daemon counts as started when it listens, as with systemd's notification.
verb=$1 unit=${2%.service} pid=$TREE/tmp/${2%.service}.pid
serves() {
  case $unit in
    mariadb) chroot "$TREE" mariadb -e 'select 1' ;;
    slurmdbd) chroot "$TREE" bash -c "exec 3<>/dev/tcp/$(hostname)/6819" ;;
    slurmctld) chroot "$TREE" scontrol ping | grep -q 'is UP' ;;
  esac
}
runs() { [ -s "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null; }
if [ "$verb" != start ] && runs; then
  kill "$(cat "$pid")"
  for _ in $(seq 600); do runs || break; sleep 0.1; done
fi
[ "$verb" = stop ] && exit 0
runs && exit 0
[ -e "$TREE/tmp/refuse-$unit" ] && { rm "$TREE/tmp/refuse-$unit"; echo "$unit does not want to" >&2; exit 1; }
words=(-D)
daemon=$unit
[ "$unit" = mariadb ] && daemon=mariadbd words=(--user=slurm --datadir=/srv/hyperlab/mysql --socket=/run/mysqld/mysqld.sock --skip-networking --innodb-buffer-pool-size=32M)
(
  exec </dev/null >>"$TREE/tmp/$unit.log" 2>&1
  exec chroot "$TREE" "$daemon" "${words[@]}"
) &
echo $! >"$pid"
for _ in $(seq 600); do
  serves >/dev/null 2>&1 && exit 0
  runs || break
  sleep 0.1
done
tail -n 20 "$TREE/tmp/$unit.log" >&2
exit 1
END
chmod 755 "$tree"/tmp/bin/*
export PATH="$tree/tmp/bin:$PATH"

if python3 "$guest" serve >&2; then
  chroot "$tree" slurmd -D -N "$node" >"$tree/tmp/slurmd.log" 2>&1 &
  for _ in $(seq 300); do
    timeout 20 chroot "$tree" sinfo -hN -o %T 2>/dev/null | grep -q idle && break
    sleep 0.1
  done
fi
timeout 20 chroot "$tree" sinfo -N
for file in "$tree"/tmp/*.log; do echo "-- $file"; tail -n 10 "$file"; done >&2
echo "== 0"

while IFS= read -r line; do
  case $line in
    "slurm "*) timeout 60 chroot "$tree" bash -c "${line#slurm }" 2>&1 ;;
    "host "*) timeout 300 bash -c "${line#host }" 2>&1 ;;
  esac
  code=$?
  echo
  echo "== $code"
done
