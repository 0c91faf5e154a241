import { commandsElsewhere } from "./distributions.ts";

/** A program or file that hyperlab needs on the libvirt host, and the Debian package that has it. */
interface Need {
  /** One of these programs must be there. */
  anyOf: readonly string[];
  package: string;
  /** Only where an image is built on this machine. */
  forImage?: true;
}

const ARCHITECTURES: Readonly<Record<string, { qemu: Need; firmware: string } | undefined>> = {
  x64: { qemu: { anyOf: ["qemu-system-x86_64"], package: "qemu-system-x86" }, firmware: "ovmf" },
  arm64: {
    qemu: { anyOf: ["qemu-system-aarch64"], package: "qemu-system-arm" },
    firmware: "qemu-efi-aarch64",
  },
};

const NEEDS: readonly Need[] = [
  { anyOf: ["libvirtd", "virtqemud"], package: "libvirt-daemon-system" },
  { anyOf: ["virsh"], package: "libvirt-clients" },
  { anyOf: ["qemu-img"], package: "qemu-utils", forImage: true },
  { anyOf: ["dnsmasq"], package: "dnsmasq-base" },
  { anyOf: ["iptables"], package: "iptables" },
  { anyOf: ["nft"], package: "nftables" },
  { anyOf: ["mmdebstrap"], package: "mmdebstrap", forImage: true },
  { anyOf: ["xorriso", "genisoimage"], package: "xorriso" },
  { anyOf: ["mcopy"], package: "mtools", forImage: true },
  { anyOf: ["mke2fs"], package: "e2fsprogs", forImage: true },
  { anyOf: ["sfdisk"], package: "fdisk", forImage: true },
  { anyOf: ["ssh"], package: "openssh-client" },
];

/** Files without a program: the firmware by architecture, and the keys that packages of Debian are checked with. */
const FIRMWARE_FILES: Readonly<Record<string, readonly string[]>> = {
  ovmf: ["/usr/share/OVMF", "/usr/share/edk2"],
  "qemu-efi-aarch64": ["/usr/share/AAVMF", "/usr/share/edk2"],
};
const KEYRING_FILE = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Of newer releases, where the daemon's drivers are packages of their own; skipped where they do not exist. */
export const DRIVER_PACKAGES = [
  "libvirt-daemon-driver-qemu",
  "libvirt-daemon-driver-network",
  "libvirt-daemon-driver-nwfilter",
  "libvirt-daemon-driver-storage",
];

/** What only tests use: servers to talk to, a TPM for a guest, the interpreter of the guest's programs, systemd's tools for units. */
const TEST_NEEDS: readonly Need[] = [
  { anyOf: ["sshd"], package: "openssh-server" },
  { anyOf: ["swtpm"], package: "swtpm" },
  { anyOf: ["swtpm_setup"], package: "swtpm-tools" },
  { anyOf: ["python3"], package: "python3" },
  { anyOf: ["systemd-socket-activate"], package: "systemd" },
];

/** What an ordinary user builds images with: ranges of user ids of his own. */
const UNPRIVILEGED: Need = { anyOf: ["newuidmap"], package: "uidmap", forImage: true };

export interface InstalledFacts {
  /** Tests are about to run. Default: false. */
  runsTests?: boolean;
  arch: string;
  isRoot: boolean;
  /** An image is built from packages on this machine. */
  buildsImage: boolean;
  hasProgram: (name: string) => boolean;
  hasFile: (path: string) => boolean;
}

/** Packages of Debian and Ubuntu that are missing, sorted; empty where everything is there. */
export function missingPackages(facts: InstalledFacts): string[] {
  const architecture = ARCHITECTURES[facts.arch];
  if (!architecture) throw new Error(`hyperlab runs machines on x64 and arm64 hosts, not on ${facts.arch}`);
  const unprivileged = facts.isRoot ? [] : [UNPRIVILEGED];
  const tests = facts.runsTests === true ? TEST_NEEDS : [];
  const missing = [...NEEDS, architecture.qemu, ...unprivileged, ...tests]
    .filter((need) => facts.buildsImage || need.forImage !== true)
    .filter((need) => !need.anyOf.some((program) => facts.hasProgram(program)))
    .map((need) => need.package);
  const firmware = FIRMWARE_FILES[architecture.firmware] ?? [];
  if (!firmware.some((path) => facts.hasFile(path))) missing.push(architecture.firmware);
  if (missing.includes("mmdebstrap") && !facts.hasFile(KEYRING_FILE)) missing.push("debian-archive-keyring");
  return missing.sort();
}

/** How commands of root can be run here: as root, by sudo without a question, by sudo with one, or not at all. */
export type InstallRight = "root" | "sudo" | "sudo-asks" | "none";

export interface InstallFacts {
  missing: readonly string[];
  /** From /etc/os-release: `debian`, `ubuntu debian`, `fedora` … */
  osFamily: readonly string[];
  right: InstallRight;
}

export type InstallPlan =
  | { kind: "nothing" }
  | { kind: "install"; commands: string[][]; asks: boolean }
  | { kind: "refuse"; problem: string; fix: string };

/** Commands as people type them. */
export const installCommands = (packages: readonly string[]): string[][] => [
  ["apt-get", "update"],
  ["apt-get", "install", "-y", "--no-install-recommends", ...packages],
];

/** Decides how missing packages come to be there. */
export function planInstall(facts: InstallFacts): InstallPlan {
  if (facts.missing.length === 0) return { kind: "nothing" };
  const commands = installCommands(facts.missing);
  const problem = `these packages are missing on this machine: ${facts.missing.join(" ")}`;
  if (!facts.osFamily.some((name) => name === "debian" || name === "ubuntu")) {
    return { kind: "refuse", problem, fix: commandsElsewhere(facts.osFamily, facts.missing) };
  }
  const sudo = (command: string[]): string[] => ["sudo", ...command];
  switch (facts.right) {
    case "root":
      return { kind: "install", commands, asks: false };
    case "sudo":
      return {
        kind: "install",
        commands: commands.map((command) => ["sudo", "-n", ...command]),
        asks: false,
      };
    case "sudo-asks":
      return { kind: "install", commands: commands.map(sudo), asks: true };
    case "none":
      return {
        kind: "refuse",
        problem,
        fix: commands.map((command) => sudo(command).join(" ")).join(" && "),
      };
    default:
      return facts.right satisfies never;
  }
}

/** `ID` and `ID_LIKE` of /etc/os-release. */
export function parseOsFamily(text: string): string[] {
  const value = (key: string): string => new RegExp(`^${key}=["']?([^"'\\n]*)`, "m").exec(text)?.[1] ?? "";
  return `${value("ID")} ${value("ID_LIKE")}`.split(/\s+/).filter((word) => word !== "");
}
