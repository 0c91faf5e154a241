import { createConnection, type Socket } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { abortReason, messageOf } from "./limits.ts";
import { openSshTransport } from "./ssh-transport.ts";
import type { LibvirtUri } from "./uri.ts";

/** Makes byte streams to a libvirt daemon. */
export interface Transport {
  /** One more stream. Rejects with ConnectFailure, or with the signal's reason. */
  connect(signal: AbortSignal): Promise<Socket>;
  /** What the transport's helper said up to now, for error messages; empty if there is none. */
  diagnostics(): Promise<string>;
  /** Ends the helper and removes what it made. */
  close(): Promise<void>;
}

/** A connection could not be made. `retryable`: it may succeed later without anybody changing anything. */
export class ConnectFailure extends Error {
  override readonly name = "ConnectFailure";
  readonly retryable: boolean;

  constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.retryable = options.retryable;
  }
}

export function openTransport(uri: LibvirtUri, connectTimeoutMs: number): Transport {
  if (uri.transport.kind === "ssh") return openSshTransport(uri.transport, connectTimeoutMs);
  const path = uri.transport.socket ?? sessionSocket(process.env, process.getuid?.());
  return {
    connect: (signal) => connectUnix(path, signal),
    diagnostics: async () => "",
    close: async () => {},
  };
}

/** Where a user's own daemon listens. */
export function sessionSocket(environment: NodeJS.ProcessEnv, uid: number | undefined): string {
  const runtime = environment.XDG_RUNTIME_DIR ?? (uid === undefined ? undefined : `/run/user/${uid}`);
  return runtime === undefined
    ? join(homedir(), ".cache", "libvirt", "libvirt-sock")
    : join(runtime, "libvirt", "libvirt-sock");
}

export function connectUnix(path: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(abortReason(signal));
    const socket = createConnection({ path });
    const onAbort = () => {
      socket.destroy();
      reject(abortReason(signal));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (error) => {
      signal.removeEventListener("abort", onAbort);
      reject(explainUnixFailure(path, error));
    });
  });
}

function explainUnixFailure(path: string, error: NodeJS.ErrnoException): ConnectFailure {
  const text = unixFailures[error.code ?? ""];
  return new ConnectFailure(text === undefined ? `socket ${path}: ${messageOf(error)}` : text(path), {
    retryable: error.code !== "EACCES" && error.code !== "EPERM",
    cause: error,
  });
}

const unixFailures: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `the socket ${path} does not exist; is libvirtd (or virtproxyd) installed and running?`,
  ECONNREFUSED: (path) => `nobody answers at the socket ${path}; start libvirtd (or virtproxyd) again`,
  EACCES: (path) =>
    `no permission for the socket ${path}; join the group libvirt and log in again, or be root`,
  EAGAIN: (path) => `the socket ${path} takes no more connections now; libvirtd is overloaded or hangs`,
};
