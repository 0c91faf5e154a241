/** An own sshd on 127.0.0.1 with temporary keys, as the user who runs the test. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { waitFor } from "./wait.ts";

export interface SshdOptions {
  /** Further lines of sshd_config; the first of a keyword counts. */
  readonly config?: readonly string[];
  readonly port?: number;
  /** Names of variables that clients may set. Default `TEST_* PULUMI_COMMAND_*`. */
  readonly acceptEnv?: string;
  /** Program of the sftp subsystem. Default internal-sftp. */
  readonly sftp?: string;
  /** Start later with `start`. Default: at once. */
  readonly stopped?: boolean;
}

/** Below the ports that the system gives to whoever asks for any (net.ipv4.ip_local_port_range). */
const firstPort = 20_000;
const endPort = 32_768;

/** Held as long as this process lives, so that no other test is given a port again. */
const claims: Server[] = [];

/** A port on which nobody listens, and which stays so until this process uses it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(firstPort, endPort);
    const claim = await listening(`\0hyperlab-test-port-${port}`);
    if (claim === undefined) continue;
    claims.push(claim.unref());
    const taken = await listening({ port, host: "127.0.0.1" });
    if (taken === undefined) continue;
    await new Promise((resolve) => taken.close(resolve));
    return port;
  }
}

/** Undefined where somebody else does so. */
function listening(at: string | { port: number; host: string }): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(undefined) : reject(error),
    );
    server.listen(at, () => resolve(server));
  });
}

/** Makes a key pair; returns the private key's file. */
export function makeKey(file: string, type = "ed25519", passphrase = ""): string {
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", passphrase, "-C", "test", "-f", file]);
  return file;
}

const sshdPath = () => {
  const path = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error("sshd is not installed; install the package openssh-server");
  return path;
};

export class Sshd {
  readonly folder: string;
  readonly port: number;
  readonly user = userInfo().username;
  /** Private key that may log in. */
  readonly privateKey: string;
  /** Public host key as connection.hostKey takes it. */
  readonly hostKey: string;
  #process: ChildProcess | undefined;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
    this.privateKey = readFileSync(join(folder, "client"), "utf8");
    this.hostKey = readFileSync(join(folder, "host.pub"), "utf8").trim();
  }

  static async start(options: SshdOptions = {}): Promise<Sshd> {
    const folder = await mkdtemp(join(tmpdir(), "sshd-"));
    const port = options.port ?? (await freePort());
    makeKey(join(folder, "host"));
    makeKey(join(folder, "client"));
    writeFileSync(join(folder, "authorized_keys"), readFileSync(join(folder, "client.pub")), { mode: 0o600 });
    const config = [
      ...(options.config ?? []),
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${join(folder, "host")}`,
      `AuthorizedKeysFile ${join(folder, "authorized_keys")}`,
      `PidFile ${join(folder, "pid")}`,
      "PermitRootLogin prohibit-password",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "StrictModes no",
      "UsePAM no",
      "MaxStartups 100",
      `Subsystem sftp ${options.sftp ?? "internal-sftp"}`,
      `AcceptEnv ${options.acceptEnv ?? "TEST_* PULUMI_COMMAND_*"}`,
    ];
    writeFileSync(join(folder, "sshd_config"), `${config.join("\n")}\n`);
    const sshd = new Sshd(folder, port);
    if (!options.stopped) await sshd.run();
    return sshd;
  }

  /** Starts the daemon and waits until it answers. */
  async run(): Promise<void> {
    // sshd run as root wants its directory for privilege separation.
    if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const child = spawn(sshdPath(), ["-D", "-e", "-f", join(this.folder, "sshd_config")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    let text = "";
    child.stderr.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const answers = () => {
      if (child.exitCode === null) return this.#answers();
      throw new Error(`sshd ended with ${child.exitCode}: ${text}`);
    };
    await waitFor(`answer of sshd on port ${this.port}`, answers);
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, "127.0.0.1");
      socket.once("data", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
    });
  }

  /** The connection of a command resource, with further fields. */
  connection<Fields extends object>(fields: Fields) {
    return {
      host: "127.0.0.1",
      port: this.port,
      user: this.user,
      privateKey: this.privateKey,
      dialErrorLimit: 0,
      ...fields,
    };
  }

  /** Ends the daemon; `run` starts it again on the same port with the same keys. */
  async end(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child !== undefined && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
    }
  }

  /** Ends the daemon and its connections and removes its folder. */
  async stop(): Promise<void> {
    await this.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
