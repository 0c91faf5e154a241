import type { ClientOptions, LibvirtClient } from "./api.ts";
import type { Connection } from "./connection.ts";
import { domainFunctions } from "./domain-functions.ts";
import { LibvirtConnectionError } from "./errors.ts";
import { EventHub } from "./events.ts";
import { openConnection } from "./handshake.ts";
import { hostFunctions } from "./host-functions.ts";
import { networkFunctions } from "./network-functions.ts";
import { Pool } from "./pool.ts";
import { storageFunctions } from "./storage-functions.ts";
import { StreamSlots } from "./stream-slots.ts";
import { openTransport, type Transport } from "./transport.ts";
import { type LibvirtUri, parseLibvirtUri } from "./uri.ts";

type Settings = Required<ClientOptions>;

const defaults: Settings = {
  maxConnections: 4,
  maxCallsPerConnection: 4,
  callTimeoutMs: 120_000,
  connectTimeoutMs: 30_000,
  reconnectTimeoutMs: 30_000,
  keepAliveIntervalMs: 5_000,
  keepAliveCount: 6,
  onWarning: () => {},
};

/** Streams at the same time; each has a connection of its own. */
const maximumStreams = 4;

/**
 * A client of the libvirt daemon that the URI names. Nothing is connected before the first call. Throws LibvirtUriError.
 */
export function createLibvirtClient(uri: string, options: ClientOptions = {}): LibvirtClient {
  const target = parseLibvirtUri(uri);
  const settings = { ...defaults, ...options };
  if (target.open === "qemu:///session") {
    settings.onWarning(
      `${uri} is for development only: guests of a session daemon have no bridged or NAT network and end with the login`,
    );
  }
  return clientOf(target, settings, openTransport(target, settings.connectTimeoutMs));
}

function clientOf(target: LibvirtUri, settings: Settings, transport: Transport): LibvirtClient {
  const { uri } = target;
  const base = { ...settings, uri, target, transport };
  const closing = new AbortController();
  const pool = new Pool({
    ...settings,
    uri,
    open: (signal) => openConnection({ ...base, serverKeepAlive: true }, signal),
  });
  const events = new EventHub({
    uri,
    onWarning: settings.onWarning,
    open: (onEvent, signal) => openConnection({ ...base, serverKeepAlive: true, onEvent }, signal),
  });
  const streams = new StreamSlots(
    uri,
    maximumStreams,
    closing.signal,
    (signal): Promise<Connection> => openConnection({ ...base, serverKeepAlive: false }, signal),
  );
  let closed: Promise<void> | undefined;
  return {
    uri,
    ...domainFunctions(pool),
    ...networkFunctions(pool),
    ...storageFunctions(pool, streams),
    ...hostFunctions(pool),
    onDomainLifecycle: events.onDomainLifecycle,
    onAgentLifecycle: events.onAgentLifecycle,
    onIoError: events.onIoError,
    onReboot: events.onReboot,
    close: () => {
      closed ??= (async () => {
        closing.abort(
          new LibvirtConnectionError(`the client of ${uri} was closed`, {
            kind: "closed",
            outcome: "unknown",
            uri,
          }),
        );
        pool.close();
        events.close();
        await transport.close();
      })();
      return closed;
    },
  };
}
