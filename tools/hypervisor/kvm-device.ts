import { existsSync, readFileSync, statSync } from "node:fs";
import type { Finding } from "../preflight/finding.ts";

/** Who may open /dev/kvm, as its node and the user database say. */
export interface KvmDeviceFacts {
  /** Absent: the machine has no such device. */
  node?: { mode: number; uid: number; gid: number };
  /** The user that libvirt runs QEMU as; absent where it is not known. */
  qemuUser?: { name: string; uid: number; gids: number[] };
  /** Group id of `kvm`, where there is such a group. */
  kvmGid?: number;
}

/** Whether libvirt's QEMU user may read and write the device; undefined where that is not known. */
export function qemuUserMayOpen(facts: KvmDeviceFacts): boolean | undefined {
  const { node, qemuUser } = facts;
  if (!node || !qemuUser) return undefined;
  const bits =
    qemuUser.uid === node.uid
      ? node.mode >> 6
      : qemuUser.gids.includes(node.gid)
        ? node.mode >> 3
        : node.mode;
  return qemuUser.uid === 0 || (bits & 0o6) === 0o6;
}

/** Commands that give QEMU's user access by the group `kvm`; undefined where that would not help. */
export function accessFix(facts: KvmDeviceFacts): string[] | undefined {
  const { kvmGid, qemuUser } = facts;
  if (kvmGid === undefined || qemuUser === undefined) return undefined;
  const join = qemuUser.gids.includes(kvmGid) ? [] : [`usermod -aG kvm ${qemuUser.name}`];
  return [...join, "chown root:kvm /dev/kvm", "chmod 0660 /dev/kvm"];
}

/** The trap that a device without access makes every definition of a machine slow; undefined where there is none. */
export function kvmDeviceFinding(facts: KvmDeviceFacts): Finding | undefined {
  if (qemuUserMayOpen(facts) !== false) return undefined;
  const fix = accessFix(facts);
  return {
    check: "kvm-device",
    level: "warning",
    problem:
      `/dev/kvm may not be opened by ${facts.qemuUser?.name}, which libvirt runs machines as: ` +
      "libvirt then probes QEMU again at every use, 4 to 12 s each",
    fix: fix
      ? `as root: ${fix.join(" && ")}`
      : "create the group kvm, give it /dev/kvm (mode 0660), and put the user into it",
  };
}

const QEMU_USERS = ["libvirt-qemu", "qemu"];

/** Reads the facts of this machine. */
export function readKvmDevice(device = "/dev/kvm"): KvmDeviceFacts {
  const facts: KvmDeviceFacts = {};
  if (existsSync(device)) {
    const { mode, uid, gid } = statSync(device);
    facts.node = { mode: mode & 0o777, uid, gid };
  }
  const groups = parseGroups(readOr("/etc/group"));
  const kvm = groups.find((group) => group.name === "kvm");
  if (kvm) facts.kvmGid = kvm.gid;
  const configured = /^\s*user\s*=\s*"\+?([^"]+)"/m.exec(readOr("/etc/libvirt/qemu.conf"))?.[1];
  for (const name of configured ? [configured] : QEMU_USERS) {
    const user = parseUser(readOr("/etc/passwd"), name);
    if (!user) continue;
    const gids = groups.filter((group) => group.members.includes(name)).map((group) => group.gid);
    facts.qemuUser = { name, uid: user.uid, gids: [...new Set([user.gid, ...gids])] };
    break;
  }
  return facts;
}

function readOr(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Without libvirt installed, or not readable: then it is not known.
    return "";
  }
}

/** Lines of /etc/group. */
export function parseGroups(text: string): { name: string; gid: number; members: string[] }[] {
  return text.split("\n").flatMap((line) => {
    const [name, , gid, members] = line.split(":");
    if (!name || gid === undefined || !/^\d+$/.test(gid)) return [];
    return [
      { name, gid: Number(gid), members: (members ?? "").split(",").filter((member) => member !== "") },
    ];
  });
}

function parseUser(text: string, name: string): { uid: number; gid: number } | undefined {
  for (const line of text.split("\n")) {
    const [user, , uid, gid] = line.split(":");
    if (user === name && /^\d+$/.test(uid ?? "") && /^\d+$/.test(gid ?? ""))
      return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}
