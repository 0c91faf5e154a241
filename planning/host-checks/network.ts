import type { HpcConfig } from "../../config/model.ts";
import { GUEST_FILTER } from "../domains.ts";
import type { HostFacts } from "../facts.ts";
import { type Findings, HPC } from "../findings.ts";
import { formatSubnet, overlap, parseIpv4, parseSubnet } from "../ipv4.ts";
import { byText } from "../names.ts";
import type { ResolvedNetwork } from "../network.ts";
import type { HpcClusterPlan } from "../plan.ts";
import { known } from "./known.ts";

/** Without the filter nothing keeps a machine from using the address of another. */
export function checkFilter(host: HostFacts, findings: Findings): void {
  const path = `${HPC}.network`;
  const what = "whether the host keeps machines from using addresses of others";
  const filters = known(host.networkFilters, "filter-unknown", path, what, findings);
  if (filters === undefined || filters.includes(GUEST_FILTER)) return;
  findings.warning(
    "filter-missing",
    path,
    `the host has no network filter ${GUEST_FILTER}: a machine could use the MAC or address of another`,
    "Install libvirt's network filters (Debian: libvirt-daemon-config-nwfilter) and bring the lab up again; machines take the filter while they run.",
  );
}

/** The bridge or the network that is to be used is there; one that is to be made is not. */
export function checkBridge(config: HpcConfig, host: HostFacts, findings: Findings): void {
  const { mode, attach } = config.network;
  if ("libvirtNetwork" in attach) {
    checkLibvirtNetwork(attach.libvirtNetwork, host, findings);
    return;
  }
  const path = `${HPC}.network.bridge`;
  const interfaces = known(
    host.interfaces,
    "bridge-unknown",
    path,
    `the state of bridge ${attach.bridge}`,
    findings,
  );
  if (interfaces === undefined) return;
  const found = interfaces.find((other) => other.name === attach.bridge);
  if (mode === "existing" && found === undefined) {
    const text = `the host has no bridge ${attach.bridge}`;
    findings.error("bridge-missing", path, text, "Create it, or use mode nat for a network of its own.");
  } else if (mode !== "existing" && found?.owned === false) {
    const text = `the host has an interface ${attach.bridge} already`;
    findings.error("bridge-taken", path, text, "Choose another name, or mode existing to use it as it is.");
  }
}

function checkLibvirtNetwork(name: string, host: HostFacts, findings: Findings): void {
  const path = `${HPC}.network.libvirt_network`;
  const networks = known(host.networks, "network-unknown", path, `the state of network ${name}`, findings);
  if (networks === undefined) return;
  if (!networks.some((other) => other.kind === "libvirt" && other.name === name)) {
    findings.error(
      "network-missing",
      path,
      `the host has no libvirt network ${name}`,
      "Create it, or name another.",
    );
  }
}

/** Machines get addresses of the declared subnet; on a network of the site with another one nobody reaches them. */
export function checkExistingSubnet(
  config: HpcConfig,
  network: ResolvedNetwork,
  host: HostFacts,
  findings: Findings,
): void {
  const { mode, attach } = config.network;
  if (mode !== "existing" || !host.networks.known) return;
  const [kind, name] =
    "libvirtNetwork" in attach ? ["libvirt", attach.libvirtNetwork] : ["interface", attach.bridge];
  const has = host.networks.value.flatMap((other) =>
    other.kind === kind && other.name === name ? (parseSubnet(other.subnet ?? "") ?? []) : [],
  );
  if (has.length === 0 || has.some((subnet) => overlap(subnet, network.subnet))) return;
  const text = `${formatSubnet(network.subnet)} is not the network of ${name}, which is ${has.map(formatSubnet).join(", ")}`;
  const path = `${HPC}.network.subnet`;
  const remedy = `Write the subnet of ${name}, and addresses of it.`;
  // A bridge may carry more networks than the host itself has an address in.
  if (kind === "libvirt") findings.error("existing-subnet-differs", path, text, remedy);
  else findings.warning("existing-subnet-differs", path, text, remedy);
}

/** The DHCP of an existing network knows nothing of our static addresses, and hyperlab reserves nothing there. */
export function checkExistingDhcp(
  config: HpcConfig,
  plan: HpcClusterPlan,
  host: HostFacts,
  findings: Findings,
): void {
  const { attach } = config.network;
  if (!("libvirtNetwork" in attach) || !host.networks.known) return;
  const own = host.networks.value.find(
    (other) => other.kind === "libvirt" && other.name === attach.libvirtNetwork,
  );
  for (const range of own?.dhcpRanges ?? []) {
    const [start, end] = [parseIpv4(range.start), parseIpv4(range.end)];
    if (start === undefined || end === undefined) continue;
    const inside = [plan.controller, ...plan.computeNodes].filter(({ address }) => {
      const number = parseIpv4(address) ?? 0;
      return number >= start && number <= end;
    });
    if (inside.length === 0) continue;
    findings.warning(
      "existing-dhcp-overlaps",
      `${HPC}.network.libvirt_network`,
      `the DHCP of ${attach.libvirtNetwork} gives ${range.start} to ${range.end} to other machines; ` +
        `${inside
          .map(({ name, address }) => `${name} has ${address}`)
          .slice(0, 3)
          .join(", ")}${inside.length > 3 ? ", …" : ""}`,
      "Choose addresses outside of that range.",
    );
  }
}

/** A network of its own overlaps none that the host knows. */
export function checkSubnets(
  config: HpcConfig,
  network: ResolvedNetwork,
  host: HostFacts,
  findings: Findings,
): void {
  if (config.network.mode === "existing") return;
  const path = `${HPC}.network.subnet`;
  const networks = known(
    host.networks,
    "subnet-unknown",
    path,
    "whether the subnet is free on the host",
    findings,
  );
  if (networks !== undefined && !host.interfaces.known) {
    const text = `whether the subnet is free among the host's own networks: not known, ${host.interfaces.why}`;
    findings.unknown("subnet-unknown", path, text, "Look at `ip route` on the host.");
  }
  for (const other of [...(networks ?? [])].sort((a, b) => byText(a.name, b.name))) {
    const subnet = other.subnet === undefined ? undefined : parseSubnet(other.subnet);
    // A default route covers everything and collides with nothing.
    if (other.owned || subnet === undefined || subnet.prefix === 0 || !overlap(subnet, network.subnet))
      continue;
    const text = `${formatSubnet(network.subnet)} overlaps ${formatSubnet(subnet)} of ${other.kind} ${other.name}`;
    findings.error("subnet-overlap", path, text, "Choose a subnet that the host does not use.");
  }
}
