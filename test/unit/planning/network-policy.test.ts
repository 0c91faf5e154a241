import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HpcConfig } from "../../../config/index.ts";
import { PEER_SERVICES } from "../../../config/schema/network.ts";
import { LOGIN_INTERFACE, planAccess } from "../../../planning/access.ts";
import type { HostFacts } from "../../../planning/facts.ts";
import {
  answers,
  firewallRules,
  SERVICES,
  type Service,
  servicesOf,
  servicesTable,
} from "../../../planning/network-policy/index.ts";
import type { AccessPlan, Egress, HomePlan, NodeRole, PeerPlan } from "../../../planning/plan.ts";
import { renderSlurmConf } from "../../../planning/slurm/render.ts";
import { briefly, config, findingsOf, goodFacts, hpcOf, planned } from "./lab.ts";

const roles = fc.constantFrom<NodeRole>("controller", "compute");
const egresses = fc.constantFrom<Egress>("open", "registries", "none");
const homes = fc.constantFrom<HomePlan>(
  { kind: "controller" },
  { kind: "nfs", export: "10.9.9.9:/home" },
  { kind: "nfs", export: "filer:/home" },
);
const address = fc.ipV4();
const policies = fc.record({
  egress: egresses,
  gateway: address,
  nameServers: fc.array(address, { minLength: 1, maxLength: 4 }),
  peers: fc.array(
    fc.record({
      subnet: fc.constantFrom("10.60.0.0/24", "10.70.1.0/28", "192.0.2.9/32"),
      services: fc.uniqueArray(fc.constantFrom<string>(...PEER_SERVICES)),
    }),
    { maxLength: 3 },
  ),
});

const lan: Extract<AccessPlan, { kind: "lan" }> = { kind: "lan", bridge: "br0", mac: "0a:68:6c:00:00:01" };
const elsewhere: readonly AccessPlan[] = [
  { kind: "proxy-jump" },
  { kind: "forward", port: 2222, host: "login.example.org" },
];
const accesses = fc.constantFrom<AccessPlan>(...elsewhere, lan, { ...lan, address: "192.0.2.5/24" });

/** Rules of a chain of the text, without comments. */
function chain(text: string, name: string): string[] {
  const body = new RegExp(`chain ${name} \\{\\n(.*?) {2}\\}\\n`, "s").exec(text)?.[1] ?? "";
  return body
    .split("\n")
    .map((line) => line.trim().replace(/ comment ".*"$/, ""))
    .filter((line) => line !== "");
}

const proxyJump: { access: AccessPlan } = { access: { kind: "proxy-jump" } };

/** A rule that accepts, as data. */
function accepted(rule: string) {
  const match = /^(?:ip saddr (\S+) )?(tcp|udp) dport (\d+)(?:-(\d+))? accept$/.exec(rule);
  if (match === null) throw new Error(`not a rule of the table: ${rule}`);
  const first = Number(match[3]);
  const last = match[4] === undefined ? first : Number(match[4]);
  return { whom: match[1] ?? "anybody", protocol: match[2], first, last };
}

describe("the rules of a role", () => {
  it("accept what the table says, and nothing else", () => {
    fc.assert(
      fc.property(roles, homes, policies, (role, home, policy) => {
        const rules = chain(firewallRules({ ...proxyJump, home, policy })[role], "services");
        const rule = (whom: string, { ports: [first, last], protocol }: Service) => ({
          whom,
          protocol,
          first,
          last,
        });
        const services = servicesOf(role, home);
        const expected = [
          ...services.map((service) => rule(service.from === "machines" ? "@machines" : "anybody", service)),
          ...policy.peers.flatMap((peer) =>
            services
              .filter(({ name, peers }) => peers === true && peer.services.includes(name))
              .map((service) => rule(peer.subnet, service)),
          ),
        ];
        expect(rules.filter((rule) => rule.includes("accept")).map(accepted)).toEqual(expected);
        expect(rules.slice(expected.length)).toEqual([
          "ip saddr @machines meta l4proto tcp reject with tcp reset",
          "ip saddr @machines reject",
        ]);
      }),
    );
  });

  it("agree with the expected result of a scan at every port", () => {
    const ports = fc.integer({ min: 1, max: 65_535 });
    const protocols = fc.constantFrom("tcp" as const, "udp" as const);
    const peer: PeerPlan = { subnet: "10.60.0.0/24", services: ["slurmctld", "jobs"] };
    const peers = fc.constantFrom("machine" as const, "stranger" as const, peer);
    const good = planned(config());
    const plan = { ...good, policy: { ...good.policy, peers: [peer] } };
    const may = (whom: string, from: "machine" | "stranger" | PeerPlan) =>
      whom === "anybody" ||
      (typeof from === "string" ? from === "machine" && whom === "@machines" : whom === from.subnet);
    fc.assert(
      fc.property(roles, ports, protocols, peers, (role, port, protocol, from) => {
        const open = chain(firewallRules(plan)[role], "services")
          .filter((rule) => rule.includes("accept"))
          .map(accepted)
          .some(
            (rule) =>
              rule.protocol === protocol && rule.first <= port && port <= rule.last && may(rule.whom, from),
          );
        expect(answers(servicesOf(role, plan.home), protocol, port, from)).toBe(open);
      }),
    );
  });

  it("let a stranger reach nothing but SSH of the controller", () => {
    expect(SERVICES.filter((service) => service.from === "anybody")).toMatchObject([
      { name: "ssh", on: "controller", protocol: "tcp", ports: [22, 22] },
    ]);
  });

  it("give peers what the cluster file can name, and nothing that only machines of the cluster use", () => {
    const offered = SERVICES.filter((service) => service.peers === true);
    expect([...new Set(offered.map(({ name }) => name))].sort()).toEqual([...PEER_SERVICES].sort());
    expect(offered.every((service) => service.from === "machines")).toBe(true);
  });

  it("depend on who a machine is, not on how many there are", () => {
    const nodes = (count: number) =>
      planned(
        config({
          nodes: `compute_nodes: { count: ${count}, cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }`,
        }),
      );
    expect(firewallRules(nodes(1))).toEqual(firewallRules(nodes(40)));
  });
});

describe("egress", () => {
  it("open restricts nothing; the others end with a refusal and let HTTP out only as registries", () => {
    fc.assert(
      fc.property(roles, homes, policies, (role, home, policy) => {
        const rules = chain(firewallRules({ ...proxyJump, home, policy })[role], "egress");
        if (policy.egress === "open") {
          expect(rules).toEqual([]);
          return;
        }
        expect(rules.at(-1)).toBe("reject with icmpx admin-prohibited");
        expect(rules).toContain("ip daddr @machines accept");
        for (const { subnet } of policy.peers) expect(rules).toContain(`ip daddr ${subnet} accept`);
        expect(rules.includes("tcp dport { 80, 443 } accept")).toBe(policy.egress === "registries");
        // To anywhere go only addresses by DHCP, HTTP where it was asked for, and homes of a server given by name.
        const anywhere = rules.filter((rule) => /^(tcp|udp) dport/.test(rule));
        expect(anywhere).toEqual([
          "udp dport 67 accept",
          ...(home.kind === "nfs" && home.export.startsWith("filer") ? ["tcp dport 2049 accept"] : []),
          ...(policy.egress === "registries" ? ["tcp dport { 80, 443 } accept"] : []),
        ]);
      }),
    );
  });

  it("asks the host for names on a network of ours, and the site's servers on an existing one", () => {
    expect(planned(config({ network: "egress: none" })).policy).toEqual({
      egress: "none",
      gateway: "10.50.0.1",
      nameServers: ["10.50.0.1"],
      peers: [],
    });
  });
});

describe("a login interface", () => {
  const login = (rule: string) => rule.includes(`ifname "login0" `);

  it("has the rules for anybody before all others, is no way out, and concerns the controller only", () => {
    fc.assert(
      fc.property(roles, homes, policies, accesses, (role, home, policy, access) => {
        const without = firewallRules({ ...proxyJump, home, policy })[role];
        const text = firewallRules({ access, home, policy })[role];
        if (role === "compute" || access.kind !== "lan") {
          expect(text).toBe(without);
          return;
        }
        const services = chain(text, "services");
        expect(services).toEqual([
          'iifname "login0" tcp dport 22 accept',
          'iifname "login0" drop',
          ...chain(without, "services"),
        ]);
        const egress = chain(text, "egress");
        expect(egress.filter((rule) => !login(rule))).toEqual(chain(without, "egress"));
        expect(egress.slice(0, egress.filter(login).length)).toEqual([
          ...(access.address === undefined ? ['oifname "login0" udp dport 67 accept'] : []),
          'oifname "login0" ct state new reject with icmpx admin-prohibited',
        ]);
      }),
    );
  });

  it("is known to the image by its MAC address", () => {
    const rule = readFileSync("images/guest/etc/udev/rules.d/60-login.rules", "utf8");
    const prefix = /ATTR\{address\}=="([0-9a-f:]+)\*"/.exec(rule)?.[1];
    for (const name of ["lab", "other"]) {
      const cluster: HpcConfig = { ...hpcOf(config()), name, access: { kind: "lan", bridge: "br0" } };
      const access = planAccess(cluster, "test", "10.50.0.0/24");
      expect(access).toMatchObject({ mac: expect.stringMatching(new RegExp(`^${prefix}[0-9a-f:]{8}$`)) });
    }
    expect(rule).toContain(`NAME="${LOGIN_INTERFACE}"`);
  });
});

describe("a machine's interface", () => {
  const filters = (names: string[]): Partial<HostFacts> => ({
    networkFilters: { known: true, value: names },
  });

  it("lets it use its own address only, on networks of ours and of the site", () => {
    for (const network of [undefined, "mode: existing"]) {
      const nodes = "compute_nodes: [{ cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: 10.50.0.9 }]";
      const lab = config({ nodes, ...(network === undefined ? {} : { network }) });
      const host: Partial<HostFacts> = {
        interfaces: { known: true, value: [{ name: "hlab-test0", owned: false }] },
      };
      const plan = planned(lab, goodFacts(lab, network === undefined ? {} : host));
      for (const node of [plan.controller, ...plan.computeNodes]) {
        expect(node.domain.interfaces).toMatchObject([
          { filter: "clean-traffic", filterAddress: node.address },
        ]);
      }
    }
  });

  it("has no filter where the host has none, which is said", () => {
    const lab = config();
    const facts = goodFacts(lab, filters(["allow-arp"]));
    expect(briefly(findingsOf(lab, facts))).toContain("warning filter-missing clusters.hpc.network");
    expect(planned(lab, facts).controller.domain.interfaces[0]).not.toHaveProperty("filter");
  });

  it("is planned the same where the host could not be asked, and that is said too", () => {
    const lab = config();
    const facts = goodFacts(lab, { networkFilters: { known: false, why: "it is far" } });
    expect(briefly(findingsOf(lab, facts))).toContain("unknown filter-unknown clusters.hpc.network");
    expect(planned(lab, facts).controller.domain.interfaces).toEqual(
      planned(lab).controller.domain.interfaces,
    );
  });
});

describe("SLURM", () => {
  it("waits for a job's output at ports that the firewall knows", () => {
    const plan = planned(config());
    const text = renderSlurmConf(plan.slurm);
    const [, first, last] = /^SrunPortRange=(\d+)-(\d+)$/m.exec(text) ?? [];
    for (const role of ["controller", "compute"] as const) {
      for (const port of [Number(first), Number(last)]) {
        expect(answers(servicesOf(role, plan.home), "tcp", port, "machine")).toBe(true);
      }
    }
  });
});

describe("docs/network.md", () => {
  it("has the table as it is", () => {
    expect(readFileSync("docs/network.md", "utf8")).toContain(`\n${servicesTable()}\n`);
  });
});
