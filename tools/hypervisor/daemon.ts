import { createConnection } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { InstallRight } from "./packages.ts";

/** Socket of the system's daemon. */
export const LIBVIRT_SOCKET = "/run/libvirt/libvirt-sock";
const GROUP_FIX = "sudo usermod -aG libvirt $USER, then log in again (or run: newgrp libvirt)";

/** How a socket answers. */
export type SocketState =
  | "answers"
  /** Nobody listens: the daemon does not run. */
  | "absent"
  /** Somebody listens, and this user may not talk to him. */
  | "denied";

/** Tries to connect to a daemon's socket. */
export function socketState(path: string = LIBVIRT_SOCKET): Promise<SocketState> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const end = (state: SocketState): void => {
      socket.destroy();
      resolve(state);
    };
    socket.setTimeout(2_000, () => end("absent"));
    socket.on("connect", () => end("answers"));
    socket.on("error", (error) => {
      const code = "code" in error ? error.code : undefined;
      end(code === "EACCES" || code === "EPERM" ? "denied" : "absent");
    });
  });
}

/**
 * Waits until the daemon's socket accepts connections.
 * @throws Error at the deadline, with the state that was seen last.
 */
export async function waitForSocket(path: string, deadlineMs: number): Promise<void> {
  const end = Date.now() + deadlineMs;
  let state = await socketState(path);
  while (state === "absent" && Date.now() < end) {
    await delay(100);
    state = await socketState(path);
  }
  if (state === "absent") {
    throw new Error(
      `libvirt does not answer on ${path} after ${deadlineMs / 1000} s; ` +
        "look at `journalctl -u libvirtd` or run `libvirtd --verbose` by hand to see why",
    );
  }
}

/** What the start of the daemon depends on. */
export interface DaemonFacts {
  socket: SocketState;
  /** systemd is the init system of this machine. */
  systemd: boolean;
  /** Unit files of libvirt that exist. */
  units: readonly string[];
  /** How commands of root can be run here; one who would have to be asked for a password types them himself. */
  right: InstallRight;
  hasProgram: (name: string) => boolean;
}

/** Units of the modular daemons; together they do what libvirtd does. */
const MODULAR_UNITS = [
  "virtqemud.socket",
  "virtnetworkd.socket",
  "virtstoraged.socket",
  "virtnodedevd.socket",
  "virtproxyd.socket",
  "virtlogd.socket",
];

/** How the daemon comes to run. */
export type DaemonPlan =
  | { kind: "runs" }
  | { kind: "start"; commands: string[][] }
  | { kind: "refuse"; problem: string; fix: string };

/** Decides how the daemon comes to run. */
export function planDaemon(facts: DaemonFacts): DaemonPlan {
  if (facts.socket === "answers") return { kind: "runs" };
  if (facts.socket === "denied") {
    return {
      kind: "refuse",
      problem: `you may not connect to libvirt (${LIBVIRT_SOCKET})`,
      fix: GROUP_FIX,
    };
  }
  const commands = startCommands(facts);
  if (commands === undefined) {
    return {
      kind: "refuse",
      problem: "libvirt does not run, and no daemon of it was found on this machine",
      fix: "install libvirt-daemon-system, or start your own build of libvirtd",
    };
  }
  if (facts.right === "root") return { kind: "start", commands };
  if (facts.right === "sudo")
    return { kind: "start", commands: commands.map((command) => ["sudo", "-n", ...command]) };
  return {
    kind: "refuse",
    problem: "libvirt does not run, and only root can start it",
    fix: commands.map((command) => `sudo ${command.join(" ")}`).join(" && "),
  };
}

/** What to do where the daemon answers and refuses to work for us, from its words. */
export function serviceFix(text: string): string {
  if (/auth|polkit|permission|denied/i.test(text)) return GROUP_FIX;
  if (/no connection driver/i.test(text))
    return "sudo apt-get install libvirt-daemon-driver-qemu, then restart libvirtd";
  return "look at `journalctl -u libvirtd`, and try `virsh -c qemu:///system nodeinfo`";
}

function startCommands(facts: DaemonFacts): string[][] | undefined {
  if (facts.systemd) {
    if (facts.units.includes("libvirtd.socket")) return [["systemctl", "enable", "--now", "libvirtd.socket"]];
    const modular = MODULAR_UNITS.filter((unit) => facts.units.includes(unit));
    if (modular.includes("virtqemud.socket")) return [["systemctl", "enable", "--now", ...modular]];
  }
  if (!facts.hasProgram("libvirtd")) return undefined;
  // virtlogd must be there first: libvirtd hands the consoles of machines to it.
  return [...(facts.hasProgram("virtlogd") ? [["virtlogd", "-d"]] : []), ["libvirtd", "-d"]];
}
