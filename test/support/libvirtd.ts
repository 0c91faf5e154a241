import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** A libvirtd of a test's own, with its own directories: it can be killed without touching the machine's daemon. */
export interface OwnLibvirtd {
  /** Its socket, reachable from everywhere on the machine. */
  readonly socket: string;
  readonly qemuUri: string;
  readonly testUri: string;
  /** A directory for the test's files; removed at the end. */
  readonly directory: string;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: it hangs, its socket stays. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Starts it again after kill and waits until it answers. */
  start(): Promise<void>;
  /** Ends the daemon and the guests that it left, and removes the directories. */
  stop(): Promise<void>;
}

/** The places that are compiled into libvirtd; a mount namespace puts our directories there. */
const places = {
  run: "/run/libvirt",
  lib: "/var/lib/libvirt",
  etc: "/etc/libvirt",
  cache: "/var/cache/libvirt",
  log: "/var/log/libvirt",
} as const;

const readyTimeoutMs = 100_000;

const daemonConfiguration = `auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
`;

/* Without systemd, virtlogd and security drivers: only what a guest under emulation needs. */
const qemuConfiguration = `user = "root"
group = "root"
stdio_handler = "file"
security_driver = "none"
cgroup_controllers = []
namespaces = []
`;

export interface OwnLibvirtdOptions {
  /**
   * `own` (default): a network namespace of its own, so bridges, subnets and firewall rules meet nobody's. `host`: the
   * machine's network, for guests that must be reached from it.
   */
  network?: "own" | "host";
}

/** Starts an own libvirtd. Needs root, libvirtd, unshare and ip; fails saying which is missing. */
export async function startOwnLibvirtd(options: OwnLibvirtdOptions = {}): Promise<OwnLibvirtd> {
  if (process.getuid?.() !== 0) throw new Error("an own libvirtd needs root: run the tests as root");
  const directory = await mkdtemp(join(tmpdir(), "hyperlab-libvirtd-"));
  try {
    await prepare(directory);
    const daemon = new Daemon(directory, options.network ?? "own");
    await daemon.start();
    return daemon;
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function prepare(directory: string): Promise<void> {
  for (const name of Object.keys(places)) await mkdir(join(directory, name), { mode: 0o755 });
  await writeFile(join(directory, "etc", "libvirtd.conf"), daemonConfiguration);
  await writeFile(join(directory, "etc", "qemu.conf"), qemuConfiguration);
  // The filters that libvirt's package brings.
  await cp(join(places.etc, "nwfilter"), join(directory, "etc", "nwfilter"), { recursive: true });
  // What the machine's daemon knows about its emulators: probing them again takes seconds.
  await cp(join(places.cache, "qemu"), join(directory, "cache", "qemu"), { recursive: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    },
  );
}

class Daemon implements OwnLibvirtd {
  readonly directory: string;
  readonly socket: string;
  readonly qemuUri: string;
  readonly testUri: string;
  readonly #network: "own" | "host";
  /** Descriptor that holds the network namespace: bridges outlive a daemon, as they do on a real host. */
  #networkNamespace: number | undefined;
  #process: ChildProcess | undefined;
  #said = "";

  constructor(directory: string, network: "own" | "host") {
    this.directory = directory;
    this.#network = network;
    this.socket = join(directory, "run", "libvirt-sock");
    this.qemuUri = `qemu+unix:///system?socket=${this.socket}`;
    this.testUri = `test+unix:///default?socket=${this.socket}`;
  }

  async start(): Promise<void> {
    const mounts = Object.entries(places)
      .map(([name, place]) => `mkdir -p ${place} && mount --bind "$1/${name}" ${place}`)
      .join(" && ");
    const daemon = `exec libvirtd --config ${places.etc}/libvirtd.conf --pid-file "$1/libvirtd.pid"`;
    const loopback = this.#network === "own" ? "ip link set lo up && " : "";
    const work = ["sh", "-c", `${loopback}${mounts} && ${daemon}`, "sh", this.directory];
    // nsenter, unshare, sh and libvirtd replace one another, so the process that we hold is the daemon itself.
    const [program = "", ...args] = [...this.#intoNamespaces(), ...work];
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    this.#said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-2_000);
    });
    let failure: Error | undefined;
    child.once("error", (error) => {
      failure = error;
    });
    const deadline = Date.now() + readyTimeoutMs;
    while (!(await answers(this.socket))) {
      if (failure !== undefined || child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`libvirtd did not start (${failure?.message ?? child.exitCode}): ${this.#said}`);
      }
      if (Date.now() > deadline)
        throw new Error(`libvirtd was not ready in ${readyTimeoutMs} ms: ${this.#said}`);
      await delay(20);
    }
    if (this.#network === "own") this.#networkNamespace ??= openSync(`/proc/${child.pid}/ns/net`, "r");
  }

  #intoNamespaces(): string[] {
    if (this.#network === "host") return ["unshare", "--mount"];
    if (this.#networkNamespace === undefined) return ["unshare", "--mount", "--net"];
    const namespace = `/proc/${process.pid}/fd/${this.#networkNamespace}`;
    return ["nsenter", `--net=${namespace}`, "unshare", "--mount"];
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    await this.#end("SIGKILL");
    await endProcesses(this.directory);
    if (this.#networkNamespace !== undefined) closeSync(this.#networkNamespace);
    this.#networkNamespace = undefined;
    await rm(this.directory, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }
}

/**
 * Guests and DHCP servers outlive their daemon. They are found by the mounts that they got from it: a daemon that was
 * started again forgets those of its predecessor.
 */
async function endProcesses(directory: string): Promise<void> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number)) {
    // A process may end between the list and the look.
    const mounts = await readFile(`/proc/${pid}/mountinfo`, "utf8").catch(() => "");
    if (!mounts.includes(`/${basename(directory)}/run ${places.run} `)) continue;
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  }
}

/** A daemon that has not finished its start accepts, but does not answer: so ask for the ways to authenticate. */
function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection({ path: socket });
    const finish = (ready: boolean) => {
      connection.destroy();
      resolve(ready);
    };
    const authList = Buffer.alloc(28);
    for (const [index, word] of [28, 0x2000_8086, 1, 66, 0, 1, 0].entries()) {
      authList.writeUInt32BE(word, index * 4);
    }
    connection.setTimeout(2_000, () => finish(false));
    connection.once("connect", () => connection.write(authList));
    connection.once("data", () => finish(true));
    connection.once("error", () => finish(false));
    connection.once("close", () => finish(false));
  });
}
