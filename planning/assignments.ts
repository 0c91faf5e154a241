import type { HpcConfig } from "../config/model.ts";
import { formatRange, planAddresses } from "./addresses.ts";
import type { LabFacts } from "./facts.ts";
import { computePath, type Findings, HPC } from "./findings.ts";
import { formatIpv4, formatSubnet, isHost, parseIpv4 } from "./ipv4.ts";
import { byText, computeName, controllerName, fullNodeName, macOf } from "./names.ts";
import type { ResolvedNetwork } from "./network.ts";

/** Address and MAC of every machine by name. */
export interface Assignments {
  addresses: Map<string, number>;
  macs: Map<string, string>;
}

const LEASES = `${HPC}.network.static_leases`;
const MACS = `${HPC}.network.vm_macs`;

interface Wish {
  /** Address as a number; absent: to be planned. */
  address?: number;
  path: string;
}

/** Gives every machine its address and its MAC; contradictions and wants become findings. */
export function assign(
  config: HpcConfig,
  network: ResolvedNetwork,
  facts: LabFacts,
  findings: Findings,
): Assignments {
  const names = nodeNames(config);
  const wishes = addressWishes(config, network, names, findings);
  return {
    addresses: resolveAddresses(config, network, wishes, findings),
    macs: resolveMacs(config, names, facts, findings),
  };
}

function nodeNames(config: HpcConfig): Set<string> {
  const compute = config.computeNodes.nodes.map((node) => computeName(config.name, node.number));
  return new Set([controllerName(config.name), ...compute]);
}

/** Entries of a map from node to value, by full name; names that no machine has are errors. */
function byNode(
  config: HpcConfig,
  names: ReadonlySet<string>,
  entries: Readonly<Record<string, string>>,
  path: string,
  findings: Findings,
): Map<string, { value: string; path: string }> {
  const found = new Map<string, { value: string; path: string }>();
  for (const [written, value] of Object.entries(entries).sort((a, b) => byText(a[0], b[0]))) {
    const place = /^[A-Za-z_][\w-]*$/.test(written)
      ? `${path}.${written}`
      : `${path}[${JSON.stringify(written)}]`;
    const name = fullNodeName(config.name, written);
    if (name === undefined || !names.has(name)) {
      const some = [...names].slice(0, 6).join(", ");
      const text = `${written} is no machine of the cluster`;
      findings.error("node-unknown", place, text, `Name one of: ${some}${names.size > 6 ? ", …" : ""}.`);
    } else if (found.has(name)) {
      findings.error("node-twice", place, `${name} is listed twice`, "Keep one entry.");
    } else {
      found.set(name, { value, path: place });
    }
  }
  return found;
}

function addressWishes(
  config: HpcConfig,
  network: ResolvedNetwork,
  names: ReadonlySet<string>,
  findings: Findings,
): Map<string, Wish> {
  const leases = byNode(config, names, config.network.staticLeases, LEASES, findings);
  const wishes = new Map<string, Wish>();
  const add = (name: string, given: string, path: string) => {
    const lease = leases.get(name);
    if (lease !== undefined && given !== "DHCP" && given !== lease.value) {
      const text = `${name} has ${given} in its own entry and ${lease.value} here`;
      findings.error("address-contradiction", lease.path, text, "Keep one of the two.");
    }
    const written = lease?.value ?? given;
    const place = lease?.path ?? path;
    wishes.set(name, { ...staticAddress(written, place, network, findings), path: place });
  };
  add(controllerName(config.name), config.controller.ipAddress, `${HPC}.controller.ip_address`);
  for (const node of config.computeNodes.nodes) {
    const path = `${computePath(config.computeNodes.form, node.number)}.ip`;
    add(computeName(config.name, node.number), node.ip, path);
  }
  return wishes;
}

function staticAddress(
  written: string,
  path: string,
  network: ResolvedNetwork,
  findings: Findings,
): { address?: number } {
  if (written === "DHCP") return {};
  const address = parseIpv4(written);
  if (address !== undefined && isHost(network.subnet, address)) {
    if (address !== network.gateway) return { address };
    const text = `${written} is the gateway's address`;
    findings.error("address-is-gateway", path, text, "Choose another address, or another gateway_ip.");
    return { address };
  }
  const { subnet } = network;
  findings.error(
    "address-outside-subnet",
    path,
    `${written} is no host address of ${formatSubnet(subnet)}`,
    `Choose one from ${formatRange({ start: subnet.network + 1, end: subnet.broadcast - 1 })}.`,
  );
  return address === undefined ? {} : { address };
}

function resolveAddresses(
  config: HpcConfig,
  network: ResolvedNetwork,
  wishes: ReadonlyMap<string, Wish>,
  findings: Findings,
): Map<string, number> {
  const addresses = new Map<string, number>();
  const owners = new Map<number, string>();
  for (const [name, { address, path }] of wishes) {
    if (address === undefined) continue;
    const owner = owners.get(address);
    if (owner !== undefined) {
      const text = `${formatIpv4(address)} is the address of ${owner} and of ${name}`;
      findings.error("address-twice", path, text, `Give ${name} another address.`);
    }
    owners.set(address, name);
    addresses.set(name, address);
  }
  const highest = config.computeNodes.nodes.at(-1)?.number ?? 0;
  const taken = new Set([...owners.keys(), network.gateway]);
  const planned = planAddresses(network.subnet, network.range, highest, taken);
  planDynamic(config, network, planned, addresses, wishes, findings);
  return addresses;
}

function planDynamic(
  config: HpcConfig,
  network: ResolvedNetwork,
  planned: readonly (number | undefined)[],
  addresses: Map<string, number>,
  wishes: ReadonlyMap<string, Wish>,
  findings: Findings,
): void {
  const missing: string[] = [];
  let unreserved = 0;
  for (const { number } of config.computeNodes.nodes) {
    const name = computeName(config.name, number);
    if (addresses.has(name) || wishes.get(name)?.address !== undefined) continue;
    unreserved++;
    const address = planned[number - 1];
    if (address === undefined) missing.push(name);
    else addresses.set(name, address);
  }
  if (unreserved > 0 && network.plan.kind === "existing") {
    findings.error(
      "dhcp-on-existing",
      `${HPC}.compute_nodes`,
      `${unreserved} machines have ip DHCP, but on an existing network hyperlab reserves nothing`,
      "Give each a static address: ip in its entry, or network.static_leases.",
    );
  }
  if (missing.length > 0) {
    findings.error(
      "dhcp-range-exhausted",
      `${HPC}.network.dhcp_end`,
      `the range ${formatRange(network.range)} has no address for ${missing.length} machines (${missing[0]} first)`,
      "Widen the range, or use a larger subnet.",
    );
  }
}

function resolveMacs(
  config: HpcConfig,
  names: ReadonlySet<string>,
  facts: LabFacts,
  findings: Findings,
): Map<string, string> {
  const given = byNode(config, names, config.network.vmMacs, MACS, findings);
  const macs = new Map<string, string>();
  const owners = foreignMacs(facts, names);
  for (const name of names) {
    const own = given.get(name);
    const mac = own?.value.toLowerCase() ?? macOf(name);
    const path = own?.path ?? MACS;
    if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1) {
      const text = `${mac} is a multicast address`;
      findings.error("mac-multicast", path, text, "Use an even second digit, such as 02:….");
    }
    const owner = owners.get(mac);
    if (owner !== undefined) {
      const text = `${mac} is the MAC address of ${owner} and of ${name}`;
      findings.error("mac-twice", path, text, `Give ${name} another one in vm_macs.`);
    }
    owners.set(mac, name);
    macs.set(name, mac);
  }
  return macs;
}

function foreignMacs(facts: LabFacts, names: ReadonlySet<string>): Map<string, string> {
  const owners = new Map<string, string>();
  const { domains } = facts.host;
  if (!domains.known) return owners;
  for (const domain of [...domains.value].sort((a, b) => byText(a.name, b.name))) {
    if (names.has(domain.name)) continue;
    for (const mac of domain.macs) owners.set(mac.toLowerCase(), `machine ${domain.name} of the host`);
  }
  return owners;
}
