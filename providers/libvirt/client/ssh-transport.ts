import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { messageOf, pause, withinLimits } from "./limits.ts";
import { ConnectFailure, connectUnix, type Transport } from "./transport.ts";
import type { SshTarget } from "./uri.ts";

/**
 * One ssh process per host forwards a local socket to the daemon's socket; every connection is a channel of it. The host
 * needs sshd and libvirt, nothing else.
 *
 * The shell around ssh ends it and removes the directory when standard input closes, so that nothing stays even if this
 * process is killed. It runs in a process group of its own: an interrupt typed at the terminal must not cut the
 * connection while a resource is being finished.
 */
const supervisor = `
directory=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
ssh=$!
( read -r _ <&3; kill "$ssh" ) 2>/dev/null &
watcher=$!
wait "$ssh"; code=$?
kill "$watcher" 2>/dev/null
rm -rf -- "$directory"
exit "$code"`;

interface Tunnel {
  readonly socket: string;
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
  alive: boolean;
}

/** Arguments of ssh for a host: its own configuration and agent hold, and it never asks. */
export function sshArguments(target: SshTarget, localSocket: string, connectTimeoutMs: number): string[] {
  const option = (text: string) => ["-o", text];
  return [
    ...["-N", "-T", "-L", `${localSocket}:${target.socket}`],
    ...option("BatchMode=yes"),
    // The user's configuration may forward ports that another session holds; ours is seen to work or not.
    ...option("ExitOnForwardFailure=no"),
    ...option("StreamLocalBindMask=0177"),
    ...option(`ConnectTimeout=${Math.max(1, Math.ceil(connectTimeoutMs / 1000))}`),
    ...option("ServerAliveInterval=10"),
    ...option("ServerAliveCountMax=3"),
    // A shared master would keep the forwarding after we are gone; this process shares its own connection.
    ...option("ControlMaster=no"),
    ...option("ControlPath=none"),
    ...option("ForwardAgent=no"),
    ...option("ForwardX11=no"),
    ...option("RemoteCommand=none"),
    ...option("ClearAllForwardings=no"),
    ...(target.user === undefined ? [] : ["-l", target.user]),
    ...(target.port === undefined ? [] : ["-p", String(target.port)]),
    "--",
    target.host,
  ];
}

export function openSshTransport(target: SshTarget, connectTimeoutMs: number): Transport {
  const diagnostics = new DiagnosticTail();
  const closing = new AbortController();
  let opening: Promise<Tunnel> | undefined;

  const tunnel = (): Promise<Tunnel> => {
    opening ??= openTunnel(target, connectTimeoutMs, diagnostics, closing.signal).then(
      (opened) => {
        void opened.exited.then(() => {
          opening = undefined;
        });
        return opened;
      },
      (error: unknown) => {
        opening = undefined;
        throw error;
      },
    );
    return opening;
  };

  return {
    connect: async (signal): Promise<Socket> => {
      const opened = await withinLimits(tunnel(), { signal, deadline: undefined }, unreachable);
      return connectThrough(opened, signal);
    },
    diagnostics: async () => {
      await everythingRead();
      return diagnostics.text();
    },
    close: async () => {
      closing.abort(new Error("the client was closed"));
      const opened = await opening?.catch(() => undefined);
      if (opened === undefined) return;
      opened.process.stdin?.end();
      await opened.exited;
    },
  };
}

/** ssh makes its socket a moment before it listens at it, and leaves it a moment longer when it ends. */
async function connectThrough(tunnel: Tunnel, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    try {
      return await connectUnix(tunnel.socket, signal);
    } catch (error) {
      if (!tunnel.alive || !isRefused(error)) throw error;
    }
    await pause(20, signal);
  }
}

function isRefused(error: unknown): boolean {
  const cause = error instanceof ConnectFailure ? error.cause : undefined;
  return cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED";
}

/**
 * ssh says why before it closes a connection, but a write may fail before the event loop has come to what ssh said: after
 * this turn and one more it has been read.
 */
async function everythingRead(): Promise<void> {
  await turnOfEventLoop();
  await turnOfEventLoop();
}

function unreachable(): Error {
  return new Error("a wait without deadline cannot expire");
}

async function openTunnel(
  target: SshTarget,
  connectTimeoutMs: number,
  diagnostics: DiagnosticTail,
  signal: AbortSignal,
): Promise<Tunnel> {
  // The path of a socket may have 107 bytes: a long temporary directory leaves no room.
  const base = Buffer.byteLength(tmpdir()) > 70 ? "/tmp" : tmpdir();
  const directory = await mkdtemp(join(base, "hyperlab-ssh-"));
  await chmod(directory, 0o700);
  diagnostics.clear();
  const socket = join(directory, "libvirt-sock");
  const command = ["ssh", ...sshArguments(target, socket, connectTimeoutMs)];
  const child = spawn("/bin/sh", ["-c", supervisor, "hyperlab-ssh", directory, ...command], {
    stdio: ["pipe", "ignore", "pipe"],
    detached: true,
  });
  child.stdin?.on("error", () => {});
  child.stderr?.on("data", (chunk: Buffer) => diagnostics.add(chunk));
  const tunnel: Tunnel = { socket, process: child, exited: exitOf(child, directory), alive: true };
  void tunnel.exited.then(() => {
    tunnel.alive = false;
  });
  try {
    await waitForSocket(tunnel, target, connectTimeoutMs, diagnostics, signal);
    return tunnel;
  } catch (error) {
    child.stdin?.end();
    await tunnel.exited;
    throw error;
  }
}

function exitOf(child: ChildProcess, directory: string): Promise<void> {
  return new Promise((resolve) => {
    // Without a shell there is nobody else to remove the directory.
    child.once("error", () => void rm(directory, { recursive: true, force: true }).finally(resolve));
    child.once("close", () => resolve());
  });
}

/** ssh makes its socket when it is logged in. */
async function waitForSocket(
  tunnel: Tunnel,
  target: SshTarget,
  connectTimeoutMs: number,
  diagnostics: DiagnosticTail,
  signal: AbortSignal,
): Promise<void> {
  const where = describeTarget(target);
  const deadline = performance.now() + connectTimeoutMs;
  for (;;) {
    if (await exists(tunnel.socket)) return;
    if (!tunnel.alive) throw sshFailure(`ssh to ${where} failed`, diagnostics);
    if (performance.now() > deadline) {
      throw sshFailure(`ssh to ${where} was not ready within ${connectTimeoutMs} ms`, diagnostics);
    }
    await pause(20, signal);
  }
}

function sshFailure(what: string, diagnostics: DiagnosticTail): ConnectFailure {
  const said = diagnostics.text();
  const retryable = !/permission denied|host key verification failed|could not resolve/i.test(said);
  return new ConnectFailure(said === "" ? `${what}; ssh said nothing` : `${what}; ssh said: ${said}`, {
    retryable,
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw new ConnectFailure(`cannot look for ${path}: ${messageOf(error)}`, {
      retryable: false,
      cause: error,
    });
  }
}

export function describeTarget(target: SshTarget): string {
  const user = target.user === undefined ? "" : `${target.user}@`;
  return `${user}${target.host}${target.port === undefined ? "" : ` port ${target.port}`}`;
}

/** The last words of ssh. */
class DiagnosticTail {
  static readonly #limit = 2_000;
  #text = "";

  add(chunk: Buffer): void {
    this.#text = (this.#text + chunk.toString("utf8")).slice(-DiagnosticTail.#limit);
  }

  clear(): void {
    this.#text = "";
  }

  text(): string {
    return this.#text.trim().replaceAll(/\s*[\r\n]+\s*/g, "; ");
  }
}
