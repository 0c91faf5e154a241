import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { eventually, must, run } from "./program.ts";

const URI = ["-q", "-c", "qemu:///system"] as const;
const virsh = (...args: string[]) => must("virsh", [...URI, ...args]);

/** Where libvirt and we keep what belongs to machines, networks and pools. */
const FOLDERS = [
  "/etc/libvirt/qemu",
  "/etc/libvirt/storage",
  "/var/lib/libvirt/dnsmasq",
  "/var/lib/libvirt/images",
  "/var/lib/libvirt/qemu/nvram",
] as const;

/** What one machine is: another boot id after every boot, another disk after every rebuild. */
export interface MachineIdentity {
  readonly bootId: string;
  readonly disk: string;
}

/** Asks libvirt by its own command, as an administrator would: it must agree with what hyperlab says. */
export const hypervisor = {
  /** Everything that a host holds by name: domains, networks, pools, their files, network devices. */
  async inventory(): Promise<string[]> {
    const lists = await Promise.all([
      virsh("list", "--all", "--name"),
      virsh("net-list", "--all", "--name"),
      virsh("pool-list", "--all", "--name"),
      must("ip", ["-br", "link"]),
    ]);
    const names = lists.flatMap((text) => text.split("\n").map((line) => line.split(/\s/)[0] ?? ""));
    return [...names.filter((name) => name !== ""), ...FOLDERS.flatMap(filesOf)].sort();
  },

  /** Names of the domains of a cluster. */
  async domains(cluster: string): Promise<string[]> {
    const names = (await virsh("list", "--all", "--name")).split("\n");
    return names.filter((name) => name.startsWith(`${cluster}-`)).sort();
  },

  /** Names of the volumes of a pool, in order. */
  async volumes(pool: string): Promise<string[]> {
    const rows = (await virsh("vol-list", "--pool", pool)).split("\n");
    return rows
      .map((row) => row.trim().split(/\s+/)[0] ?? "")
      .filter((name) => name !== "")
      .sort();
  },

  /** Undefined for a machine that is off. */
  async identity(domain: string): Promise<MachineIdentity | undefined> {
    if ((await this.state(domain)) !== "running") return undefined;
    return { bootId: await bootId(domain), disk: await rootDisk(domain) };
  },

  /** Power state in libvirt's words, for example `running` or `shut off`. */
  async state(domain: string): Promise<string> {
    return virsh("domstate", domain);
  },

  /** Presses the power button. */
  async shutdown(domain: string): Promise<void> {
    await virsh("shutdown", domain);
  },

  /** Cuts the power. */
  async cutPower(domain: string): Promise<void> {
    await virsh("destroy", domain);
  },

  /** Starts a machine; its disks then move at most so many bytes a second. */
  async start(domain: string, diskBytesPerSecond?: number): Promise<void> {
    if (diskBytesPerSecond === undefined) {
      await virsh("start", domain);
      return;
    }
    await virsh("start", "--paused", domain);
    await this.limitDisks(domain, diskBytesPerSecond);
    await virsh("resume", domain);
  },

  /** Bounds what the disks of a running machine move; 0 takes the bound away. */
  async limitDisks(domain: string, bytesPerSecond: number): Promise<void> {
    for (const disk of ["vda", "vdb", "vdc"]) {
      const has = (await virsh("domblklist", domain)).includes(` ${disk} `);
      if (has)
        await virsh("blkdeviotune", "--live", domain, disk, "--total-bytes-sec", String(bytesPerSecond));
    }
  },

  /** The machine stands still while the time outside goes on. */
  async pause(domain: string): Promise<void> {
    await virsh("suspend", domain);
  },

  async resume(domain: string): Promise<void> {
    await virsh("resume", domain);
  },

  /** Whether a machine runs and its guest agent answers. */
  async answers(domain: string): Promise<boolean> {
    const ping = JSON.stringify({ execute: "guest-ping" });
    return (await run("virsh", [...URI, "qemu-agent-command", "--timeout", "5", domain, ping])).code === 0;
  },

  /** Runs a shell command as root in a guest and gives its output. */
  async shell(domain: string, command: string): Promise<string> {
    const started = await agent(domain, "guest-exec", {
      path: "/bin/sh",
      arg: ["-c", command],
      "capture-output": true,
    });
    const pid = field(started, "pid");
    const ended = await eventually(
      `"${command}" ends on ${domain}`,
      120,
      () => agent(domain, "guest-exec-status", { pid }),
      (status) => field(status, "exited") === true,
    );
    const output = Buffer.from(String(field(ended, "out-data") ?? ""), "base64").toString("utf8");
    if (field(ended, "exitcode") !== 0) throw new Error(`"${command}" failed on ${domain}: ${output}`);
    return output.trimEnd();
  },
};

function filesOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
}

/** File of the root disk in use. */
async function rootDisk(domain: string): Promise<string> {
  const lines = (await virsh("domblklist", domain)).split("\n");
  const line = lines.find((text) => text.trim().startsWith("vda"));
  return line?.trim().split(/\s+/)[1] ?? "";
}

async function bootId(domain: string): Promise<string> {
  const handle = await agent(domain, "guest-file-open", { path: "/proc/sys/kernel/random/boot_id" });
  const content = await agent(domain, "guest-file-read", { handle });
  await agent(domain, "guest-file-close", { handle });
  return Buffer.from(String(field(content, "buf-b64") ?? ""), "base64")
    .toString("utf8")
    .trim();
}

async function agent(domain: string, execute: string, args: Record<string, unknown>): Promise<unknown> {
  const command = JSON.stringify({ execute, arguments: args });
  const ended = await run("virsh", [...URI, "qemu-agent-command", domain, command]);
  if (ended.code !== 0) throw new Error(`the agent of ${domain} refused ${execute}: ${ended.output}`);
  return field(JSON.parse(ended.output), "return");
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}
