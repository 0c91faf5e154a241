import type { NetworkConfig, PeerConfig } from "../config/model.ts";
import { type Findings, HPC } from "./findings.ts";
import { formatSubnet, overlap, parseSubnet, type Subnet } from "./ipv4.ts";
import type { PeerPlan } from "./plan.ts";

const PATH = `${HPC}.network.peers`;
/** A wider network is no cluster. */
const SHORTEST_PREFIX = 8;

/** The other clusters that this one knows. What libvirt would not let through is refused, not promised. */
export function planPeers(network: NetworkConfig, own: Subnet, findings: Findings): PeerPlan[] {
  const seen = new Map<string, number>();
  return network.peers.flatMap((peer, index) => {
    const path = `${PATH}[${index}]`;
    const subnet = peerSubnet(peer, `${path}.subnet`, findings);
    if (subnet === undefined) return [];
    const text = formatSubnet(subnet);
    const first = seen.get(text);
    if (first !== undefined) {
      findings.error(
        "peer-twice",
        `${path}.subnet`,
        `${text} is peers[${first}] already`,
        "Keep one of them.",
      );
    }
    seen.set(text, index);
    checkWay(network, { path, peer, subnet, own }, findings);
    return [{ subnet: text, services: [...new Set(peer.services)] }];
  });
}

function peerSubnet({ subnet: text }: PeerConfig, path: string, findings: Findings): Subnet | undefined {
  const subnet = parseSubnet(text);
  if (subnet === undefined || subnet.prefix < SHORTEST_PREFIX) {
    const remedy = "Name the network of that cluster, such as 10.60.0.0/24.";
    findings.error("peer-unusable", path, `${text} is no network of a cluster; expected /8 to /32`, remedy);
    return undefined;
  }
  if (formatSubnet(subnet) !== text) {
    const what = `subnet ${text} has host bits; ${formatSubnet(subnet)} is used`;
    findings.note("subnet-host-bits", path, what, `Write ${formatSubnet(subnet)}.`);
  }
  return subnet;
}

/** Whether connections with the peer can work at all, and whether the entry changes something. */
function checkWay(
  { egress, mode }: NetworkConfig,
  { path, peer, subnet, own }: { path: string; peer: PeerConfig; subnet: Subnet; own: Subnet },
  findings: Findings,
): void {
  const text = formatSubnet(subnet);
  if (mode !== "existing" && overlap(subnet, own)) {
    const remedy = "Name the network of the other cluster.";
    findings.error(
      "peer-is-own",
      `${path}.subnet`,
      `${text} overlaps this cluster's own ${formatSubnet(own)}`,
      remedy,
    );
  } else if (mode === "isolated") {
    const what = `a network of mode isolated has no way to ${text} or from there`;
    findings.error("peer-unreachable", path, what, "Use mode routed or existing, or remove the peer.");
  } else if (mode === "nat" && peer.services.length > 0) {
    const what = `libvirt lets nobody into a network of mode nat: ${text} would not reach ${peer.services.join(", ")}`;
    findings.error(
      "peer-unreachable",
      `${path}.services`,
      what,
      "Use mode routed or existing, or remove services.",
    );
  } else if (egress === "open" && peer.services.length === 0) {
    const what = `the peer ${text} changes nothing: egress is open, and no service is named for it`;
    findings.warning("key-without-effect", path, what, "Name services, or remove the peer.");
  }
}
