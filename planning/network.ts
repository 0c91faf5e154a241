import type { HpcConfig, NetworkConfig } from "../config/model.ts";
import { type AddressRange, formatRange } from "./addresses.ts";
import { type Findings, HPC } from "./findings.ts";
import { formatIpv4, formatSubnet, isHost, parseIpv4, parseSubnet, type Subnet } from "./ipv4.ts";
import { planPeers } from "./peers.ts";
import type { NetworkPlan, PolicyPlan } from "./plan.ts";

/** The network with its numbers worked out. */
export interface ResolvedNetwork {
  subnet: Subnet;
  gateway: number;
  range: AddressRange;
  plan: NetworkPlan;
  /** Name servers of machines whose address is not given by the network's own DHCP. */
  nameServers: string[];
  policy: PolicyPlan;
}

/** libvirt refuses larger ranges. */
const MAX_RANGE = 65535;
const PATH = `${HPC}.network`;
const DEFAULT_SERVERS = ["8.8.8.8", "1.1.1.1"];

/** Works out subnet, gateway, range and the network's definition; undefined where the subnet is unusable. */
export function resolveNetwork(config: HpcConfig, findings: Findings): ResolvedNetwork | undefined {
  const { network } = config;
  const subnet = parseSubnet(network.subnet);
  if (subnet === undefined || subnet.prefix > 28 || subnet.prefix < 8) {
    const text = `subnet ${network.subnet} cannot hold a cluster; expected a prefix from /8 to /28`;
    findings.error("subnet-unusable", `${PATH}.subnet`, text, "Choose a network such as 10.50.0.0/24.");
    return undefined;
  }
  if (formatSubnet(subnet) !== network.subnet) {
    const text = `subnet ${network.subnet} has host bits; ${formatSubnet(subnet)} is used`;
    findings.note("subnet-host-bits", `${PATH}.subnet`, text, `Write ${formatSubnet(subnet)}.`);
  }
  const gateway = gatewayOf(network, subnet, findings);
  const range = rangeOf(network, subnet, findings);
  const common = { subnet: formatSubnet(subnet), gateway: formatIpv4(gateway) };
  const servers = network.dnsServers ?? [formatIpv4(gateway), ...DEFAULT_SERVERS];
  const plan: NetworkPlan =
    network.mode === "existing"
      ? { kind: "existing", attach: attachment(network), ...common }
      : { kind: "owned", inputs: ownedNetwork(config, subnet, gateway, range, servers), ...common };
  if (network.mode === "existing") existingNotes(network, findings);
  const policy: PolicyPlan = {
    egress: network.egress,
    gateway: common.gateway,
    // On a network of ours the host answers; the others are whom it asks.
    nameServers: network.mode === "existing" ? servers : [common.gateway],
    peers: planPeers(network, subnet, findings),
  };
  return { subnet, gateway, range, plan, nameServers: servers, policy };
}

function inside(subnet: Subnet, text: string, key: string, findings: Findings): number | undefined {
  const address = parseIpv4(text);
  if (address !== undefined && isHost(subnet, address)) return address;
  findings.error(
    "address-outside-subnet",
    `${PATH}.${key}`,
    `${text} is no host address of ${formatSubnet(subnet)}`,
    `Choose one from ${formatRange({ start: subnet.network + 1, end: subnet.broadcast - 1 })}.`,
  );
  return undefined;
}

function gatewayOf(network: NetworkConfig, subnet: Subnet, findings: Findings): number {
  const given =
    network.gatewayIp === undefined ? undefined : inside(subnet, network.gatewayIp, "gateway_ip", findings);
  return given ?? subnet.network + 1;
}

function rangeOf(network: NetworkConfig, subnet: Subnet, findings: Findings): AddressRange {
  const start =
    network.dhcpStart === undefined ? undefined : inside(subnet, network.dhcpStart, "dhcp_start", findings);
  const end =
    network.dhcpEnd === undefined ? undefined : inside(subnet, network.dhcpEnd, "dhcp_end", findings);
  const first = start ?? Math.min(subnet.network + 10, subnet.broadcast - 1);
  const last = end ?? Math.min(subnet.broadcast - 1, first + MAX_RANGE - 1);
  const range = { start: first, end: last };
  if (first > last) {
    findings.error(
      "dhcp-range-reversed",
      `${PATH}.dhcp_start`,
      `the range ${formatRange(range)} ends before it begins`,
      "Swap dhcp_start and dhcp_end, or give both.",
    );
  } else if (last - first + 1 > MAX_RANGE && network.mode !== "existing") {
    findings.error(
      "dhcp-range-too-large",
      `${PATH}.dhcp_end`,
      `the range ${formatRange(range)} has more than ${MAX_RANGE} addresses, which libvirt refuses`,
      `End it at ${formatIpv4(first + MAX_RANGE - 1)} or before.`,
    );
  }
  return range;
}

function attachment(network: NetworkConfig): { network: string } | { bridge: string } {
  return "libvirtNetwork" in network.attach
    ? { network: network.attach.libvirtNetwork }
    : { bridge: network.attach.bridge };
}

function ownedNetwork(
  config: HpcConfig,
  subnet: Subnet,
  gateway: number,
  range: AddressRange,
  servers: readonly string[],
): Extract<NetworkPlan, { kind: "owned" }>["inputs"] {
  const { network } = config;
  const modes = { nat: "nat", routed: "route", isolated: "isolated", existing: "isolated" } as const;
  const forwarders = servers.filter((server) => server !== formatIpv4(gateway));
  return {
    name: `${config.name}-network`,
    mode: modes[network.mode],
    bridge: "bridge" in network.attach ? network.attach.bridge : "",
    domain: `${config.name}.local`,
    address: `${formatIpv4(gateway)}/${subnet.prefix}`,
    dhcpRange: { start: formatIpv4(range.start), end: formatIpv4(range.end) },
    ...(forwarders.length === 0 ? {} : { dnsForwarders: forwarders }),
    autostart: true,
  };
}

/** Keys that have no effect where hyperlab does not own the network. */
function existingNotes(network: NetworkConfig, findings: Findings): void {
  const given: [string, string | undefined][] = [
    ["dhcp_start", network.dhcpStart],
    ["dhcp_end", network.dhcpEnd],
  ];
  for (const [key, value] of given) {
    if (value === undefined) continue;
    findings.warning(
      "key-without-effect",
      `${PATH}.${key}`,
      `${key} ${value} is not applied: an existing network has its own DHCP`,
      `Remove ${key}.`,
    );
  }
}
