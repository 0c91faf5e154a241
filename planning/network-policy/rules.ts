import { LOGIN_INTERFACE } from "../access.ts";
import type { AccessPlan, HomePlan, HpcClusterPlan, NodeRole, PolicyPlan } from "../plan.ts";
import { portsText, type Service, servicesFor, servicesOf } from "./services.ts";

/** The firewall of each role, as text for nft. The addresses of the machines come beside it: the set `machines`. */
export function firewallRules(
  plan: Pick<HpcClusterPlan, "access" | "home" | "policy">,
): Readonly<Record<NodeRole, string>> {
  const text = (role: NodeRole) => {
    const services = servicesOf(role, plan.home);
    const login = role === "controller" ? loginRules(services, plan.access) : { services: [], egress: [] };
    return chains(
      [...login.services, ...serviceRules(services, plan.policy)],
      [...login.egress, ...egressRules(plan.policy, plan.home)],
    );
  };
  return { controller: text("controller"), compute: text("compute") };
}

/** At the login interface everybody is a stranger, whatever address a packet claims; and it is no way out. */
function loginRules(services: readonly Service[], access: AccessPlan) {
  if (access.kind !== "lan") return { services: [], egress: [] };
  const [come, go] = [`iifname "${LOGIN_INTERFACE}" `, `oifname "${LOGIN_INTERFACE}" `];
  return {
    services: [
      ...services.filter(({ from }) => from === "anybody").map((service) => accept(come, service)),
      `${come}drop`,
    ],
    egress: [
      ...(access.address === undefined ? [`${go}udp dport 67 accept`] : []),
      `${go}ct state new reject with icmpx admin-prohibited`,
    ],
  };
}

function accept(whom: string, { name, ports, protocol }: Service): string {
  return `${whom}${protocol} dport ${portsText(ports)} accept comment "${name}"`;
}

/** Both chains anew, in the one transaction of the file. */
function chains(services: readonly string[], egress: readonly string[]): string {
  const chain = (name: string, rules: readonly string[]) =>
    `  chain ${name} {\n${rules.map((rule) => `    ${rule}\n`).join("")}  }\n`;
  return (
    "flush chain inet hyperlab services\nflush chain inet hyperlab egress\n" +
    `table inet hyperlab {\n${chain("services", services)}${chain("egress", egress)}}\n`
  );
}

function serviceRules(services: readonly Service[], { peers }: PolicyPlan): string[] {
  return [
    ...services.map((service) => accept(service.from === "anybody" ? "" : "ip saddr @machines ", service)),
    ...peers.flatMap((peer) =>
      servicesFor(peer, services).map((service) => accept(`ip saddr ${peer.subnet} `, service)),
    ),
    // Machines of the cluster learn at once that nothing is there; to others this machine says nothing.
    "ip saddr @machines meta l4proto tcp reject with tcp reset",
    "ip saddr @machines reject",
  ];
}

function egressRules({ egress, gateway, nameServers, peers }: PolicyPlan, home: HomePlan): string[] {
  if (egress === "open") return [];
  const servers = [...new Set(nameServers)].sort().join(", ");
  return [
    "oif lo accept",
    // Answers only: a connection that this machine opened earlier ends as well.
    "ct direction reply accept",
    "ct state related accept",
    "ip daddr @machines accept",
    "udp dport 67 accept",
    `ip daddr { ${servers} } meta l4proto { tcp, udp } th dport 53 accept`,
    `ip daddr ${gateway} udp dport 123 accept`,
    `ip daddr ${gateway} icmp type echo-request accept`,
    "ip6 daddr { fe80::/10, ff02::/16 } meta l4proto ipv6-icmp accept",
    ...peers.map(({ subnet }) => `ip daddr ${subnet} accept`),
    ...homeRules(home),
    ...(egress === "registries" ? ["tcp dport { 80, 443 } accept"] : []),
    "reject with icmpx admin-prohibited",
  ];
}

/** A server of homes that is given by name has no address here: its port is open then. */
function homeRules(home: HomePlan): string[] {
  if (home.kind === "controller") return [];
  const host = home.export.split(":")[0] ?? "";
  const server = /^\d+(\.\d+){3}$/.test(host) ? `ip daddr ${host} ` : "";
  return [`${server}tcp dport 2049 accept`];
}
