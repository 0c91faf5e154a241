import { Connection, type ConnectionOptions } from "./connection.ts";
import { LibvirtConnectionError, LibvirtError } from "./errors.ts";
import { abortReason, messageOf } from "./limits.ts";
import { host } from "./procedures/host.ts";
import { ConnectFailure, type Transport } from "./transport.ts";
import type { LibvirtUri } from "./uri.ts";

/** Oldest libvirt whose protocol has all that is used, with validation of every kind of XML: Ubuntu 22.04 and newer. */
export const minimumLibVersion = 8_000_000;

const authentication = { none: 0, sasl: 1, polkit: 2 } as const;

const featureKeepAlive = 10;

export interface HandshakeOptions extends ConnectionOptions {
  readonly target: LibvirtUri;
  readonly transport: Transport;
  readonly connectTimeoutMs: number;
  /** The daemon may ask us for signs of life. Not for streams: while we do not read we cannot answer. */
  readonly serverKeepAlive: boolean;
}

/** Makes a connection: stream, authentication, keep-alive, driver. Rejects with ConnectFailure. */
export async function openConnection(options: HandshakeOptions, signal: AbortSignal): Promise<Connection> {
  const timeout = AbortSignal.timeout(options.connectTimeoutMs);
  const either = AbortSignal.any([signal, timeout]);
  try {
    const socket = await options.transport.connect(either);
    const connection = new Connection(socket, options);
    const abort = () => connection.close("it was not ready in time");
    either.addEventListener("abort", abort, { once: true });
    if (either.aborted) abort();
    try {
      await shakeHands(connection, options);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    } finally {
      either.removeEventListener("abort", abort);
    }
  } catch (error) {
    if (signal.aborted) throw abortReason(signal);
    throw await explain(error, options, timeout.aborted);
  }
}

async function shakeHands(connection: Connection, options: HandshakeOptions): Promise<void> {
  const context = (operation: string) => ({ operation, target: "" });
  await authenticate(connection);
  if (options.serverKeepAlive) {
    await connection.call(host.supportsFeature, featureKeepAlive, context("supportsFeature"));
  }
  await connection.call(host.connectOpen, options.target.open, context("open"));
  const version = await connection.call(host.getLibVersion, undefined, context("getLibVersion"));
  if (version < minimumLibVersion) {
    const text = `the daemon is libvirt ${versionText(version)}; hyperlab needs ${versionText(minimumLibVersion)} or newer`;
    throw new ConnectFailure(text, { retryable: false });
  }
  connection.startKeepAlive();
}

async function authenticate(connection: Connection): Promise<void> {
  const types = await connection.call(host.authList, undefined, { operation: "authList", target: "" });
  if (types.length === 0 || types.includes(authentication.none)) return;
  if (!types.includes(authentication.polkit)) {
    const names = types.map((type) => (type === authentication.sasl ? "SASL" : `type ${type}`)).join(", ");
    throw new ConnectFailure(
      `the daemon asks for authentication by ${names}; hyperlab serves none and polkit (auth_unix_rw in libvirtd.conf)`,
      { retryable: false },
    );
  }
  try {
    await connection.call(host.authPolkit, undefined, { operation: "authPolkit", target: "" });
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    throw new ConnectFailure(
      `polkit does not allow it (${error.text}); join the group libvirt and log in again, or be root`,
      { retryable: false, cause: error },
    );
  }
}

export function versionText(version: number): string {
  return [Math.floor(version / 1_000_000), Math.floor(version / 1_000) % 1_000, version % 1_000].join(".");
}

async function explain(
  error: unknown,
  options: HandshakeOptions,
  timedOut: boolean,
): Promise<ConnectFailure> {
  const said = await options.transport.diagnostics();
  const helper = said === "" ? "" : `; ssh said: ${said}`;
  if (timedOut) {
    const text = `no answer within ${options.connectTimeoutMs} ms; the daemon hangs or is still starting${helper}`;
    return new ConnectFailure(text, { retryable: true, cause: error });
  }
  if (error instanceof ConnectFailure) return error;
  if (error instanceof LibvirtError) {
    return new ConnectFailure(
      `the daemon refused ${options.target.open}: ${error.text} (${error.codeName})`,
      {
        retryable: false,
        cause: error,
      },
    );
  }
  const retryable = error instanceof LibvirtConnectionError && error.kind === "lost";
  return new ConnectFailure(`${messageOf(error)}${helper}`, { retryable, cause: error });
}
