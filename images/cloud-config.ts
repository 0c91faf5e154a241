/** cloud-init parts that make a user's own cloud image (Debian 13) a machine of the lab. Pure. */
import { guestOnlyInImage, slurmPackages } from "./contents.ts";
import type { GuestFile } from "./guest.ts";

/** A file that cloud-init writes. */
export interface CloudFile {
  /** Absolute path in the guest. */
  readonly path: string;
  readonly content: string;
  /** Octal, for example `0755`. */
  readonly mode: string;
}

/** What a seed adds for an image without hyperlab's software. */
export interface CloudBootstrap {
  /** Packages that cloud-init itself installs; the bootstrap program installs the rest, after it made the accounts. */
  readonly packages: readonly string[];
  readonly files: readonly CloudFile[];
  /** Commands after packages and files, each as a list of arguments. */
  readonly commands: readonly (readonly string[])[];
}

/** Needed on a machine of the lab and not in every cloud image. */
const basePackages = [
  "chrony",
  "cloud-guest-utils",
  "nfs-common",
  "nftables",
  "python3",
  "qemu-guest-agent",
  "sudo",
];

/** Services of the packages that start only when hyperlab has configured them. */
const disabled = [
  "mariadb.service",
  "munge.service",
  "nfs-server.service",
  "slurmctld.service",
  "slurmd.service",
  "slurmdbd.service",
];

const enabled = ["chrony.service", "hyperlab-setup.service", "nftables.service", "ssh.service"];
const masked = ["rpcbind.service", "rpcbind.socket", "tmp.mount"];

const octal = (mode: number): string => mode.toString(8).padStart(4, "0");

/**
 * Packages, files and commands for the seed of a machine that boots a user's cloud image. The image needs Debian 13,
 * cloud-init, Python 3 and, at its first boot, a package mirror.
 *
 * @param guest the guest software, from `guestFiles`
 */
export function cloudBootstrap(guest: readonly GuestFile[]): CloudBootstrap {
  const facts = {
    packages: [...new Set([...basePackages, ...slurmPackages])].sort(),
    disable: disabled,
    enable: enabled,
    mask: masked,
  };
  const files = guest
    .filter((file) => !guestOnlyInImage.some((prefix) => file.path.startsWith(prefix)))
    .map((file) => ({ path: file.path, content: file.content, mode: octal(file.mode) }));
  const bootstrap = {
    path: "/usr/lib/hyperlab/bootstrap.json",
    content: `${JSON.stringify(facts, null, 1)}\n`,
    mode: "0644",
  };
  return { packages: [], files: [...files, bootstrap], commands: [["/usr/lib/hyperlab/bootstrap"]] };
}
