/** What is in the golden image, as data. */

export const basePackages = [
  "bash-completion",
  "ca-certificates",
  "chrony",
  "cloud-guest-utils",
  "cloud-init",
  "dbus",
  "e2fsprogs",
  "fdisk",
  "initramfs-tools",
  "iproute2",
  "iputils-ping",
  "kmod",
  "less",
  "logrotate",
  "libnss-resolve",
  "libpam-systemd",
  "nfs-common",
  "nftables",
  "openssh-client",
  "openssh-server",
  "procps",
  "psmisc",
  "python3",
  "qemu-guest-agent",
  "rsync",
  "sudo",
  "systemd",
  "systemd-boot-efi",
  "systemd-resolved",
  "systemd-sysv",
  "udev",
  "util-linux",
  "vim-tiny",
  "zstd",
] as const;

/** Debian packages of a SLURM controller and a compute node. */
export const slurmPackages = [
  "libpam-slurm-adopt",
  "mariadb-client",
  "mariadb-server",
  "nfs-kernel-server",
  "slurm-client",
  "slurm-wlm-basic-plugins",
  "slurm-wlm-mysql-plugin",
  "slurmctld",
  "slurmd",
  "slurmdbd",
] as const;

/** Kernels to choose from. */
export const kernelPackages = { cloud: "linux-image-cloud-amd64", generic: "linux-image-amd64" } as const;

/** Units that start at boot; all others are switched off. */
export const enabledUnits = [
  "chrony.service",
  "cloud-config.service",
  "cloud-final.service",
  "cloud-init-local.service",
  "cloud-init-main.service",
  "cloud-init-network.service",
  "fstrim.timer",
  "hyperlab-clock.service",
  "hyperlab-settled.service",
  "hyperlab-setup.service",
  "logrotate.timer",
  "nftables.service",
  "remote-fs.target",
  "ssh.service",
  "systemd-networkd.service",
  "systemd-resolved.service",
] as const;

/** Units that other units pull in although nothing here needs them. */
export const maskedUnits = [
  "auth-rpcgss-module.service",
  "cloud-init-hotplugd.socket",
  "e2scrub_reap.service",
  "getty@tty1.service",
  "modprobe@configfs.service",
  "modprobe@drm.service",
  "nfs-blkmap.service",
  "proc-sys-fs-binfmt_misc.automount",
  "rpc-gssd.service",
  "rpc-statd-notify.service",
  "rpc-statd.service",
  "rpc-svcgssd.service",
  "rpcbind.service",
  "rpcbind.socket",
  "serial-getty@ttyS0.service",
  "sshd-keygen.service",
  "sys-kernel-config.mount",
  "sys-kernel-debug.mount",
  "sys-kernel-tracing.mount",
  "systemd-binfmt.service",
  "systemd-networkd-persistent-storage.service",
  "systemd-pstore.service",
  "systemd-update-utmp-runlevel.service",
  "tmp.mount",
] as const;

/**
 * A busy host delays the timer interrupts of an emulated machine, and the kernel's check of them then panics:
 * `no_timer_check` leaves it out, as KVM guests do by themselves. A panic of another kind restarts the machine.
 */
export const kernelArguments = [
  "rw",
  "console=tty0",
  "console=ttyS0",
  "quiet",
  "systemd.show_status=auto",
  "net.ifnames=0",
  "no_timer_check",
  "panic=10",
] as const;

/** Parts of the guest software that only the golden image takes; a user's image keeps its own ways there. */
export const guestOnlyInImage = [
  "/etc/cloud/",
  "/etc/initramfs-tools/",
  "/etc/systemd/network/",
  "/etc/udev/",
  "/usr/lib/systemd/system/hyperlab-settled.service",
  "/usr/lib/systemd/system/systemd-udev-trigger.service.d/",
] as const;
