import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeDisk } from "../../../images/disk.ts";
import { sourceLines } from "../../../images/mirror.ts";
import { builderMirror } from "../../../images/packages.ts";
import { stderrProgress } from "../../../images/process.ts";
import { must } from "./program.ts";

/** A cloud image as a distribution makes it, small: nothing of hyperlab, no SLURM, no guest agent. */
const PACKAGES = [
  "cloud-init",
  "dbus",
  "e2fsprogs",
  "initramfs-tools",
  "iproute2",
  "linux-image-cloud-amd64",
  "man-db",
  "openssh-server",
  "systemd-boot-efi",
  "systemd-resolved",
  "systemd-sysv",
  "systemd-timesyncd",
  "udev",
];

const CUSTOMIZE = `set -eu
root="$1" work="$2"
for kernel in "$root"/boot/vmlinuz-*; do
  cat "$kernel" > "$work/vmlinuz"
  cat "$root/boot/initrd.img-\${kernel#"$root/boot/vmlinuz-"}" > "$work/initrd"
done
cat "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" > "$work/systemd-boot"
chroot "$root" systemctl enable systemd-networkd.service systemd-resolved.service
printf 'LABEL=hyperlab-root / ext4 defaults 0 1\\n' > "$root/etc/fstab"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
rm -f "$root"/etc/ssh/ssh_host_* "$root"/boot/vmlinuz-* "$root"/boot/initrd.img-*
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*
: > "$root/etc/machine-id"
`;

const recipe = { sizeMiB: 2048, kernelArguments: ["rw", "console=ttyS0", "no_timer_check", "panic=10"] };

/** A qcow2 file in the folder; made once for each version of this module's contents. */
export async function foreignImage(folder: string): Promise<string> {
  const id = createHash("sha256")
    .update(JSON.stringify([PACKAGES, CUSTOMIZE, recipe]))
    .digest("hex")
    .slice(0, 16);
  const image = join(folder, `foreign-${id}.qcow2`);
  if (existsSync(image)) return image;
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync("/var/tmp/hyperlab-foreign-");
  const progress = stderrProgress();
  const environment = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, TMPDIR: work };
  const root = process.geteuid?.() === 0;
  try {
    // Without root the builder's user ids differ from ours and need to enter and write.
    if (!root) chmodSync(work, 0o777);
    writeFileSync(join(work, "customize.sh"), CUSTOMIZE);
    progress.step("installing a foreign cloud image");
    const args = [
      `--mode=${root ? "root" : "unshare"}`,
      "--variant=minbase",
      `--include=${PACKAGES.join(",")}`,
      '--aptopt=Apt::Install-Recommends "false"',
      "--dpkgopt=force-unsafe-io",
      `--customize-hook=sh '${work}/customize.sh' "$1" '${work}'`,
      "trixie",
      join(work, "tree"),
      ...sourceLines(await builderMirror(), "trixie"),
    ];
    await must("mmdebstrap", args, { env: environment });
    copyFileSync(await writeDisk({ recipe, id, work, progress, environment }), image);
    return image;
  } finally {
    progress.stop();
    if (!root) await must("mmdebstrap", ["--unshare-helper", "rm", "-rf", join(work, "tree")]);
    rmSync(work, { recursive: true, force: true });
  }
}
