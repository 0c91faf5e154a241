#!/bin/bash
# Logs in to a real sshd with the guest's own configuration and PAM stack, on a Debian tree in private namespaces. What is
# written lies in memory and goes with the namespaces.
# Usage: node-login.sh TREE GUEST-FOLDER compute|controller TEXT-OF-THE-ROLE'S-SSHD-CONFIGURATION
set -eu
tree=$1 guest=$2 role=$3 own=$4

ip link set lo up
mount --make-rprivate /
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay none -o "lowerdir=$tree,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
root=/mnt/root
mount -t proc none $root/proc
mount -t tmpfs none $root/dev
for device in null zero random urandom tty; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
mkdir -p $root/run/sshd $root/dev/shm $root/var/lib/slurm/slurmd $root/etc/hyperlab/authorized_keys $root/etc/hyperlab/sshd.d $root/keys
rm -f $root/run/nologin

cp "$guest"/etc/ssh/sshd_config.d/*.conf $root/etc/ssh/sshd_config.d/
cp "$guest"/etc/pam.d/* $root/etc/pam.d/
if [ "$role" = compute ]; then printf '%s' "$own" > $root/etc/hyperlab/sshd.d/compute.conf; fi
rm -f $root/etc/ssh/ssh_host_*
chroot $root ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
chroot $root ssh-keygen -q -t ed25519 -N '' -f /keys/person
printf '127.0.0.1 %s\n' "$(cat $root/etc/ssh/ssh_host_ed25519_key.pub)" > $root/etc/ssh/ssh_known_hosts
printf 'ClusterName=lab\nSlurmctldHost=c(127.0.0.1)\nSlurmdSpoolDir=/var/lib/slurm/slurmd\nNodeName=%s\nPartitionName=p Nodes=ALL\n' \
  "$(hostname -s)" > $root/etc/slurm/slurm.conf

chroot $root groupadd --gid 64034 hyperlab-admin
chroot $root groupadd --gid 64032 hyperlab
chroot $root useradd --create-home --uid 64032 --gid 64032 hyperlab
chroot $root useradd --create-home --uid 2000 ada
chroot $root useradd --create-home --uid 2001 --groups hyperlab-admin grace
for name in hyperlab ada grace; do cp $root/keys/person.pub "$root/etc/hyperlab/authorized_keys/$name"; done
printf 'restrict,command="echo forced" %s\n' "$(cat $root/keys/person.pub)" > $root/etc/hyperlab/authorized_keys/root
printf 'ada:known\nroot:known\n' | chroot $root chpasswd

echo "== settings"
chroot $root /usr/sbin/sshd -T
chroot $root /usr/sbin/sshd -D -E /tmp/sshd.log &
daemon=$!
for _ in $(seq 100); do
  if (exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null; then break; fi
  kill -0 $daemon || { cat $root/tmp/sshd.log; exit 3; }
  sleep 0.1
done
login() {
  echo "== $1 by $2"
  shift 2
  status=0
  timeout 60 chroot $root ssh -n -o StrictHostKeyChecking=yes "$@" 2>&1 || status=$?
  echo "ended with $status"
}
for name in ada grace hyperlab root; do
  login $name key -o BatchMode=yes -i /keys/person "$name@127.0.0.1" id -un
done
# Their passwords are good ones: it is sshd that does not ask.
for name in ada root; do
  login $name password -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 "$name@127.0.0.1" id -un
done
kill $daemon
echo "== log"
cat $root/tmp/sshd.log
