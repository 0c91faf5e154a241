import { LibvirtUriError } from "./errors.ts";

/** How to reach a libvirt daemon, and what to open there. */
export interface LibvirtUri {
  /** As it was given. */
  readonly uri: string;
  readonly driver: "qemu" | "test";
  /** Name given to the daemon when the connection is opened. */
  readonly open: "qemu:///system" | "qemu:///session" | "test:///default";
  readonly transport: UnixTarget | SshTarget;
}

export interface UnixTarget {
  readonly kind: "unix";
  /** Absolute path of the daemon's socket; undefined: the session daemon's usual place. */
  readonly socket: string | undefined;
}

export interface SshTarget {
  readonly kind: "ssh";
  /** Name or address, without brackets. */
  readonly host: string;
  readonly user: string | undefined;
  readonly port: number | undefined;
  /** Absolute path of the daemon's socket on the remote host. */
  readonly socket: string;
}

/** Where libvirtd, or virtproxyd in its place, listens for system connections. */
export const systemSocket = "/run/libvirt/libvirt-sock";

const accepted =
  "use qemu:///system, qemu:///session, qemu+unix:///system?socket=PATH, qemu+ssh://USER@HOST:PORT/system or test:///default";

/** Longest path of a unix socket. */
const maximumSocketPath = 107;

/** Parses a connection URI. Throws LibvirtUriError with the reason for anything that this client does not serve. */
export function parseLibvirtUri(uri: string): LibvirtUri {
  const parts = /^([a-z]+)(?:\+([a-z]+))?:\/\/([^/?#]*)(\/[^?#]*)(?:\?([^#]*))?$/.exec(uri);
  if (parts === null) throw refuse(uri, `it is not a URI of libvirt; ${accepted}`);
  const [, driver = "", transport = "", authority = "", path = "", query = ""] = parts;
  if (driver !== "qemu" && driver !== "test")
    throw refuse(uri, `the driver "${driver}" is not served; ${accepted}`);
  const socket = parseQuery(uri, query);
  const open = parsePath(uri, driver, path);
  if (transport === "ssh") return { uri, driver, open, transport: sshTarget(uri, open, authority, socket) };
  if (transport !== "" && transport !== "unix") {
    throw refuse(uri, `the transport "${transport}" is not served; ${accepted}`);
  }
  if (authority !== "") {
    throw refuse(uri, `a host needs the transport ssh, for example qemu+ssh://HOST/system`);
  }
  if (transport === "" && socket !== undefined) {
    throw refuse(uri, `a socket needs the transport unix: ${driver}+unix://${path}?socket=${socket}`);
  }
  return { uri, driver, open, transport: unixTarget(open, socket) };
}

function unixTarget(open: LibvirtUri["open"], socket: string | undefined): UnixTarget {
  return { kind: "unix", socket: socket ?? (open === "qemu:///session" ? undefined : systemSocket) };
}

function parsePath(uri: string, driver: "qemu" | "test", path: string): LibvirtUri["open"] {
  if (driver === "test") {
    if (path === "/default") return "test:///default";
    throw refuse(uri, "the test hypervisor is test:///default");
  }
  if (path === "/system") return "qemu:///system";
  if (path === "/session") return "qemu:///session";
  throw refuse(uri, `the path must be /system or /session, not "${path}"`);
}

function sshTarget(
  uri: string,
  open: LibvirtUri["open"],
  authority: string,
  socket: string | undefined,
): SshTarget {
  if (open !== "qemu:///system") throw refuse(uri, "over ssh only qemu+ssh://HOST/system is served");
  const parts = /^(?:([^@]*)@)?(?:\[([^\]]*)\]|([^:@[\]]*))(?::([0-9]+))?$/.exec(authority);
  if (parts === null) throw refuse(uri, "what stands before the path is not USER@HOST:PORT");
  const [, rawUser, address, name, rawPort] = parts;
  const host =
    address === undefined ? checkedHost(uri, name ?? "") : checkedAddress(uri, decode(uri, address));
  const user = rawUser === undefined ? undefined : checkedUser(uri, decode(uri, rawUser));
  const port = rawPort === undefined ? undefined : Number(rawPort);
  if (port !== undefined && (port < 1 || port > 65_535)) throw refuse(uri, `${rawPort} is not a port`);
  if (socket?.includes(":")) throw refuse(uri, "the path of a remote socket must not contain a colon");
  return { kind: "ssh", host, user, port, socket: socket ?? systemSocket };
}

/* ssh takes what starts with "-" for an option, so a host or user must not. */
function checkedHost(uri: string, host: string): string {
  if (host === "") throw refuse(uri, "the host is missing");
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(host)) throw refuse(uri, `"${host}" is not a host name`);
  return host;
}

function checkedAddress(uri: string, address: string): string {
  if (!/^[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?$/.test(address) || !address.includes(":")) {
    throw refuse(uri, `"${address}" is not an IPv6 address`);
  }
  return address;
}

function checkedUser(uri: string, user: string): string {
  if (user.includes(":")) throw refuse(uri, "a password is not served: ssh takes keys");
  if (!/^[A-Za-z0-9_][A-Za-z0-9._@+\\-]*$/.test(user)) throw refuse(uri, `"${user}" is not a user name`);
  return user;
}

function parseQuery(uri: string, query: string): string | undefined {
  let socket: string | undefined;
  for (const pair of query.split("&").filter((part) => part !== "")) {
    const at = pair.indexOf("=");
    const key = at === -1 ? pair : pair.slice(0, at);
    if (key !== "socket") {
      throw refuse(
        uri,
        `the parameter "${key}" is not served; ssh options belong into ssh's own configuration`,
      );
    }
    if (socket !== undefined) throw refuse(uri, "socket is given twice");
    socket = checkedSocket(uri, at === -1 ? "" : decode(uri, pair.slice(at + 1)));
  }
  return socket;
}

function checkedSocket(uri: string, socket: string): string {
  if (!socket.startsWith("/")) throw refuse(uri, `the socket must be an absolute path, not "${socket}"`);
  if (/\p{Cc}/u.test(socket)) throw refuse(uri, "the socket's path contains a control character");
  if (Buffer.byteLength(socket) > maximumSocketPath) {
    throw refuse(uri, `the socket's path is longer than ${maximumSocketPath} bytes`);
  }
  return socket;
}

function decode(uri: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse(uri, `"${text}" has a malformed % sequence`);
  }
}

function refuse(uri: string, reason: string): LibvirtUriError {
  // Somebody may try a password here: it must not reach a log.
  const shown = uri.replace(/(:\/\/[^/@:]*):[^/@]*@/, "$1:***@");
  return new LibvirtUriError(`libvirt URI "${shown}" cannot be used: ${reason}`);
}
