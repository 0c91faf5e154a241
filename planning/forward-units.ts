/** The two units of systemd by which a host leads one of its ports to a login machine. */

/** A port of the host that leads to the SSH of a login machine. */
export interface Forward {
  /** Name of the cluster; a host has no two of one name. */
  readonly cluster: string;
  readonly port: number;
  /** Address of the host at which the port is open; absent: at all of them. */
  readonly listen?: string;
  /** Address of the login machine in its cluster's network. */
  readonly target: string;
}

/** A file of systemd. */
export interface UnitFile {
  readonly path: string;
  readonly text: string;
}

/** Where an administrator's units are. */
export const UNIT_FOLDER = "/etc/systemd/system";
/** Places of the program that passes the bytes on, by distribution; the first one is where units without a host name it. */
export const PROXY_PROGRAMS = [
  "/usr/lib/systemd/systemd-socket-proxyd",
  "/lib/systemd/systemd-socket-proxyd",
] as const;
const PREFIX = "hyperlab-forward-";
/** Logins at the same time. The program needs six files for each. */
const CONNECTIONS = 1024;
const FILES = 8192;

/** Name of the unit that listens on the port. */
export const socketName = (cluster: string): string => `${PREFIX}${cluster}.socket`;
const serviceName = (cluster: string): string => `${PREFIX}${cluster}.service`;
/** Files of both units of a cluster. */
export const forwardPaths = (cluster: string): readonly string[] =>
  [socketName(cluster), serviceName(cluster)].map((name) => `${UNIT_FOLDER}/${name}`);

/** Both units: the socket belongs to systemd, which opens it at boot; the program has no right but to pass bytes on. */
export function forwardUnits(forward: Forward, proxy: string = PROXY_PROGRAMS[0]): readonly UnitFile[] {
  const { cluster } = forward;
  const [socketPath = "", servicePath = ""] = forwardPaths(cluster);
  return [
    { path: socketPath, text: `${header(cluster)}${socketText(forward)}` },
    { path: servicePath, text: `${header(cluster)}${serviceText(forward, proxy)}` },
  ];
}

const header = (cluster: string): string =>
  `# Written by hyperlab ("hyperlab host prepare") for access: forward of the cluster ${cluster}. To undo: take that out of the\n` +
  `# cluster file and run it again; or: systemctl disable --now ${socketName(cluster)}, delete this file and the other\n` +
  "# one of this name, systemctl daemon-reload.\n";

function socketText({ cluster, listen, port }: Forward): string {
  // The address may come after the boot's sockets, from DHCP.
  const where =
    listen === undefined
      ? `ListenStream=${port}\nBindIPv6Only=both\n`
      : `ListenStream=${listen}:${port}\nFreeBind=yes\n`;
  return `[Unit]
Description=Port for logins to cluster ${cluster}

[Socket]
${where}KeepAlive=yes
NoDelay=yes

[Install]
WantedBy=sockets.target
`;
}

function serviceText({ cluster, target }: Forward, proxy: string): string {
  return `[Unit]
Description=Logins to cluster ${cluster} from a port of this host
Requires=${socketName(cluster)}
After=${socketName(cluster)}

[Service]
ExecStart=${proxy} --connections-max=${CONNECTIONS} ${target}:22
LimitNOFILE=${FILES}
DynamicUser=yes
CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
`;
}

/** A forward as a host has it. What its files do not say is absent. */
export type PresentForward = Pick<Forward, "cluster"> & Partial<Omit<Forward, "cluster">>;

/** The forwards of a host from its unit files, by path; files of other names are left out. Ordered by cluster. */
export function presentForwards(files: ReadonlyMap<string, string>): PresentForward[] {
  const clusters = [...files.keys()].flatMap((path) => {
    const match = new RegExp(`^${UNIT_FOLDER}/${PREFIX}(.+)\\.(?:socket|service)$`).exec(path);
    return match?.[1] === undefined ? [] : [match[1]];
  });
  return [...new Set(clusters)].sort().map((cluster) => {
    const [socket = "", service = ""] = forwardPaths(cluster).map((path) => files.get(path) ?? "");
    const [, listen, port] = /^ListenStream=(?:([\d.]+):)?(\d+)$/m.exec(socket) ?? [];
    const target = /^ExecStart=\S+ .*?([\d.]+):22$/m.exec(service)?.[1];
    return {
      cluster,
      ...(listen === undefined ? {} : { listen }),
      ...(port === undefined ? {} : { port: Number(port) }),
      ...(target === undefined ? {} : { target }),
    };
  });
}

/** Whether a host has a forward as it should be. */
export const sameForward = (a: PresentForward, b: PresentForward): boolean =>
  a.cluster === b.cluster && a.port === b.port && a.listen === b.listen && a.target === b.target;

/** Whether a port is to be open at every address of the host. */
export const isAnywhere = (listen: string | undefined): listen is undefined | "0.0.0.0" =>
  listen === undefined || listen === "0.0.0.0";

/** Whether two forwards would want the same port at the same address. */
export const meet = (a: PresentForward, b: PresentForward): boolean =>
  a.port === b.port && (isAnywhere(a.listen) || isAnywhere(b.listen) || a.listen === b.listen);
