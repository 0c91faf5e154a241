import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planDaemon, serviceFix } from "../../../tools/hypervisor/daemon.ts";
import {
  accessFix,
  kvmDeviceFinding,
  parseGroups,
  qemuUserMayOpen,
} from "../../../tools/hypervisor/kvm-device.ts";
import { parseCached, probeFirmware } from "../../../tools/hypervisor/kvm-probe.ts";
import { missingPackages, parseOsFamily, planInstall } from "../../../tools/hypervisor/packages.ts";

const nothing = {
  arch: "x64",
  isRoot: true,
  buildsImage: true,
  hasProgram: () => false,
  hasFile: () => false,
};
const everything = {
  arch: "x64",
  isRoot: true,
  buildsImage: true,
  hasProgram: () => true,
  hasFile: () => true,
};

describe("packages", () => {
  it("asks for nothing where everything is there", () => {
    expect(missingPackages(everything)).toEqual([]);
  });

  it("names all of them on a bare machine", () => {
    const missing = missingPackages(nothing);
    expect(missing).toEqual([...missing].sort());
    for (const name of [
      "libvirt-daemon-system",
      "qemu-system-x86",
      "qemu-utils",
      "dnsmasq-base",
      "mmdebstrap",
      "ovmf",
      "xorriso",
      "mtools",
    ]) {
      expect(missing).toContain(name);
    }
    expect(missingPackages({ ...nothing, arch: "arm64" })).toContain("qemu-system-arm");
  });

  it("asks for what tests need only where tests run", () => {
    const absent = ["sshd", "swtpm", "swtpm_setup", "python3", "systemd-socket-activate"];
    const hasProgram = (name: string): boolean => !absent.includes(name);
    expect(missingPackages({ ...everything, hasProgram })).toEqual([]);
    expect(missingPackages({ ...everything, hasProgram, runsTests: true })).toEqual([
      "openssh-server",
      "python3",
      "swtpm",
      "swtpm-tools",
      "systemd",
    ]);
  });

  it("takes any of several programs", () => {
    const hasProgram = (name: string): boolean => !["xorriso", "libvirtd"].includes(name);
    expect(missingPackages({ ...everything, hasProgram })).toEqual([]);
  });

  it("asks for ranges of user ids where the user is not root", () => {
    const hasProgram = (name: string): boolean => name !== "newuidmap";
    expect(missingPackages({ ...everything, hasProgram })).toEqual([]);
    expect(missingPackages({ ...everything, hasProgram, isRoot: false })).toEqual(["uidmap"]);
  });

  it("refuses an architecture without machines", () => {
    expect(() => missingPackages({ ...everything, arch: "s390x" })).toThrow(/x64 and arm64/);
  });

  it("installs as root or by sudo, and gives the commands where neither works", () => {
    const facts = { missing: ["qemu-utils"], osFamily: ["debian"] };
    const install = ["apt-get", "install", "-y", "--no-install-recommends", "qemu-utils"];
    expect(planInstall({ ...facts, right: "root" })).toEqual({
      kind: "install",
      asks: false,
      commands: [["apt-get", "update"], install],
    });
    expect(planInstall({ ...facts, right: "sudo" })).toMatchObject({
      asks: false,
      commands: [
        ["sudo", "-n", "apt-get", "update"],
        ["sudo", "-n", ...install],
      ],
    });
    expect(planInstall({ ...facts, right: "sudo-asks" })).toMatchObject({ asks: true });
    expect(planInstall({ ...facts, right: "none" })).toEqual({
      kind: "refuse",
      problem: "these packages are missing on this machine: qemu-utils",
      fix: "sudo apt-get update && sudo apt-get install -y --no-install-recommends qemu-utils",
    });
    expect(planInstall({ ...facts, missing: [], right: "none" })).toEqual({ kind: "nothing" });
  });

  it("asks for no image tools where no image is built", () => {
    const missing = missingPackages({ ...nothing, buildsImage: false, isRoot: false });
    expect(missing).toContain("libvirt-daemon-system");
    for (const name of ["mmdebstrap", "mtools", "debian-archive-keyring", "uidmap"])
      expect(missing).not.toContain(name);
  });

  it.each([
    [["fedora"], "sudo dnf install -y libvirt-client libvirt-daemon-kvm mmdebstrap qemu-img"],
    [
      ["manjaro", "arch"],
      "sudo pacman -S --needed libvirt qemu-img; your distribution itself has no mmdebstrap: take it from its users' archive or from Debian",
    ],
    [
      ["opensuse-leap", "suse", "opensuse"],
      "sudo zypper install libvirt-client libvirt-daemon-qemu qemu-tools;",
    ],
    [["void"], "by your distribution's means"],
  ])("gives the commands of a distribution without apt: %j", (osFamily, fix) => {
    const missing = ["libvirt-clients", "libvirt-daemon-system", "mmdebstrap", "qemu-utils"];
    expect(planInstall({ missing, osFamily, right: "root" })).toMatchObject({
      kind: "refuse",
      problem: `these packages are missing on this machine: ${missing.join(" ")}`,
      fix: expect.stringContaining(fix),
    });
  });

  it("reads the family of a distribution", () => {
    expect(parseOsFamily('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n')).toEqual(["ubuntu", "debian"]);
    expect(parseOsFamily('ID="rocky"\nID_LIKE="rhel centos fedora"\n')).toEqual([
      "rocky",
      "rhel",
      "centos",
      "fedora",
    ]);
    expect(parseOsFamily("")).toEqual([]);
  });
});

describe("the daemon", () => {
  const facts = {
    socket: "absent",
    systemd: false,
    units: [],
    right: "root",
    hasProgram: () => true,
  } as const;

  it("is left alone where it answers", () => {
    expect(planDaemon({ ...facts, socket: "answers" })).toEqual({ kind: "runs" });
  });

  it("names the group where the socket is closed to this user", () => {
    expect(planDaemon({ ...facts, socket: "denied" })).toMatchObject({
      kind: "refuse",
      fix: expect.stringContaining("usermod -aG libvirt"),
    });
  });

  it("is started by systemd's sockets, monolithic or modular, or by hand", () => {
    const commands = (more: Partial<Parameters<typeof planDaemon>[0]>) => {
      const plan = planDaemon({ ...facts, ...more });
      return plan.kind === "start" ? plan.commands.map((command) => command.join(" ")) : plan;
    };
    expect(commands({ systemd: true, units: ["libvirtd.socket"] })).toEqual([
      "systemctl enable --now libvirtd.socket",
    ]);
    expect(
      commands({ systemd: true, units: ["virtqemud.socket", "virtproxyd.socket", "virtlogd.socket"] }),
    ).toEqual(["systemctl enable --now virtqemud.socket virtproxyd.socket virtlogd.socket"]);
    expect(commands({})).toEqual(["virtlogd -d", "libvirtd -d"]);
    expect(commands({ hasProgram: (name: string) => name === "libvirtd" })).toEqual(["libvirtd -d"]);
    expect(commands({ systemd: true, units: ["libvirtd.socket"], right: "sudo" })).toEqual([
      "sudo -n systemctl enable --now libvirtd.socket",
    ]);
  });

  it("tells an ordinary user what to type", () => {
    for (const right of ["none", "sudo-asks"] as const)
      expect(planDaemon({ ...facts, right })).toMatchObject({
        kind: "refuse",
        fix: "sudo virtlogd -d && sudo libvirtd -d",
      });
    expect(planDaemon({ ...facts, hasProgram: () => false })).toMatchObject({ kind: "refuse" });
  });
});

describe("a daemon that answers and refuses", () => {
  it.each([
    ["authentication unavailable: no polkit agent available", "usermod -aG libvirt"],
    ["no connection driver available for qemu:///system", "libvirt-daemon-driver-qemu"],
    ["internal error", "journalctl"],
  ])("%s: %s", (text, fix) => {
    expect(serviceFix(text)).toContain(fix);
  });
});

describe("access to /dev/kvm", () => {
  const qemuUser = { name: "libvirt-qemu", uid: 64055, gids: [108] };
  const node = (mode: number, uid = 0, gid = 0) => ({ mode, uid, gid });

  it.each([
    [node(0o600), false],
    [node(0o660, 0, 108), true],
    [node(0o660, 0, 5), false],
    [node(0o666), true],
    [node(0o640, 0, 108), false],
    [node(0o600, 64055), true],
  ])("%j opens for QEMU's user: %s", (facts, expected) => {
    expect(qemuUserMayOpen({ node: facts, qemuUser })).toBe(expected);
  });

  it("is not known without the device or the user", () => {
    expect(qemuUserMayOpen({ qemuUser })).toBeUndefined();
    expect(qemuUserMayOpen({ node: node(0o600) })).toBeUndefined();
    expect(kvmDeviceFinding({ node: node(0o600) })).toBeUndefined();
  });

  it("is mended by the group", () => {
    expect(accessFix({ node: node(0o600), qemuUser, kvmGid: 108 })).toEqual([
      "chown root:kvm /dev/kvm",
      "chmod 0660 /dev/kvm",
    ]);
    expect(accessFix({ node: node(0o600), qemuUser: { ...qemuUser, gids: [1] }, kvmGid: 108 })?.[0]).toBe(
      "usermod -aG kvm libvirt-qemu",
    );
    expect(kvmDeviceFinding({ node: node(0o600), qemuUser })?.fix).toContain("create the group kvm");
  });

  it("reads groups and never throws", () => {
    expect(parseGroups("kvm:x:108:libvirt-qemu,ada\nbroken\n:x:1:\n")).toEqual([
      { name: "kvm", gid: 108, members: ["libvirt-qemu", "ada"] },
    ]);
    fc.assert(fc.property(fc.string(), (text) => void parseGroups(text)));
  });
});

describe("the KVM probe", () => {
  it("boots firmware whose reset vector jumps to its start", () => {
    const firmware = probeFirmware();
    expect(firmware).toHaveLength(65_536);
    expect([...firmware.subarray(65_520, 65_525)]).toEqual([0xea, 0, 0, 0, 0xf0]);
  });

  it("keeps a result only for the same boot, QEMU and device", () => {
    const identity = { bootId: "b", qemu: "q", device: "d" };
    const text = JSON.stringify({ ...identity, usable: false, reason: "hangs" });
    expect(parseCached(text, identity)).toEqual({ usable: false, reason: "hangs" });
    for (const other of [
      { ...identity, bootId: "c" },
      { ...identity, qemu: "r" },
      { ...identity, device: "e" },
    ]) {
      expect(parseCached(text, other)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (content) => void parseCached(content, identity)),
    );
  });
});
