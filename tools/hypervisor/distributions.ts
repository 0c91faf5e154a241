/** Names of Debian's packages in other distributions, for the commands that people type there. */
interface Distribution {
  /** `ID` or an entry of `ID_LIKE` in /etc/os-release. */
  ids: readonly string[];
  install: readonly string[];
  /** By Debian's name; what is absent has the same name, `undefined` stands for what the distribution does not have. */
  names: Readonly<Record<string, string | undefined>>;
}

const DISTRIBUTIONS: readonly Distribution[] = [
  {
    ids: ["fedora"],
    install: ["dnf", "install", "-y"],
    names: {
      "debian-archive-keyring": "debian-keyring",
      "dnsmasq-base": "dnsmasq",
      fdisk: "util-linux",
      iptables: "iptables-nft",
      "libvirt-clients": "libvirt-client",
      "libvirt-daemon-system": "libvirt-daemon-kvm",
      "openssh-client": "openssh-clients",
      ovmf: "edk2-ovmf",
      "qemu-efi-aarch64": "edk2-aarch64",
      "qemu-system-arm": "qemu-system-aarch64",
      "qemu-utils": "qemu-img",
      uidmap: "shadow-utils",
    },
  },
  {
    ids: ["arch"],
    install: ["pacman", "-S", "--needed"],
    names: {
      "dnsmasq-base": "dnsmasq",
      fdisk: "util-linux",
      "libvirt-clients": "libvirt",
      "libvirt-daemon-system": "libvirt",
      mmdebstrap: undefined,
      "openssh-client": "openssh",
      ovmf: "edk2-ovmf",
      "qemu-efi-aarch64": "edk2-aarch64",
      "qemu-system-arm": "qemu-system-aarch64",
      "qemu-utils": "qemu-img",
      uidmap: "shadow",
      xorriso: "libisoburn",
    },
  },
  {
    ids: ["suse", "opensuse"],
    install: ["zypper", "install"],
    names: {
      "debian-archive-keyring": undefined,
      "dnsmasq-base": "dnsmasq",
      fdisk: "util-linux",
      "libvirt-clients": "libvirt-client",
      "libvirt-daemon-system": "libvirt-daemon-qemu",
      mmdebstrap: undefined,
      "openssh-client": "openssh-clients",
      ovmf: "qemu-ovmf-x86_64",
      "qemu-efi-aarch64": "qemu-uefi-aarch64",
      "qemu-system-x86": "qemu-x86",
      "qemu-system-arm": "qemu-arm",
      "qemu-utils": "qemu-tools",
      uidmap: "shadow",
    },
  },
];

/**
 * What to type on a distribution without apt.
 * @param osFamily `ID` and `ID_LIKE` of /etc/os-release
 * @param packages Debian's names
 */
export function commandsElsewhere(osFamily: readonly string[], packages: readonly string[]): string {
  const found = DISTRIBUTIONS.find(({ ids }) => osFamily.some((id) => ids.includes(id)));
  if (found === undefined) {
    return "install libvirt, QEMU and the image tools by your distribution's means; the names are those of Debian";
  }
  const named = packages.map((name) => ({ name, here: name in found.names ? found.names[name] : name }));
  const here = [...new Set(named.flatMap((entry) => entry.here ?? []))].sort();
  const absent = named.flatMap((entry) => (entry.here === undefined ? [entry.name] : []));
  const command = here.length === 0 ? [] : [["sudo", ...found.install, ...here].join(" ")];
  const rest =
    absent.length === 0
      ? []
      : [
          `your distribution itself has no ${absent.join(" and no ")}: take it from its users' archive or from Debian`,
        ];
  return [...command, ...rest].join("; ");
}
