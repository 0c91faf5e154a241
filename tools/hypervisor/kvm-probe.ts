import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findProgram } from "../process/find-program.ts";
import { parseJsonObject } from "../process/json-object.ts";
import { run } from "../process/run.ts";

/** Whether KVM runs guests on this machine; `undefined` says that nobody could find out. */
export interface KvmResult {
  usable: boolean | undefined;
  /** Why, for people. */
  reason: string;
  /** What would make it usable or known, where it is not. */
  fix?: string;
}

const FIRMWARE_FIX =
  "turn on virtualisation in the firmware, or nested virtualisation of the outer host, and load the module kvm_intel or kvm_amd";

/** kvm-probe.S assembled: see there for what it does. */
const PROGRAM = Buffer.from(
  "+vwxwI7YjsC/ABC5ABjzq2bHBgAQAyAAAGbHBgAgAzAAAGbHBgAwgwAAAC5mDwEW0ABmuCAGAAAPIuBmuAAQAAAPIthmuYAAAMAPMmYNAAEAAA8w" +
    "DyDAZoPg+2YNAwAAgA8iwGbqbAAPAAgAMcC5AMLrC0iDwANI/8l190g9AEbDI3UxugMAAADyDyrC8g9YwPIPLNCD+gZ1G9vj2ejYwNscJQCAAACD" +
    "PCUAgAAAAnUEsCHm9DDA5vT06/0PH0AAAAAAAAAAAAAAAAAAAJogAA8AwAAPAA==",
  "base64",
);
/** A far jump to the program, where the processor starts. */
const RESET_VECTOR = Buffer.from([0xea, 0x00, 0x00, 0x00, 0xf0]);
const FIRMWARE_BYTES = 65_536;
/** isa-debug-exit turns the program's 0x21 into this exit code of QEMU. */
const SUCCESS = (0x21 << 1) | 1;
/** Real KVM and QEMU's emulation both need under a second. */
const DEADLINE_MS = 10_000;

/** The firmware that the probe boots. */
export function probeFirmware(): Buffer {
  const firmware = Buffer.alloc(FIRMWARE_BYTES, 0xf4);
  PROGRAM.copy(firmware, 0);
  RESET_VECTOR.copy(firmware, FIRMWARE_BYTES - 16);
  return firmware;
}

/** Runs the probe program under an accelerator; true where it computed the right results in time. */
export async function runsUnder(
  qemu: string,
  accelerator: "kvm" | "tcg",
  deadlineMs = DEADLINE_MS,
): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), "hyperlab-probe-"));
  const firmware = join(folder, "firmware.bin");
  try {
    await writeFile(firmware, probeFirmware());
    const machine = [
      "-machine",
      "q35",
      "-m",
      "16",
      "-nodefaults",
      "-no-user-config",
      "-no-reboot",
      "-display",
      "none",
    ];
    const exit = ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"];
    const args = ["-accel", accelerator, ...machine, "-bios", firmware, ...exit];
    const result = await run(qemu, args, { timeoutMs: deadlineMs });
    return !result.timedOut && result.code === SUCCESS;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the probe's result depends on; a change of any of it asks for a new probe. */
export interface ProbeIdentity {
  bootId: string;
  /** Path, size and time of QEMU's binary. */
  qemu: string;
  /** Mode, owner and group of /dev/kvm, and who asks. */
  device: string;
}

export interface ProbeOptions {
  cache: string;
  device?: string;
  /** QEMU to run. Default: qemu-system-x86_64 on PATH. */
  qemu?: string | undefined;
  /** Called around the attempt where no result is kept, which takes up to some seconds: to show that it goes on. */
  around?: (attempt: () => Promise<KvmResult>) => Promise<KvmResult>;
}

/**
 * Finds out whether KVM runs guests, by running one with a deadline. A device node proves nothing: on some virtual
 * machines it is there and guests hang. The answer is kept per boot and version of QEMU.
 */
export async function probeKvm(options: ProbeOptions): Promise<KvmResult> {
  const device = options.device ?? "/dev/kvm";
  if (process.arch !== "x64")
    return {
      usable: undefined,
      reason: `there is no KVM probe for ${process.arch} yet`,
      fix: "set `hypervisor: kvm` in the cluster file where you know that it works",
    };
  if (!existsSync(device))
    return { usable: false, reason: `this machine has no ${device}`, fix: FIRMWARE_FIX };
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
  } catch {
    return {
      usable: undefined,
      reason: `you may not open ${device}, so it could not be tried`,
      fix: "sudo usermod -aG kvm $USER, then log in again",
    };
  }
  const qemu = options.qemu ?? findProgram("qemu-system-x86_64");
  if (qemu === undefined)
    return {
      usable: undefined,
      reason: "QEMU is not installed, so KVM could not be tried",
      fix: "install qemu-system-x86_64",
    };
  const cacheFile = join(options.cache, "hypervisor", "kvm-probe.json");
  const identity = probeIdentity(qemu, device);
  const known = readCached(cacheFile, identity);
  if (known) return known;
  const around = options.around ?? ((attempt) => attempt());
  const result = await around(() => probeNow(qemu));
  writeCached(cacheFile, identity, result);
  return result;
}

async function probeNow(qemu: string): Promise<KvmResult> {
  if (await runsUnder(qemu, "kvm")) return { usable: true, reason: "a test program ran under KVM" };
  // Only where the same program runs without KVM has KVM failed, and not the probe.
  if (await runsUnder(qemu, "tcg")) {
    return {
      usable: false,
      reason: "a test program hangs or fails under KVM and runs under QEMU's own emulation",
      fix: FIRMWARE_FIX,
    };
  }
  return {
    usable: undefined,
    reason: "the test program runs neither under KVM nor under emulation; QEMU is broken",
    fix: `look at what \`${qemu} --version\` says, and install QEMU again`,
  };
}

function probeIdentity(qemu: string, device: string): ProbeIdentity {
  const binary = statSync(realpathSync(qemu));
  const node = statSync(device);
  return {
    bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    qemu: `${qemu} ${binary.size} ${binary.mtimeMs}`,
    device: `${node.mode} ${node.uid} ${node.gid} ${process.getuid?.() ?? 0}`,
  };
}

/** The kept result where it is for the same machine, boot and QEMU; anything else in the file counts as none. */
export function parseCached(text: string, identity: ProbeIdentity): KvmResult | undefined {
  const { usable, reason, fix, bootId, qemu, device } = parseJsonObject(text) ?? {};
  if (typeof usable !== "boolean" || typeof reason !== "string") return undefined;
  const same = bootId === identity.bootId && qemu === identity.qemu && device === identity.device;
  return same ? { usable, reason, ...(typeof fix === "string" ? { fix } : {}) } : undefined;
}

function readCached(file: string, identity: ProbeIdentity): KvmResult | undefined {
  return existsSync(file) ? parseCached(readFileSync(file, "utf8"), identity) : undefined;
}

function writeCached(file: string, identity: ProbeIdentity, result: KvmResult): void {
  if (result.usable === undefined) return;
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${randomBytes(4).toString("hex")}.tmp`;
  writeFileSync(temporary, JSON.stringify({ ...identity, ...result }));
  renameSync(temporary, file);
}
