import { type ChildProcess, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "./program.ts";

/** Firmware of the host with its empty variables, by distribution. */
const FIRMWARE = [
  ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"],
  ["/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"],
] as const;

/** How a program in the guest ended. */
export interface GuestResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface GuestVmOptions {
  readonly name: string;
  readonly image: string;
  readonly userData: string;
  /** Size of the root disk, larger than the image's. */
  readonly diskGiB: number;
  /** A blank disk with serial `hyperlab-state`. */
  readonly stateDiskMiB?: number;
  /** File of the disk with the guest software, serial `hyperlab-guest`. */
  readonly guestDisk?: string;
  /** Let the machine reach the host's own servers, at 10.0.2.2. */
  readonly reachesHost?: boolean;
}

/** One virtual machine of plain QEMU, without libvirt, spoken to through its guest agent. Emulated, so it runs anywhere. */
export class GuestVm {
  readonly folder = mkdtempSync(join(tmpdir(), "hyperlab-vm-"));
  readonly #options: GuestVmOptions;
  #process: ChildProcess | undefined;
  #instance = 1;

  constructor(options: GuestVmOptions) {
    this.#options = options;
  }

  /** What the guest wrote to its serial console. */
  console(): string {
    const file = join(this.folder, "console.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  #path(name: string): string {
    return join(this.folder, name);
  }

  /** Makes the disks and starts the machine; a second call starts the same disks again. */
  async start(): Promise<void> {
    const { image, diskGiB, stateDiskMiB, userData } = this.#options;
    if (!existsSync(this.#path("root.qcow2"))) {
      const overlay = ["create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2"];
      await must("qemu-img", [...overlay, this.#path("root.qcow2"), `${diskGiB}G`]);
      mkdirSync(this.#path("seed"));
      writeFileSync(this.#path("seed/user-data"), userData);
      writeFileSync(this.#path("seed/meta-data"), "{}\n");
      const iso = ["-as", "genisoimage", "-quiet", "-V", "CIDATA", "-J", "-r", "-o", this.#path("seed.iso")];
      await must("xorriso", [...iso, this.#path("seed")]);
      if (stateDiskMiB !== undefined) {
        await must("qemu-img", ["create", "-q", "-f", "raw", this.#path("state.raw"), `${stateDiskMiB}M`]);
      }
    }
    const firmware = FIRMWARE.find(([code]) => existsSync(code));
    if (firmware === undefined) throw new Error("no UEFI firmware is installed: apt-get install ovmf");
    if (!existsSync(this.#path("vars.fd"))) copyFileSync(firmware[1], this.#path("vars.fd"));
    this.#process = spawn("qemu-system-x86_64", this.#arguments(firmware[0]), {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }

  #arguments(firmware: string): string[] {
    const { name, stateDiskMiB, guestDisk, reachesHost } = this.#options;
    // The disks are thrown away with the machine: nothing waits until the host has them safe.
    const disk = (file: string, format: string, serial: string, more = "") => [
      "-drive",
      `file=${file},if=none,id=${serial},format=${format},cache=unsafe${more}`,
      "-device",
      `virtio-blk-pci,drive=${serial},serial=${serial}`,
    ];
    return [
      ...["-name", name, "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"],
      ...["-m", "1536", "-display", "none", "-nodefaults", "-no-reboot"],
      ...["-smbios", `type=1,serial=ds=nocloud;h=${name};i=instance-${this.#instance}`],
      ...["-drive", `if=pflash,format=raw,readonly=on,file=${firmware}`],
      ...["-drive", `if=pflash,format=raw,file=${this.#path("vars.fd")}`],
      ...disk(this.#path("root.qcow2"), "qcow2", "root"),
      ...disk(this.#path("seed.iso"), "raw", "seed", ",readonly=on"),
      ...(stateDiskMiB === undefined ? [] : disk(this.#path("state.raw"), "raw", "hyperlab-state")),
      ...(guestDisk === undefined ? [] : disk(guestDisk, "raw", "hyperlab-guest", ",readonly=on")),
      ...[
        "-netdev",
        `user,id=net,restrict=${reachesHost === true ? "off" : "on"}`,
        "-device",
        "virtio-net-pci,netdev=net",
      ],
      ...[
        "-device",
        "virtio-serial",
        "-chardev",
        `socket,id=agent,path=${this.#path("agent")},server=on,wait=off`,
      ],
      ...["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"],
      ...["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"],
      ...["-serial", `file:${this.#path("console.log")}`],
      ...["-qmp", `unix:${this.#path("qmp")},server=on,wait=off`],
    ];
  }

  /** Whether the machine runs. */
  get running(): boolean {
    return (
      this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
    );
  }

  /** Waits until the guest agent answers. */
  async awaitAgent(seconds: number): Promise<void> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      if (!this.running) throw new Error(`${this.#options.name} ended; its console:\n${this.console()}`);
      try {
        await this.#ask("guest-ping", {}, 5);
        return;
      } catch (error) {
        if (Date.now() > end) {
          throw new Error(`no guest agent in ${seconds} s; the console:\n${this.console().slice(-4000)}`, {
            cause: error,
          });
        }
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  /** Asks the guest's `ready` until it is; every answer before says what is missing. */
  async awaitReady(): Promise<void> {
    for (let slices = 0; slices < 60; slices++) {
      const answer = await this.run("/usr/lib/hyperlab/ready", ["--slice-seconds", "10"]);
      if (answer.code === 0) return;
      if (answer.code !== 75 || answer.stdout.trim() === "") {
        throw new Error(`ready ended with ${answer.code}: ${answer.stdout}${answer.stderr}`);
      }
    }
    throw new Error("the machine is not ready after ten minutes");
  }

  /** Presses the power button. */
  async powerButton(): Promise<void> {
    const socket = await connect(this.#path("qmp"));
    try {
      await converse(socket, { execute: "qmp_capabilities" }, 10);
      await converse(socket, { execute: "system_powerdown" }, 10);
    } finally {
      socket.destroy();
    }
  }

  /** Waits until the machine is off. */
  async awaitOff(seconds: number): Promise<void> {
    const end = Date.now() + seconds * 1000;
    while (this.running) {
      if (Date.now() > end)
        throw new Error(`not off in ${seconds} s; the console:\n${this.console().slice(-4000)}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Runs a program in the guest, as the provider does. */
  async run(program: string, args: readonly string[], input?: string, seconds = 300): Promise<GuestResult> {
    const data = input === undefined ? {} : { "input-data": Buffer.from(input).toString("base64") };
    const started = await this.#ask("guest-exec", {
      path: program,
      arg: args,
      "capture-output": true,
      ...data,
    });
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const status = await this.#ask("guest-exec-status", { pid: started.pid });
      if (status.exited === true) {
        const text = (key: string) => Buffer.from(String(status[key] ?? ""), "base64").toString("utf8");
        return { code: Number(status.exitcode ?? -1), stdout: text("out-data"), stderr: text("err-data") };
      }
      if (Date.now() > end) throw new Error(`${program} did not end in ${seconds} s`);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  /** Runs a shell command that must succeed, and gives its output. */
  async shell(command: string, seconds = 300): Promise<string> {
    const result = await this.run("/bin/sh", ["-c", command], undefined, seconds);
    if (result.code !== 0)
      throw new Error(`${command} ended with ${result.code}: ${result.stderr}${result.stdout}`);
    return result.stdout.trimEnd();
  }

  async #ask(execute: string, args: object, seconds = 60): Promise<Record<string, unknown>> {
    const socket = await connect(this.#path("agent"));
    try {
      return await converse(socket, { execute, arguments: args }, seconds);
    } finally {
      socket.destroy();
    }
  }

  /** Ends the machine and removes everything of it. */
  async remove(): Promise<void> {
    const child = this.#process;
    if (child !== undefined && this.running) {
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function connect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path, () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Sends one command and waits for its answer; greetings and events are passed over. */
function converse(socket: Socket, command: object, seconds: number): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => finish(new Error(`no answer in ${seconds} s`)), seconds * 1000);
    const finish = (result: Record<string, unknown> | Error): void => {
      clearTimeout(timer);
      socket.off("data", take);
      socket.off("error", finish);
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    const take = (chunk: Buffer): void => {
      text += chunk.toString("utf8");
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const answer: unknown = JSON.parse(line);
        if (typeof answer !== "object" || answer === null) continue;
        if ("error" in answer) finish(new Error(JSON.stringify(answer.error)));
        else if ("return" in answer) {
          const value = answer.return;
          finish(typeof value === "object" && value !== null ? { ...value } : { value });
        }
      }
    };
    socket.on("data", take);
    socket.on("error", finish);
    socket.write(`${JSON.stringify(command)}\n`);
  });
}
