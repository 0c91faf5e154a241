import { createHash } from "node:crypto";
import type { AccessConfig, HpcConfig } from "../config/model.ts";
import type { HostFacts } from "./facts.ts";
import { type Findings, HPC } from "./findings.ts";
import { checkForward, loginHost } from "./forward.ts";
import { formatSubnet, isHost, overlap, parseIpv4, parseSubnet, type Subnet } from "./ipv4.ts";
import { controllerName } from "./names.ts";
import type { ResolvedNetwork } from "./network.ts";
import type { AccessPlan, InterfacePlan, SshPlan } from "./plan.ts";

/** First half of the MAC address of a login interface. The image names the interface by it. */
const LOGIN_MAC = "0a:68:6c";
/** Name of the login interface in the guest; nftables.conf and the rule of udev in the image have it too. */
export const LOGIN_INTERFACE = "login0";
/** Mark of what came in at the login interface; nftables.conf has it too. */
export const LOGIN_MARK = 0x6c67;
/** Table of routes for the answers to it. Nothing else of the machine looks into it. */
export const LOGIN_TABLE = 6822;
const PATH = `${HPC}.access.lan`;

type LanAccess = Extract<AccessPlan, { kind: "lan" }>;

/**
 * How users reach the login machine.
 *
 * @param lab `metadata.name` of the cluster file.
 * @param subnet The cluster's own network.
 */
export function planAccess(config: HpcConfig, lab: string, subnet: string): AccessPlan {
  const { access, host, name } = config;
  switch (access.kind) {
    case "lan":
      return { ...access, mac: loginMac(lab, name, subnet) };
    case "forward":
      return { ...access, host: loginHost(access, host.uri) };
    case "proxy-jump":
      return access;
  }
}

/**
 * In the users' network there may be labs of other hosts: what tells them apart is what their administrators wrote.
 * Nothing that is made at random, so that a reservation of the site's DHCP outlives the lab.
 */
function loginMac(lab: string, cluster: string, subnet: string): string {
  const bytes = createHash("md5")
    .update(`${lab} ${controllerName(cluster)} ${subnet} login`)
    .digest()
    .subarray(0, 3);
  return [LOGIN_MAC, ...[...bytes].map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

/**
 * The login interface. With a planned address the host keeps the machine to it; an address by DHCP is not known, so that
 * only the MAC is kept.
 *
 * @param has Whether the host has a filter of that name.
 */
export function loginInterface(access: LanAccess, has: (filter: string) => boolean): InterfacePlan {
  const { bridge, mac } = access;
  const address = loginPlace(access).login;
  const filter = address === undefined ? "no-mac-spoofing" : "clean-traffic";
  return {
    bridge,
    mac,
    ...(has(filter) ? { filter, ...(address === undefined ? {} : { filterAddress: address }) } : {}),
  };
}

/** Where users reach the login machine; nothing where it is not known or is the address in the cluster's network. */
export function loginPlace(access: AccessPlan): Pick<SshPlan, "login" | "loginPort"> {
  if (access.kind === "forward") return { login: access.host, loginPort: access.port };
  const address = access.kind === "lan" ? access.address?.split("/")[0] : undefined;
  return address === undefined ? {} : { login: address };
}

/**
 * The login interface as systemd-networkd sees it. Its routes are in a table of their own, which only answers use: the
 * machine's own connections go where they went without it.
 */
export function loginNetwork({ address, gateway }: LanAccess): string {
  const table = `Table=${LOGIN_TABLE}`;
  const sections = [
    ["Match", `Name=${LOGIN_INTERFACE}`],
    // A boot waits for the cluster's network only.
    ["Link", "RequiredForOnline=no"],
    [
      "Network",
      "LinkLocalAddressing=no",
      "IPv6AcceptRA=no",
      "LLMNR=no",
      "MulticastDNS=no",
      // The way back is not the one that the machine's own routes say.
      "IPv4ReversePathFilter=no",
      ...(address === undefined ? ["DHCP=ipv4"] : []),
    ],
    ["RoutingPolicyRule", `FirewallMark=${LOGIN_MARK}`, `Priority=${LOGIN_TABLE}`, table],
    ...(address === undefined ? [dhcp()] : fixed(address, gateway, table)),
  ];
  return sections
    .map(([name, ...lines]) => `[${name}]\n${lines.map((line) => `${line}\n`).join("")}`)
    .join("\n");
}

function dhcp(): string[] {
  const unused = ["DNS", "NTP", "Hostname", "Domains"].map((what) => `Use${what}=no`);
  return ["DHCPv4", `RouteTable=${LOGIN_TABLE}`, "ClientIdentifier=mac", ...unused];
}

function fixed(address: string, gateway: string | undefined, table: string): string[][] {
  const subnet = parseSubnet(address);
  const destination = subnet === undefined ? address : formatSubnet(subnet);
  return [
    ["Address", `Address=${address}`, "AddPrefixRoute=no"],
    ["Route", `Destination=${destination}`, "Scope=link", table],
    ...(gateway === undefined ? [] : [["Route", `Gateway=${gateway}`, "GatewayOnLink=yes", table]]),
  ];
}

/** What is wrong with a second interface of the controller, as far as configuration and host show it. */
export function checkAccess(
  config: HpcConfig,
  { golden, host, network }: { golden: boolean; host: HostFacts; network: ResolvedNetwork },
  findings: Findings,
): void {
  const { access } = config;
  checkForward(config, host, findings);
  if (access.kind !== "lan") return;
  if (!golden) {
    findings.error(
      "access-cloud-image",
      PATH,
      "a cloud image of your own configures a second interface by itself, routes included",
      "Use the image that hyperlab builds for the controller, or access: proxy-jump.",
    );
  }
  checkBridge(config, access.bridge, host, findings);
  checkAddress(access, network, host, findings);
}

function checkBridge(config: HpcConfig, bridge: string, host: HostFacts, findings: Findings): void {
  const path = `${PATH}.bridge`;
  const { attach } = config.network;
  if ("bridge" in attach && attach.bridge === bridge) {
    const text = `${bridge} is the bridge of the cluster's own network, where the controller is already`;
    findings.error("access-same-bridge", path, text, "Use access: proxy-jump, or name another bridge.");
    return;
  }
  if (!host.interfaces.known) {
    const text = `the state of bridge ${bridge}: not known, ${host.interfaces.why}`;
    findings.unknown("bridge-unknown", path, text, "Make the host reachable and run the preview again.");
  } else if (!host.interfaces.value.some((other) => other.name === bridge)) {
    const remedy = "Create it on the host, or use access: proxy-jump.";
    findings.error("bridge-missing", path, `the host has no bridge ${bridge}`, remedy);
  }
}

function checkAddress(
  { address, bridge, gateway }: Extract<AccessConfig, { kind: "lan" }>,
  network: ResolvedNetwork,
  host: HostFacts,
  findings: Findings,
): void {
  const path = `${PATH}.address`;
  const subnet = parseSubnet(address ?? "");
  const number = parseIpv4(address?.split("/")[0] ?? "");
  if (address === undefined || subnet === undefined || number === undefined) return;
  const text = formatSubnet(subnet);
  if (!isHost(subnet, number)) {
    findings.error(
      "address-outside-subnet",
      path,
      `${address} is no host address of ${text}`,
      "Choose one of it.",
    );
  }
  if (overlap(subnet, network.subnet)) {
    const what = `${text} overlaps the cluster's own network ${formatSubnet(network.subnet)}`;
    findings.error("subnet-overlap", path, what, "Choose another subnet for the cluster.");
  }
  const router = parseIpv4(gateway ?? "");
  if (router !== undefined && (!isHost(subnet, router) || router === number)) {
    const what = `${gateway} is no other host address of ${text}`;
    findings.error("address-outside-subnet", `${PATH}.gateway`, what, "Name the router of that network.");
  }
  checkBridgeSubnet({ bridge, subnet, path }, host, findings);
}

/** A bridge may carry more networks than the host itself has an address in. */
function checkBridgeSubnet(
  { bridge, subnet, path }: { bridge: string; subnet: Subnet; path: string },
  host: HostFacts,
  findings: Findings,
): void {
  const others = host.networks.known ? host.networks.value.filter(({ name }) => name === bridge) : [];
  const has = others.flatMap((other) => parseSubnet(other.subnet ?? "") ?? []);
  if (has.length === 0 || has.some((other) => overlap(other, subnet))) return;
  const text = `${formatSubnet(subnet)} is not the network of ${bridge}, which is ${has.map(formatSubnet).join(", ")}`;
  findings.warning("existing-subnet-differs", path, text, `Write an address of the network of ${bridge}.`);
}

/** What a person has to know to log in, where hyperlab cannot say it. */
export function noteLogin(access: AccessPlan, findings: Findings): void {
  if (access.kind !== "lan" || access.address !== undefined) return;
  const text = `the DHCP of ${access.bridge} gives the login machine its address by the MAC ${access.mac}; ssh's configuration does not know it`;
  findings.note(
    "login-address-unknown",
    PATH,
    text,
    "Users take the name or address of that reservation, or give address.",
  );
}
