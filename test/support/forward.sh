#!/bin/bash
# In namespaces of its own: a login machine's sshd at an address of its network, and the program of a forward with the socket
# that systemd would hand it. Then logs in through it, once for each address.
#   forward.sh FOLDER TARGET LISTEN "ADDRESS …" PROGRAM ARGUMENT…
set -euo pipefail
folder=$1 target=$2 listen=$3 addresses=$4
shift 4
ip link set dev lo up
ip address add "$target/32" dev lo
mount -t tmpfs tmpfs /run
mkdir -m 0755 /run/sshd
/usr/sbin/sshd -f "$folder/sshd_config" -E "$folder/log"
systemd-socket-activate --listen="$listen" "$@" 2> "$folder/proxy" &
listens() { (exec 3<> "/dev/tcp/$target/22") 2> /dev/null && grep -q "Listening on" "$folder/proxy"; }
for _ in $(seq 300); do
  if listens; then break; fi
  sleep 0.1
done
listens || { cat "$folder/log" "$folder/proxy" >&2; exit 1; }
for address in $addresses; do
  ssh -F "$folder/config" -o "HostName=$address" login-machine 'echo "$SSH_CONNECTION"' < /dev/null
done
