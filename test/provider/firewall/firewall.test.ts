import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { imagesDirectory } from "../../../images/guest.ts";
import { LOGIN_INTERFACE, LOGIN_MARK, LOGIN_TABLE } from "../../../planning/access.ts";
import type { HostFacts } from "../../../planning/facts.ts";
import { answers, firewallRules, SERVICES, servicesOf } from "../../../planning/network-policy/index.ts";
import type { Egress, NodeRole, PeerPlan } from "../../../planning/plan.ts";
import { config, goodFacts, planned } from "../../unit/planning/lab.ts";

const guest = path.join(imagesDirectory(), "guest");
const every = Array.from({ length: 65_535 }, (_, index) => index + 1);
/** Datagrams: around every edge of the table, what services elsewhere use, and a spread over the rest. */
const datagrams = every.filter(
  (port) =>
    port < 200 || port % 997 === 0 || [2049, 6815, 6816, 6817, 32_767, 32_768, 64_999, 65_000].includes(port),
);
/** Ports of other machines that the target tries. */
const AWAY = [22, 25, 53, 80, 123, 443, 2049, 5432, 6817, 8443, 40_000];

const reached = z.object({ tcp: z.array(z.number()), udp: z.array(z.number()) });
const steps = z.array(
  z.object({
    from: z.object({ machine: reached, stranger: reached, peer: reached.optional() }),
    to: z.object({ machine: reached, gateway: reached, peer: reached.optional(), stranger: reached }),
    login: z.object({ near: reached, far: reached, forged: reached, out: reached }).optional(),
    sameAfterBoot: z.boolean(),
  }),
);

interface Step {
  role: NodeRole;
  wanted: { subnet: string; rules?: Readonly<Record<NodeRole, string>>; machines: string[] };
}

/** More than a machine of a cluster and a stranger. */
interface Beside {
  scanners?: readonly string[];
  login?: { interface: string; mark: number; table: number; sysctl: string };
}

/** What the firewall lets through after each step; null is a machine to which nothing was delivered yet. */
function scan(
  wanted: readonly (Step | null)[],
  ports: { tcp: number[]; udp: number[] },
  away: readonly number[],
  beside: Beside = {},
): z.infer<typeof steps> {
  const folder = mkdtempSync(path.join(tmpdir(), "hyperlab-firewall-"));
  try {
    const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
    const namespaces = [...user, "--net", "--mount", "--pid", "--fork", "--kill-child"];
    const program = path.join(import.meta.dirname, "..", "..", "support", "firewall-scan.py");
    const conf = readFileSync(path.join(guest, "etc", "nftables.conf"), "utf8");
    const done = spawnSync("unshare", [...namespaces, "python3", program], {
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
      input: JSON.stringify({
        conf,
        folder,
        ports,
        away,
        scanners: ["machine", "stranger"],
        ...beside,
        steps: wanted,
      }),
      env: {
        ...process.env,
        PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
        PYTHONPATH: path.join(guest, "usr", "lib", "hyperlab"),
        PYTHONDONTWRITEBYTECODE: "1",
      },
    });
    if (done.status !== 0) throw new Error(`${program} failed: ${done.error?.message ?? ""}${done.stderr}`);
    return steps.parse(JSON.parse(done.stdout));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function step(role: NodeRole, egress: Egress, hpc = "", network = ""): Step {
  const lab = config({ network: `egress: ${egress}\n${network}`, hpc });
  const interfaces: HostFacts["interfaces"] = { known: true, value: [{ name: "br9", owned: false }] };
  const plan = planned(lab, goodFacts(lab, { interfaces }));
  return {
    role,
    wanted: {
      subnet: plan.network.subnet,
      rules: firewallRules(plan),
      machines: ["10.50.0.2", "10.50.0.11"],
    },
  };
}

const all = { tcp: AWAY, udp: AWAY };
const nothing = { tcp: [], udp: [] };

describe.each(["controller", "compute"] as const)("the firewall of a %s", (role) => {
  const services = servicesOf(role, { kind: "controller" });
  const expected = (peer: "machine" | "stranger") => ({
    tcp: every.filter((port) => answers(services, "tcp", port, peer)),
    udp: datagrams.filter((port) => answers(services, "udp", port, peer)),
  });

  it("answers SSH only at first, and then what the table says and nothing else", () => {
    const ports = { tcp: every, udp: datagrams };
    const [first, then] = scan([null, step(role, "open")], ports, []);
    expect(first?.from).toEqual({ machine: { tcp: [22], udp: [] }, stranger: { tcp: [22], udp: [] } });
    expect(then?.from).toEqual({ machine: expected("machine"), stranger: expected("stranger") });
    expect(then?.sameAfterBoot).toBe(true);
  });
});

describe("a machine's own connections", () => {
  const few = { tcp: [22, 6818], udp: [] };

  it("go where egress says, at once and back again", () => {
    const names = { tcp: [53], udp: [53, 123] };
    const [none, registries, open] = scan(
      [step("compute", "none"), step("compute", "registries"), step("compute", "open")],
      few,
      AWAY,
    );
    expect(none?.to).toEqual({ machine: all, gateway: names, stranger: nothing });
    expect(registries?.to).toEqual({
      machine: all,
      gateway: { tcp: [53, 80, 443], udp: names.udp },
      stranger: { tcp: [80, 443], udp: [] },
    });
    expect(open?.to).toEqual({ machine: all, gateway: all, stranger: all });
    for (const each of [none, registries, open]) {
      expect(each?.from).toEqual({ machine: few, stranger: nothing });
      expect(each?.sameAfterBoot).toBe(true);
    }
  });

  it("reach the server of the homes and a site's name servers whatever egress says", () => {
    const [byAddress, byName] = scan(
      [
        step("compute", "none", "home: { nfs: '192.0.2.9:/home' }"),
        step("compute", "none", "home: { nfs: 'filer.example.org:/home' }"),
      ],
      few,
      AWAY,
    );
    expect(byAddress?.to.stranger).toEqual({ tcp: [2049], udp: [] });
    expect(byName?.to.stranger).toEqual({ tcp: [2049], udp: [] });
  });
});

describe("a peer", () => {
  it("reaches the services that it is given, and is reached whatever egress says", () => {
    const edges = (protocol: "tcp" | "udp") =>
      [...new Set(SERVICES.flatMap((row) => (row.protocol === protocol ? row.ports : [])))].sort(
        (a, b) => a - b,
      );
    const ports = { tcp: edges("tcp"), udp: edges("udp") };
    const peer = { subnet: "198.51.100.0/24", services: ["slurmctld", "jobs"] };
    const network = `mode: routed\npeers: [${JSON.stringify(peer)}]`;
    const [found] = scan([step("compute", "none", "", network)], ports, AWAY, {
      scanners: ["machine", "stranger", "peer"],
    });
    const services = servicesOf("compute", { kind: "controller" });
    const expected = (from: "machine" | "stranger" | PeerPlan) => ({
      tcp: ports.tcp.filter((port) => answers(services, "tcp", port, from)),
      udp: ports.udp.filter((port) => answers(services, "udp", port, from)),
    });
    expect(found?.from).toEqual({
      machine: expected("machine"),
      stranger: expected("stranger"),
      peer: expected(peer),
    });
    expect(found?.to).toMatchObject({ peer: all, stranger: nothing });
  });
});

describe("a login interface", () => {
  it("answers SSH to everybody, far ones too, and nothing else, whoever they claim to be; and is no way out", () => {
    const sysctl = readFileSync(path.join(guest, "etc", "sysctl.d", "60-hyperlab.conf"), "utf8");
    const login = { interface: LOGIN_INTERFACE, mark: LOGIN_MARK, table: LOGIN_TABLE, sysctl };
    const ports = { tcp: [22, 2049, 6817, 6819, 61_000], udp: [123, 6816] };
    const access = "access: { lan: { bridge: br9, address: 203.0.113.5/24, gateway: 203.0.113.1 } }";
    const [found] = scan([step("controller", "open", access)], ports, [22], { login });
    const ssh = { tcp: [22], udp: [] };
    expect(found?.login).toEqual({ near: ssh, far: ssh, forged: ssh, out: nothing });
    expect(found?.sameAfterBoot).toBe(true);
    // The machine's own network is as without it.
    expect(found?.from).toEqual({ machine: ports, stranger: ssh });
    expect(found?.to.stranger.tcp).toEqual([22]);
  });
});

describe("a document without rules", () => {
  it("opens the subnet, as it did before there were rules", () => {
    const wanted = { subnet: "10.50.0.0/24", machines: ["10.50.0.2", "10.50.0.11"] };
    const few = { tcp: [22, 80, 6818], udp: [5000] };
    const [found] = scan([{ role: "compute", wanted }], few, []);
    expect(found?.from).toEqual({ machine: few, stranger: { tcp: [22], udp: [] } });
  });
});
