#!/bin/bash
# Boots a compute node's own units under a real systemd in private namespaces on a Debian tree, with stand-ins for SLURM
# and for the server of the homes, and obeys commands from standard input, one per line, until it ends: `node COMMAND`
# runs on the node, `seen` tells what was noticed there, `gone` waits until the node is off, `end` switches it off hard and
# leaves nothing. Each answer ends with a line `== CODE`. Everything that is written lies in memory.
# `let WORD` makes something so, `unlet WORD` no more: the server `answers` or `refuses`, or the job that slurmd starts at
# once `ends`.
# Usage: node-systemd.sh TREE UNITS-FOLDER HOME-UNITS-FOLDER EMPTY-FOLDER
set -u
tree=$1 units=$2 homes=$3 memory=$4

mount --make-rprivate /
mount -t proc none /proc
cgroup=$(mktemp -d "$(findmnt --noheadings --output TARGET --types cgroup2 | head -n 1)/hyperlab-XXXXXX")
mount -t tmpfs none "$memory"
mkdir "$memory/upper" "$memory/work" "$memory/root"
root=$memory/root
mount -t overlay none -o "lowerdir=$tree,upperdir=$memory/upper,workdir=$memory/work" "$root"
mount -t tmpfs none "$root/run"
mount -t tmpfs none "$root/dev"
mount -t sysfs none "$root/sys"
for device in null zero full random urandom tty autofs; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -p "$root/dev/shm" "$root/run/let" "$root/run/hyperlab" "$root/usr/lib/hyperlab"
cp -r "$units/." "$root/usr/lib/systemd/system/"
cp "$homes"/* "$root/etc/systemd/system/"
printf '[Unit]\nWants=remote-fs.target\n' >"$root/etc/systemd/system/node.target"
: >"$root/run/seen"
: >"$root/run/hyperlab/current"
: >"$root/etc/slurm/slurm.jwks"

# An absolute link in the tree would lead out of it.
rm -f "$root/usr/sbin/mount.nfs4" "$root/usr/sbin/slurmd" "$root/usr/lib/hyperlab/node"
cat >"$root/usr/sbin/mount.nfs4" <<'END'
#!/bin/sh
[ ! -e /run/let/refuses ] || { echo 'the server refuses' >>/run/seen; exit 32; }
echo 'the server is asked' >>/run/seen
until [ -e /run/let/answers ]; do sleep 0.1; done
exec mount -i -t tmpfs homes "$2"
END
cat >"$root/usr/sbin/slurmd" <<'END'
#!/bin/sh
grep -q '^homes /home ' /proc/mounts && echo 'slurmd starts with homes' >>/run/seen || echo 'slurmd starts without homes' >>/run/seen
systemd-run --quiet --scope --unit=slurmstepd sh -c '
  cd /home/. && echo "a job is at home" >>/run/seen
  until [ -e /run/let/ends ]; do sleep 0.1; done
  touch /home/result && echo "a job wrote its result" >>/run/seen
' &
until grep -qs "populated 1" /sys/fs/cgroup/system.slice/slurmstepd.scope/cgroup.events; do sleep 0.1; done
systemd-notify --ready
exec sleep infinity
END
cat >"$root/usr/lib/hyperlab/node" <<'END'
#!/bin/sh
[ "$1" = self-drain ] || exit 0
echo 'the shutdown waits' >>/run/seen
while grep -qs "populated 1" /sys/fs/cgroup/system.slice/slurmstepd.scope/cgroup.events; do sleep 0.1; done
END
chmod 755 "$root/usr/sbin/mount.nfs4" "$root/usr/sbin/slurmd" "$root/usr/lib/hyperlab/node"

# The kernel is everybody's: what systemd would set in it is out of its reach, as for a container.
boot() {
  echo "$BASHPID" >"$cgroup/cgroup.procs"
  exec unshare --cgroup --pid --mount --ipc --fork --kill-child=KILL bash -c "
    mount -t proc none '$root/proc' && mount -t cgroup2 none '$root/sys/fs/cgroup' &&
    mount -o remount,ro '$root/sys' &&
    for path in sys sysrq-trigger; do
      [ ! -e '$root/proc/'\$path ] || mount --bind -o ro '$root/proc/'\$path '$root/proc/'\$path || exit
    done &&
    exec env -i PATH=/usr/sbin:/usr/bin container=hyperlab chroot '$root' /usr/lib/systemd/systemd --unit=node.target"
}
boot </dev/null >"$memory/boot" 2>&1 &
node=$!
# A node that shuts down may end what runs on it without a word to who waits for it.
inside() { timeout --signal=KILL 60 nsenter --target "$(pgrep -P "$node")" --mount --pid --ipc --cgroup --root --wd "$@" </dev/null; }
for _ in $(seq 300); do
  inside systemctl is-active --quiet node.target 2>/dev/null && break
  kill -0 "$node" 2>/dev/null || break
  sleep 0.1
done
cat "$memory/boot"
echo "== 0"

while IFS= read -r line; do
  case $line in
    "node "*) inside bash -c "${line#node }" 2>&1 ;;
    "let "*) touch "$root/run/let/${line#let }" ;;
    "unlet "*) rm "$root/run/let/${line#unlet }" ;;
    seen) cat "$root/run/seen" ;;
    gone)
      for _ in $(seq 300); do kill -0 "$node" 2>/dev/null || break; sleep 0.1; done
      ! kill -0 "$node" 2>/dev/null
      ;;
    end)
      kill -KILL "$node" 2>/dev/null
      wait "$node" 2>/dev/null
      for _ in $(seq 100); do find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null && break; sleep 0.1; done
      [ ! -e "$cgroup" ]
      ;;
  esac
  code=$?
  echo
  echo "== $code"
done
