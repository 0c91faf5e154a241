/** Bridges that a libvirtd left which was killed while it started or stopped a network; nothing of libvirt's removes them. */
import {
  createLibvirtClient,
  type LibvirtClient,
  LibvirtConnectionError,
} from "../../providers/libvirt/client/index.ts";
import { networkDefinition } from "../../providers/libvirt/host.ts";
import { leftBridgeFix, parseNetwork } from "../../providers/libvirt/resources/network/index.ts";
import { parseHostAddress, subnetText } from "../../providers/libvirt/resources/network/ipv4.ts";
import { run } from "../process/run.ts";
import { shellWord } from "../process/shell-word.ts";
import type { Reporter } from "../report/progress.ts";
import { type HostCommand, probeCommand } from "./probe.ts";
import type { RecordedOwner } from "./recorded.ts";

/** How long a host may take to look and to remove; ssh needs some of it to log in. */
const MEND_MS = 60_000;

/** A network of ours that does not run, and the bridge that its definition declares. */
interface StoppedNetwork {
  readonly name: string;
  readonly bridge: string;
  readonly mac: string;
  /** `10.50.0.0/24`; undefined where the network has no address. */
  readonly subnet: string | undefined;
}

/**
 * Removes, on each host, the bridges of the owner's networks that do not run, with the name server that serves them and
 * their firewall rules: libvirt does not know of them, and the network cannot start beside them. A bridge counts only
 * where name and MAC are those of the definition and no device is on it. What was removed, and what could not be, is said.
 * A host that does not answer is left to the engine, which says so.
 *
 * @param hosts What the state records; no other run of the stack may be under way.
 * @param commandFor How the host's shell is reached. Default: as `probeCommand`.
 */
export async function removeLeftBridges(
  hosts: readonly RecordedOwner[],
  report: Reporter,
  commandFor: (uri: string) => HostCommand = probeCommand,
): Promise<void> {
  for (const { owner, uri } of hosts) {
    const networks = await stoppedNetworks(uri, owner);
    if (networks.length === 0) continue;
    const { program, args } = commandFor(uri);
    const result = await run(program, args, { input: mendScript(networks), timeoutMs: MEND_MS });
    for (const line of describeMend(result.stdout, networks, uri)) report.line(line);
  }
}

async function stoppedNetworks(uri: string, owner: string): Promise<StoppedNetwork[]> {
  const client = createLibvirtClient(uri);
  try {
    return await readStopped(client, owner);
  } catch (error) {
    if (error instanceof LibvirtConnectionError) return [];
    throw error;
  } finally {
    await client.close();
  }
}

async function readStopped(client: LibvirtClient, owner: string): Promise<StoppedNetwork[]> {
  const refs = await client.networkList({ inactive: true });
  const definitions = await Promise.all(refs.map((ref) => networkDefinition(client, ref)));
  return definitions.map(parseNetwork).flatMap(({ address, bridge, mac, mark, mode, name }) => {
    // The bridge of this mode is the host's.
    if (mark?.owner !== owner || mode === "bridge" || mac === undefined) return [];
    const host = address === undefined ? undefined : parseHostAddress(address);
    return [{ name, bridge, mac, subnet: host === undefined ? undefined : subnetText(host) }];
  });
}

/**
 * Arguments: name, bridge, subnet. The bridge goes last, as it came first, so that what was interrupted is done again.
 * The name server is known by the file that it runs with, the rules by libvirt's own chains.
 */
const REMOVE = `
set -e
pid=$(cat "/run/libvirt/network/$1.pid" 2>/dev/null || true)
serves() { tr "\\0" " " <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "/dnsmasq/$1.conf "; }
if [ -n "$pid" ] && serves "$1"; then
  kill "$pid" || [ ! -d "/proc/$pid" ]
  tries=0
  while [ "$tries" -lt 50 ] && [ -d "/proc/$pid" ]; do sleep 0.1; tries=$((tries + 1)); done
fi
for program in iptables ip6tables; do
  command -v "$program" >/dev/null || continue
  for table in filter nat mangle; do
    "$program" -w -t "$table" -S 2>/dev/null | grep "^-A LIBVIRT_" |
      grep -F -e " -i $2 " -e " -o $2 " -e "-A LIBVIRT_PRT -s $3 " |
      while read -r _ rule; do "$program" -w -t "$table" -D $rule; done
  done
done
ip link delete dev "$2" type bridge
`;

/** Looks without rights; only what is to be removed needs root, or sudo that does not ask. */
function mendScript(networks: readonly StoppedNetwork[]): string {
  const calls = networks.map(({ name, bridge, mac, subnet }) =>
    ["mend", name, bridge, mac, subnet ?? "none"].map(shellWord).join(" "),
  );
  return `
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin; export PATH
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
mend() {
  case "$(ip -o link show dev "$2" type bridge 2>/dev/null)" in *"link/ether $3 "*) ;; *) return ;; esac
  if [ -n "$(ip -o link show master "$2")" ]; then echo "kept $2 devices are on it"; return; fi
  if said=$(as_root sh -c ${shellWord(REMOVE)} mend "$1" "$2" "$4" 2>&1 </dev/null)
  then echo "removed $2"
  else echo "kept $2 $(echo "$said" | tail -n 1)"
  fi
}
${calls.join("\n")}
`;
}

/** What the script said, for a person. */
function describeMend(said: string, networks: readonly StoppedNetwork[], uri: string): string[] {
  const answers = said.split("\n").map((line) => line.split(" "));
  return networks.flatMap(({ bridge, name }) => {
    const [done, , ...why] = answers.find(([, about]) => about === bridge) ?? [];
    const whose = `libvirt was killed while it started or stopped network "${name}", and does not know of it any more`;
    if (done === "removed") return [`Removed the bridge ${bridge} on ${uri}: ${whose}`];
    if (done !== "kept") return [];
    return [
      `The bridge ${bridge} stays on ${uri} and keeps its network from starting (${why.join(" ")}): ${whose}`,
      `  fix: as root on the host: ${leftBridgeFix(name, bridge)}`,
    ];
  });
}
