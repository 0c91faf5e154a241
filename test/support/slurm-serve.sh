#!/bin/bash
# Runs a real slurmctld with two real slurmd in private namespaces on a Debian tree, and obeys commands from standard
# input, one per line, until it ends: `slurm COMMAND` runs among SLURM's programs, `host COMMAND` beside them, with SLURM's
# programs on the PATH. Each answer ends with a line `== CODE`. Everything that is written lies in memory.
# Usage: slurm-serve.sh TREE CONFIG-FOLDER
set -u
tree=$1 config=$2

hostname controller
ip link set lo up
ip addr add 10.50.0.2/32 dev lo
mount --make-rprivate /
for folder in etc/slurm srv run var/log var/spool tmp; do
  mkdir -p "$tree/$folder"
  mount -t tmpfs none "$tree/$folder"
done
mount -t proc none "$tree/proc"
mount --rbind /dev "$tree/dev"
cp "$config"/* "$tree/etc/slurm/"
mkdir -p "$tree/srv/slurmctld" "$tree/run/slurm" "$tree/run/slurmctld"
chroot "$tree" chown -R slurm: /srv/slurmctld /etc/slurm
chmod 600 "$tree/etc/slurm/slurm.jwks"
export SLURM_SACK_JWKS=/etc/slurm/slurm.jwks

# The programs as the guest's programs call them.
mkdir -p "$tree/tmp/bin"
for program in scontrol squeue scancel sinfo srun; do
  printf '#!/bin/sh\nexec chroot %s %s "$@"\n' "$tree" "$program" >"$tree/tmp/bin/$program"
  chmod 755 "$tree/tmp/bin/$program"
done
# The real one gives an account the system's search path.
printf '#!/bin/sh\nshift 3\nexec "$@"\n' >"$tree/tmp/bin/runuser"
# Both nodes are this one host; a job sees the name of its own.
mount -t tmpfs none "$tree/usr/local/bin"
printf '#!/bin/sh\necho "$SLURMD_NODENAME"\n' >"$tree/usr/local/bin/hostname"
chmod 755 "$tree/tmp/bin/runuser" "$tree/usr/local/bin/hostname"

chroot "$tree" slurmctld -D >"$tree/tmp/slurmctld" 2>&1 &
for node in n1 n2; do chroot "$tree" slurmd -D -N "$node" >"$tree/tmp/slurmd-$node" 2>&1 & done
for _ in $(seq 300); do
  [ "$(timeout 20 chroot "$tree" sinfo -hN -o %T 2>/dev/null | grep -c idle)" = 2 ] && break
  sleep 0.1
done
timeout 20 chroot "$tree" sinfo -N
tail -n 20 "$tree/tmp/slurmctld" "$tree/tmp/slurmd-n1" >&2
echo "== 0"

while IFS= read -r line; do
  case $line in
    "slurm "*) timeout 60 chroot "$tree" bash -c "${line#slurm }" 2>&1 ;;
    "host "*) PATH="$tree/tmp/bin:$PATH" timeout 60 bash -c "${line#host }" 2>&1 ;;
  esac
  echo "== $?"
done
