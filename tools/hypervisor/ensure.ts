import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createLibvirtClient } from "../../providers/libvirt/client/index.ts";
import type { Finding } from "../preflight/finding.ts";
import { refuse } from "../preflight/refusal.ts";
import { findProgram } from "../process/find-program.ts";
import { run } from "../process/run.ts";
import type { Reporter } from "../report/progress.ts";
import { LIBVIRT_SOCKET, planDaemon, serviceFix, socketState, waitForSocket } from "./daemon.ts";
import { accessFix, kvmDeviceFinding, qemuUserMayOpen, readKvmDevice } from "./kvm-device.ts";
import { type KvmResult, probeKvm } from "./kvm-probe.ts";
import {
  DRIVER_PACKAGES,
  type InstallRight,
  missingPackages,
  parseOsFamily,
  planInstall,
} from "./packages.ts";

const SOCKET_DEADLINE_MS = 30_000;

export interface HypervisorOptions {
  cache: string;
  report: Reporter;
  /** A person at a terminal can be asked for a password. */
  interactive: boolean;
  /** An image is built on this machine. Default: true. */
  buildsImage?: boolean;
  /** Tests are about to run; they need more than machines do. Default: false. */
  runsTests?: boolean;
  /** Socket of the daemon. Default: the system's. */
  socket?: string;
}

export interface HypervisorState {
  kvm: KvmResult;
  /** What is not as it should be and does not stop anything. */
  findings: Finding[];
}

/**
 * Sets up libvirt, QEMU and the image tools on this machine where they are missing, starts the daemon, and finds out
 * whether KVM works. Quick where everything is there.
 * @throws Refusal where rights are missing, with the commands to type.
 */
export async function ensureHypervisor(options: HypervisorOptions): Promise<HypervisorState> {
  await ensurePackages(options);
  await startHypervisor(options);
  const findings = await mendKvmDevice(options.report);
  const around = (attempt: () => Promise<KvmResult>) =>
    options.report.step("Trying whether KVM runs a machine", attempt);
  return { kvm: await probeKvm({ cache: options.cache, around }), findings };
}

/**
 * Starts the daemon where it does not run; installs nothing.
 * @throws Refusal where rights are missing or it does not serve us, with the commands to type.
 */
export async function startHypervisor(options: Pick<HypervisorOptions, "report" | "socket">): Promise<void> {
  await ensureDaemon(options);
  await mustServeUs();
}

const isRoot = (): boolean => process.getuid?.() === 0;

async function ensurePackages(options: HypervisorOptions): Promise<void> {
  const installed = {
    arch: process.arch,
    isRoot: isRoot(),
    buildsImage: options.buildsImage ?? true,
    runsTests: options.runsTests ?? false,
    hasProgram: (name: string) => findProgram(name) !== undefined,
    hasFile: (path: string) => existsSync(path),
  };
  const missing = missingPackages(installed);
  if (missing.length === 0) return;
  const osFamily = parseOsFamily(
    existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "",
  );
  const right = await installRight(options.interactive);
  const plan = planInstall({ missing: [...missing, ...(await driverPackages(missing))], osFamily, right });
  if (plan.kind === "nothing") return;
  if (plan.kind === "refuse") refuse("packages", plan.problem, plan.fix);
  options.report.line(`Missing on this machine: ${missing.join(" ")}`);
  if (plan.asks) {
    options.report.line(
      `They are installed with: ${plan.commands.map((command) => command.join(" ")).join(" && ")}`,
    );
    // sudo asks at the terminal itself and keeps its answer for the commands that follow.
    if (spawnSync("sudo", ["-v"], { stdio: "inherit" }).status !== 0) {
      refuse(
        "packages",
        plan.commands.length > 0 ? "sudo was not allowed" : "",
        plan.commands.map((c) => c.join(" ")).join(" && "),
      );
    }
  }
  await options.report.step("Installing libvirt, QEMU and the image tools", async (step) => {
    for (const command of plan.commands) await mustRun(command, (line) => step.detail(line));
  });
  const still = missingPackages(installed);
  if (still.length > 0) {
    refuse(
      "packages",
      `these packages were installed, but their programs are not found: ${still.join(" ")}`,
      "look at the output of apt-get install for them",
    );
  }
}

/** Packages of drivers that exist in this release, where the daemon itself is about to be installed. */
async function driverPackages(missing: readonly string[]): Promise<string[]> {
  if (!missing.includes("libvirt-daemon-system") || findProgram("apt-cache") === undefined) return [];
  const known = await Promise.all(DRIVER_PACKAGES.map((name) => run("apt-cache", ["show", name])));
  return DRIVER_PACKAGES.filter((_, index) => known[index]?.code === 0);
}

/** How commands of root can be run here. */
async function installRight(interactive: boolean): Promise<InstallRight> {
  if (isRoot()) return "root";
  if (findProgram("sudo") === undefined) return "none";
  if ((await run("sudo", ["-n", "true"], { timeoutMs: 10_000 })).code === 0) return "sudo";
  return interactive ? "sudo-asks" : "none";
}

async function mustRun(command: readonly string[], onLine: (line: string) => void): Promise<void> {
  const [program, ...args] = command;
  if (program === undefined) return;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  const result = await run(program, args, { env, onLine });
  if (result.code === 0) return;
  const tail = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-10).join("\n");
  throw new Error(`\`${command.join(" ")}\` ended with ${result.code}:\n${tail}`);
}

async function ensureDaemon(options: Pick<HypervisorOptions, "report" | "socket">): Promise<void> {
  const socket = options.socket ?? LIBVIRT_SOCKET;
  const state = await socketState(socket);
  const systemd = existsSync("/run/systemd/system");
  const plan = planDaemon({
    socket: state,
    systemd,
    units: state === "absent" && systemd ? await systemdUnits() : [],
    right: state === "absent" ? await installRight(false) : "none",
    hasProgram: (name) => findProgram(name) !== undefined,
  });
  if (plan.kind === "runs") return;
  if (plan.kind === "refuse") refuse("libvirt", plan.problem, plan.fix);
  await options.report.step("Starting libvirt", async () => {
    for (const [program, ...args] of plan.commands) {
      if (program !== undefined) await mustRun([findProgram(program) ?? program, ...args], () => undefined);
    }
    await waitForSocket(socket, SOCKET_DEADLINE_MS);
  });
}

/** A socket that can be opened proves no right: the daemon asks for authorisation afterwards. */
async function mustServeUs(): Promise<void> {
  const client = createLibvirtClient("qemu:///system");
  try {
    await client.nodeGetInfo();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    refuse("libvirt", `libvirt runs, but does not serve you: ${text}`, serviceFix(text));
  } finally {
    await client.close();
  }
}

async function systemdUnits(): Promise<string[]> {
  const result = await run("systemctl", ["list-unit-files", "--no-legend", "--plain", "libvirtd*", "virt*"]);
  return result.stdout.split("\n").flatMap((line) => line.split(/\s+/)[0] || []);
}

/** Gives libvirt's QEMU user access to /dev/kvm where we are root; says what to do where we are not. */
async function mendKvmDevice(report: Reporter): Promise<Finding[]> {
  const before = readKvmDevice();
  const finding = kvmDeviceFinding(before);
  if (!finding) return [];
  const fix = accessFix(before);
  if (!isRoot() || !fix) return [finding];
  for (const command of fix) await mustRun(command.split(" "), () => undefined);
  if (qemuUserMayOpen(readKvmDevice()) !== true) return [finding];
  report.line(
    `Gave libvirt's user access to /dev/kvm (${fix.join(" && ")}); without it each machine costs 4 to 12 s more`,
  );
  return [];
}
