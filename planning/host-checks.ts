import type { HpcConfig } from "../config/model.ts";
import { ACCELERATION } from "./cpu.ts";
import { GUEST_FILTER, hugepageKiB, usesHugepages } from "./domains.ts";
import type { HostFacts, Known } from "./facts.ts";
import { type Findings, HPC } from "./findings.ts";
import { formatSubnet, overlap, parseIpv4, parseSubnet } from "./ipv4.ts";
import { byText } from "./names.ts";
import type { ResolvedNetwork } from "./network.ts";
import type { HpcClusterPlan } from "./plan.ts";

/** Memory that the host keeps for itself, in MiB. */
export const HOST_RESERVE_MIB = 512;
/** Memory that QEMU takes beside a guest's own, in MiB. */
export const QEMU_OVERHEAD_MIB = 100;

/** Compares the plan with the host. What is not known becomes a finding of its own and is never taken as passed. */
export function checkHost(
  config: HpcConfig,
  plan: HpcClusterPlan,
  network: ResolvedNetwork,
  host: HostFacts,
  findings: Findings,
): void {
  checkNames(plan, host, findings);
  checkBridge(config, host, findings);
  checkExistingSubnet(config, network, host, findings);
  checkExistingDhcp(config, plan, host, findings);
  checkSubnets(config, network, host, findings);
  checkMemory(plan, host, findings);
  checkHugepages(config, plan, host, findings);
  checkDisk(plan, host, findings);
  checkFilter(host, findings);
}

/** Without the filter nothing keeps a machine from using the address of another. */
function checkFilter(host: HostFacts, findings: Findings): void {
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

/** The value, or a finding that names the check which could not be made. */
function known<T>(fact: Known<T>, id: string, path: string, what: string, findings: Findings): T | undefined {
  if (fact.known) return fact.value;
  findings.unknown(
    id,
    path,
    `${what}: not known, ${fact.why}`,
    "Make the host reachable and run the preview again.",
  );
  return undefined;
}

function checkNames(plan: HpcClusterPlan, host: HostFacts, findings: Findings): void {
  const path = `${HPC}.name`;
  const remedy = "Choose another cluster name, or remove it from the host if it is not needed.";
  const domains = known(
    host.domains,
    "names-unknown",
    path,
    "whether the machines' names are free",
    findings,
  );
  const foreign = new Set((domains ?? []).filter((domain) => !domain.owned).map((domain) => domain.name));
  for (const node of [plan.controller, ...plan.computeNodes]) {
    if (!foreign.has(node.name)) continue;
    findings.error(
      "foreign-domain",
      path,
      `the host has a machine ${node.name} that is not of this stack`,
      remedy,
    );
  }
  const pools = known(host.pools, "pool-unknown", path, "whether the pool's name is free", findings);
  if (pools?.some((pool) => pool.name === plan.pool.name && !pool.owned) === true) {
    findings.error(
      "foreign-pool",
      path,
      `the host has a pool ${plan.pool.name} that is not of this stack`,
      remedy,
    );
  }
  if (plan.network.kind !== "owned" || !host.networks.known) return;
  const { name } = plan.network.inputs;
  if (host.networks.value.some((other) => other.kind === "libvirt" && other.name === name && !other.owned)) {
    findings.error(
      "foreign-network",
      path,
      `the host has a network ${name} that is not of this stack`,
      remedy,
    );
  }
}

function checkBridge(config: HpcConfig, host: HostFacts, findings: Findings): void {
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
function checkExistingSubnet(
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
function checkExistingDhcp(
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

function checkSubnets(
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

function checkMemory(plan: HpcClusterPlan, host: HostFacts, findings: Findings): void {
  const total = known(
    host.memoryMiB,
    "memory-unknown",
    "",
    "whether the machines fit the host's memory",
    findings,
  );
  if (total === undefined) return;
  const machines = runningMachines(plan);
  const needed = machines.reduce((sum, node) => sum + node.domain.memoryMiB + QEMU_OVERHEAD_MIB, 0);
  const others = foreignRunning(host).reduce((sum, domain) => sum + domain.memoryMiB + QEMU_OVERHEAD_MIB, 0);
  if (needed + others + HOST_RESERVE_MIB <= total) return;
  findings.error(
    "memory-exceeded",
    `${HPC}.compute_nodes`,
    `the ${machines.length} running machines need ${needed} MiB and other machines of the host ${others} MiB; ` +
      `the host has ${total} MiB, of which it keeps ${HOST_RESERVE_MIB}`,
    "Lower memory_gb or the number of nodes, or set auto_start: false on some.",
  );
}

function checkHugepages(config: HpcConfig, plan: HpcClusterPlan, host: HostFacts, findings: Findings): void {
  if (!usesHugepages(config.acceleration)) return;
  const path = `${ACCELERATION}.performance.hugepage_size`;
  const sizeKiB = hugepageKiB(config.acceleration);
  const pages = known(
    host.freeHugepages,
    "hugepages-unknown",
    path,
    "whether enough huge pages are free",
    findings,
  );
  if (pages === undefined || !host.domains.known) return;
  // Pages of machines that run already are not free, and are not needed again.
  const running = new Set(
    host.domains.value.filter((domain) => domain.owned && domain.running).map(({ name }) => name),
  );
  const starting = runningMachines(plan).filter((node) => !running.has(node.name));
  const needed = starting.reduce((sum, node) => sum + (node.domain.memoryMiB * 1024) / sizeKiB, 0);
  const free = pages.find((page) => page.sizeKiB === sizeKiB)?.count ?? 0;
  if (needed <= free) return;
  findings.error(
    "hugepages-exceeded",
    path,
    `${needed} huge pages of ${sizeKiB} KiB are needed, ${free} are free`,
    sizeKiB === 2048
      ? `On the host: sysctl vm.nr_hugepages=N with ${Math.ceil(needed - free)} more than now.`
      : "Reserve them at boot: kernel arguments hugepagesz=1G hugepages=N.",
  );
}

function checkDisk(plan: HpcClusterPlan, host: HostFacts, findings: Findings): void {
  const path = `${HPC}.host.pool_path`;
  const free = known(host.poolFreeMiB, "disk-unknown", path, "whether the disks fit the pool", findings);
  if (free === undefined) return;
  // Overlays and the state disk grow with their content; what is certain to be needed is their first content.
  const machines = [plan.controller, ...plan.computeNodes];
  const existing = host.domains.known
    ? new Set(host.domains.value.map((domain) => domain.name))
    : new Set<string>();
  const fresh = machines.filter((node) => !existing.has(node.name));
  const least = fresh.length * 512 + (fresh.length === machines.length ? plan.images.length * 2048 : 0);
  const most = fresh.reduce((sum, node) => sum + node.domain.rootDisk.sizeMiB, 0);
  if (least > free) {
    const text = `${plan.pool.path} has ${free} MiB free; new machines need at least ${least} MiB`;
    findings.error("disk-exceeded", path, text, "Free space there, or choose another pool_path.");
  } else if (most > free) {
    const text = `${plan.pool.path} has ${free} MiB free; new machines may grow to ${most} MiB`;
    findings.warning(
      "disk-overcommitted",
      path,
      text,
      "Watch the space, lower disk_gb, or choose another pool_path.",
    );
  }
}

const runningMachines = (plan: HpcClusterPlan) =>
  [plan.controller, ...plan.computeNodes].filter((node) => node.domain.running);

const foreignRunning = (host: HostFacts) =>
  host.domains.known ? host.domains.value.filter((domain) => !domain.owned && domain.running) : [];
