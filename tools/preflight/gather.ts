import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import { workParent } from "../../images/work.ts";
import type { KvmResult } from "../hypervisor/kvm-probe.ts";
import { findProgram } from "../process/find-program.ts";
import { run } from "../process/run.ts";
import { type Known, known, type MachineFacts, type UserNamespaces, unknown } from "./facts.ts";
import { readRoutes } from "./routes.ts";

/** Collects what the checks need to know of this machine. Changes nothing and asks for no password. */
export async function gatherFacts(options: {
  /** Folder of hyperlab's caches. */
  cache: string;
  poolPath: string;
  kvm: KvmResult;
  existingMachines: readonly string[];
}): Promise<MachineFacts> {
  return {
    routes: await readRoutes().then(known, (error: unknown) =>
      unknown(error instanceof Error ? error.message : String(error)),
    ),
    memoryAvailableMiB: memoryAvailable(),
    poolFreeMiB: freeSpace(options.poolPath),
    imageBuild: imageBuild(join(options.cache, "images")),
    kvm: options.kvm,
    firewall: await firewallRules(),
    docker: existsSync("/sys/class/net/docker0"),
    ufwEnabled: /^ENABLED=yes/m.test(textOf("/etc/ufw/ufw.conf")),
    firewalld: {
      running: existsSync("/run/firewalld.pid") || (await firewalldAnswers()),
      hasLibvirtZone: ["/etc", "/usr/lib"].some((folder) =>
        existsSync(`${folder}/firewalld/zones/libvirt.xml`),
      ),
    },
    bridgeTrafficIsFiltered: textOf("/proc/sys/net/bridge/bridge-nf-call-iptables").trim() === "1",
    userNamespaces: process.getuid?.() === 0 ? undefined : userNamespaces(userInfo().username),
    existingMachines: options.existingMachines,
  };
}

function userNamespaces(user: string): UserNamespaces {
  const setting = (name: string): string => textOf(`/proc/sys/kernel/${name}`).trim();
  const hasRange = (file: string): boolean =>
    textOf(file)
      .split("\n")
      .some((line) => line.startsWith(`${user}:`));
  return {
    user,
    // The setting exists on Debian only; elsewhere they are allowed.
    allowed: setting("unprivileged_userns_clone") !== "0",
    restricted:
      setting("apparmor_restrict_unprivileged_userns") === "1" && !existsSync("/etc/apparmor.d/mmdebstrap"),
    hasIdRange: hasRange("/etc/subuid") && hasRange("/etc/subgid"),
  };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Not there on this machine, which answers the question.
    return "";
  }
}

function memoryAvailable(): Known<number> {
  const kibibytes = /^MemAvailable:\s+(\d+) kB/m.exec(textOf("/proc/meminfo"))?.[1];
  return kibibytes === undefined
    ? unknown("/proc/meminfo does not say MemAvailable")
    : known(Math.floor(Number(kibibytes) / 1024));
}

/** Free space of the file system that a path is on, or will be on. */
function freeSpace(path: string): Known<number> {
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    const { bavail, bsize } = statfsSync(folder);
    return known(Math.floor((bavail * bsize) / (1024 * 1024)));
  } catch (error) {
    return unknown(error instanceof Error ? error.message : String(error));
  }
}

/** A build is to be expected where no image lies in the cache; the builder itself asks again in any case. */
function imageBuild(images: string): MachineFacts["imageBuild"] {
  if (existsSync(images) && readdirSync(images).some((name) => name.endsWith(".qcow2"))) return undefined;
  const folder = workParent(images);
  return { folder, freeMiB: freeSpace(folder) };
}

async function firewallRules(): Promise<MachineFacts["firewall"]> {
  const iptables = findProgram("iptables");
  if (iptables === undefined) return unknown("iptables is not installed");
  const chains = await Promise.all(
    ["FORWARD", "INPUT"].map((chain) => run(iptables, ["-S", chain], { timeoutMs: 10_000 })),
  );
  const [forward, input] = chains.map((chain) =>
    chain.code === 0 ? chain.stdout.trim().split("\n") : undefined,
  );
  if (!forward || !input) return unknown("only root can read the firewall's rules");
  return known({ forward, input });
}

async function firewalldAnswers(): Promise<boolean> {
  const client = findProgram("firewall-cmd");
  if (client === undefined) return false;
  return (await run(client, ["--state"], { timeoutMs: 10_000 })).stdout.trim() === "running";
}
