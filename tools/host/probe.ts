import { parseLibvirtUri } from "../../providers/libvirt/client/index.ts";
import { run } from "../process/run.ts";
import { GUESTS_FILES, type SystemFacts, systemFacts, unknownSystem } from "./facts.ts";
import { FORWARD_PROBE } from "./forward-facts.ts";
import { DROP_INS } from "./prepare.ts";

/** How long a host may take to answer; ssh needs some of it to log in. */
const PROBE_MS = 45_000;
const CONNECT_SECONDS = 15;

const UNITS = [
  "libvirt-guests.service",
  "libvirtd.service",
  "virtqemud.service",
  "poweroff.target",
  "reboot.target",
];
const PROPERTIES = [
  "Id",
  "LoadState",
  "ActiveState",
  "UnitFileState",
  "TimeoutStopUSec",
  "JobTimeoutUSec",
  "After",
];

/** Reads and changes nothing; each question stands for itself, so that one without answer hides no other. */
const SCRIPT = `
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin; export PATH
ask() { name=$1; shift; echo "@@begin $name"; "$@" 2>/dev/null </dev/null; code=$?; echo; echo "@@end $name $code"; }
ask uid id -u
ask guests-default cat ${GUESTS_FILES[0]}
ask guests-sysconfig cat ${GUESTS_FILES[1]}
ask sysconfig-folder test -d /etc/sysconfig
guests_script() {
  for file in /usr/lib/libvirt/libvirt-guests.sh /usr/libexec/libvirt-guests.sh /usr/lib64/libvirt/libvirt-guests.sh; do
    if [ -r "$file" ]; then grep -E '^(URIS|ON_BOOT|ON_SHUTDOWN|SHUTDOWN_TIMEOUT|PARALLEL_SHUTDOWN)=' "$file"; return 0; fi
  done
  return 1
}
ask guests-script guests_script
units() { [ -d /run/systemd/system ] && systemctl show ${UNITS.join(" ")} --property ${PROPERTIES.join(",")}; }
ask units units
${DROP_INS.map((path) => `ask ${path} cat ${path}`).join("\n")}
ask kvm test -c /dev/kvm
ask iptables iptables -S
ask nft nft list ruleset
ask firewalld firewall-cmd --state
zone() { [ -e /etc/firewalld/zones/libvirt.xml ] || [ -e /usr/lib/firewalld/zones/libvirt.xml ]; }
ask firewalld-zone zone
ask docker test -d /sys/class/net/docker0
ask ufw cat /etc/ufw/ufw.conf
ask bridge-filter cat /proc/sys/net/bridge/bridge-nf-call-iptables
ask memory cat /proc/meminfo
${FORWARD_PROBE}
ask clock timedatectl show --property NTPSynchronized
`;

/** A shell that reads its script from standard input. */
export interface HostCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/** How the host behind a connection URI is asked: here, or by ssh as the user's own configuration says. */
export function probeCommand(uri: string): HostCommand {
  const { transport } = parseLibvirtUri(uri);
  if (transport.kind === "unix") return { program: "sh", args: ["-s"] };
  const { host, port, user } = transport;
  const options = ["-T", "-o", "BatchMode=yes", "-o", `ConnectTimeout=${CONNECT_SECONDS}`];
  const where = [
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(user === undefined ? [] : ["-l", user]),
  ];
  return { program: "ssh", args: [...options, ...where, "--", host, "sh -s"] };
}

/** Whether the host behind a connection URI is this machine. */
export const isLocalHost = (uri: string): boolean => parseLibvirtUri(uri).transport.kind === "unix";

/** Asks a host for everything at once. What cannot be known carries its reason; this never fails. */
export async function probeSystem(uri: string, deadlineMs = PROBE_MS): Promise<SystemFacts> {
  const { args, program } = probeCommand(uri);
  try {
    const result = await run(program, args, { input: SCRIPT, timeoutMs: deadlineMs });
    if (result.timedOut) return unknownSystem(`the host did not answer within ${deadlineMs / 1000} s`);
    // The last question's own code is the script's: only ssh itself fails with this one.
    if (result.stdout.includes("@@begin ")) return systemFacts(result.stdout);
    const said = result.stderr.trim().split("\n").at(-1) ?? "";
    return unknownSystem(`${program} ended with ${result.code ?? result.signal}: ${said || "no output"}`);
  } catch (error) {
    return unknownSystem(error instanceof Error ? error.message : String(error));
  }
}
