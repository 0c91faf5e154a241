/**
 * The guest software for a user's own cloud image (Debian 13): files that its first boot takes from a disk, as one tar
 * archive on an ISO image. All machines share the disk, so that no seed and no state holds the software itself.
 */
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeIso } from "../providers/libvirt/volume-format/index.ts";
import { guestOnlyInImage, slurmPackages } from "./contents.ts";
import { filesDigest, type GuestFile, guestFiles, imagesDirectory } from "./guest.ts";
import { writeTar } from "./tar.ts";

/** Needed on a machine of the lab and not in every cloud image. */
const basePackages = [
  "chrony",
  "cloud-guest-utils",
  "dbus",
  "e2fsprogs",
  "fdisk",
  "logrotate",
  "nfs-common",
  "nftables",
  "openssh-client",
  "openssh-server",
  "qemu-guest-agent",
  "sudo",
] as const;

/** SLURM's packages by role: a machine installs at its first boot what its own role needs. */
const rolePackages = {
  controller: slurmPackages.filter((name) => name !== "slurmd" && name !== "libpam-slurm-adopt"),
  compute: ["libpam-slurm-adopt", "slurm-client", "slurm-wlm-basic-plugins", "slurmd"],
} as const;

/** Services of the packages that start only when hyperlab has configured them. */
const disabled = [
  "mariadb.service",
  "munge.service",
  "nfs-server.service",
  "slurmctld.service",
  "slurmd.service",
  "slurmdbd.service",
] as const;

const enabled = [
  "chrony.service",
  "hyperlab-clock.service",
  "hyperlab-setup.service",
  "nftables.service",
  "ssh.service",
] as const;
const masked = ["rpcbind.service", "rpcbind.socket", "sshd-keygen.service", "tmp.mount"] as const;

/** Files that a cloud image gets, sorted by path. */
export function cloudGuestFiles(): GuestFile[] {
  const facts = {
    packages: {
      controller: [...basePackages, ...rolePackages.controller].sort(),
      compute: [...basePackages, ...rolePackages.compute].sort(),
    },
    disable: disabled,
    enable: enabled,
    mask: masked,
  };
  const shared = guestFiles().filter(
    (file) => !guestOnlyInImage.some((prefix) => file.path.startsWith(prefix)),
  );
  const list = {
    path: "/usr/lib/hyperlab/bootstrap.json",
    content: `${JSON.stringify(facts, null, 1)}\n`,
    mode: 0o644,
  };
  const own = guestFiles(path.join(imagesDirectory(), "cloud-guest"));
  return [...shared, ...own, list].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Identity of the guest software for cloud images that this release carries: 16 hex digits. */
export function cloudGuestId(): string {
  return filesDigest(cloudGuestFiles()).slice(0, 16);
}

/** File of the disk in a cache directory, before it is made. */
export function guestDiskPath(cacheDirectory: string, id: string): string {
  return path.join(cacheDirectory, `guest-${id}.iso`);
}

/** Result of `buildGuestDisk`. */
export interface GuestDisk {
  readonly id: string;
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Makes the disk with the guest software, unless it is there. The same software always gives the same bytes.
 *
 * @param id identity that the stack decided for
 * @throws Error where this release carries another guest software
 */
export async function buildGuestDisk(id: string, cacheDirectory: string): Promise<GuestDisk> {
  const file = guestDiskPath(cacheDirectory, id);
  const present = await stat(file).catch(() => undefined);
  if (present !== undefined) return { id, path: file, sizeBytes: present.size };
  if (id !== cloudGuestId()) {
    throw new Error(
      `The cluster's cloud images use the guest software ${id}, which another release of hyperlab made; this one carries ${cloudGuestId()}. Raise "image.revision" in the cluster file to take this release's, or run the release that made it.`,
    );
  }
  await mkdir(cacheDirectory, { recursive: true });
  const work = await mkdtemp(path.join(tmpdir(), "hyperlab-guest-"));
  try {
    await writeTar(work, "guest.tar", cloudGuestFiles());
    const image = makeIso("HYPERLAB", [
      { name: "guest.tar", content: await readFile(path.join(work, "guest.tar")) },
    ]);
    const partial = `${file}.${process.pid}.partial`;
    await writeFile(partial, image);
    await rename(partial, file);
    return { id, path: file, sizeBytes: image.length };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
