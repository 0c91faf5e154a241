#!/bin/sh
# Runs before the packages are installed: accounts with fixed ids, so that files on state disks and shared homes keep
# their owners in every image, and the guest's files, whose settings the packages' own scripts must find.
set -eu
root="$1" work="$2"

account() { # name, id, home, shell
  echo "$1:x:$2:$2::$3:$4" >> "$root/etc/passwd"
  echo "$1:x:$2:" >> "$root/etc/group"
  echo "$1:!*:20000::::::" >> "$root/etc/shadow"
  [ ! -e "$root/etc/gshadow" ] || echo "$1:!::" >> "$root/etc/gshadow"
}
account slurm 64030 /nonexistent /usr/sbin/nologin
account mysql 64031 /nonexistent /bin/false
account hyperlab 64032 /var/lib/hyperlab-admin /bin/bash
account slurm-test 64033 /nonexistent /bin/sh
echo "hyperlab-admin:x:64034:" >> "$root/etc/group"
[ ! -e "$root/etc/gshadow" ] || echo "hyperlab-admin:!::" >> "$root/etc/gshadow"

tar -C "$root" --no-same-owner --keep-directory-symlink -xf "$work/guest.tar"
