#!/bin/sh
# Runs when the packages are installed: user files, units, and the removal of everything that must differ per machine.
set -eu
root="$1" work="$2"

tar -C "$root" --no-same-owner --keep-directory-symlink -xf "$work/files.tar"
install -D -m 0644 "$work/preset" "$root/etc/systemd/system-preset/00-hyperlab.preset"
chroot "$root" systemctl preset-all 2> /dev/null
while read -r unit; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done < "$work/mask"

printf 'LABEL=hyperlab-root / ext4 noatime,errors=remount-ro 0 1\n' > "$root/etc/fstab"
printf 'hyperlab\n' > "$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' > "$root/etc/hosts"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
chroot "$root" python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/hyperlab/hyperlab
install -d -m 0750 -o 64032 -g 64032 "$root/var/lib/hyperlab-admin"
chroot "$root" usermod -p '*' root

chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' | sort > "$work/packages"
for kernel in "$root"/boot/vmlinuz-*; do
  cat "$kernel" > "$work/vmlinuz"
  cat "$root/boot/initrd.img-${kernel#"$root/boot/vmlinuz-"}" > "$work/initrd"
done
cat "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" > "$work/systemd-boot"

# It includes a pattern of files, which SLURM itself refuses with an error at every start.
rm -f "$root/etc/slurm/plugstack.conf"

# Identity and secrets that package scripts made.
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/munge/munge.key "$root"/var/lib/systemd/random-seed
rm -f "$root"/etc/ssl/private/*.key "$root"/var/lib/dbus/machine-id
: > "$root/etc/machine-id"
# An empty database is made on the state disk, so its template is not needed.
rm -rf "$root"/var/lib/mysql/* "$root"/boot/initrd.img-* "$root"/boot/vmlinuz-*
rm -rf "$root"/var/log/* "$root"/var/cache/debconf/*-old "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*
install -d -m 2755 "$root/var/log/journal"
install -d -o 64030 -g 64030 -m 0755 "$root/var/log/slurm"
install -d -o 64031 -g 64031 -m 0750 "$root/var/log/mysql"

# Everything is up to date: else the first boot rebuilds caches that are already there.
touch "$root/usr" "$root/etc/.updated" "$root/var/.updated"
