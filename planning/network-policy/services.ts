import type { HomePlan, NodeRole, PeerPlan } from "../plan.ts";
import { JOB_PORTS, PORTS, SRUN_PORTS } from "../slurm/render.ts";

/** Who may reach a service: any address, or only the machines of the cluster. */
export type Peer = "anybody" | "machines";

/** Something that a machine answers to. What is in no row is not answered. */
export interface Service {
  name: string;
  /** Role of the machine that answers. */
  on: NodeRole;
  protocol: "tcp" | "udp";
  /** First and last port. */
  ports: readonly [number, number];
  from: Peer;
  /** What it is for, as the documentation says it. */
  purpose: string;
  /** Only where the controller exports the homes. */
  homes?: true;
  /** Also to other clusters for which the cluster file names it (`network.peers`). */
  peers?: true;
}

/** The network policy of a cluster. Firewalls, documentation and tests are made from these rows and from nothing else. */
export const SERVICES: readonly Service[] = [
  row("ssh", "controller", "tcp", [22, 22], "anybody", "people log in; the stack sends its document"),
  row("enrolment", "controller", "udp", [6816, 6816], "machines", "a node that is up asks for what it needs"),
  peered("slurmctld", "controller", "tcp", one(PORTS.slurmctld), "SLURM's controller; slurm.conf"),
  peered("slurmdbd", "controller", "tcp", one(PORTS.slurmdbd), "accounting: sacct in a job"),
  peered("srun", "controller", "tcp", SRUN_PORTS, "output of a job step to an srun or salloc here"),
  row("NTP", "controller", "udp", [123, 123], "machines", "time"),
  {
    ...row("NFS", "controller", "tcp", [2049, 2049], "machines", "homes, where the controller has them"),
    homes: true,
  },
  peered("ssh", "compute", "tcp", [22, 22], "the controller sets the node up; users of its jobs"),
  peered("slurmd", "compute", "tcp", one(PORTS.slurmd), "SLURM's daemon; nodes pass messages on"),
  peered("jobs", "compute", "tcp", JOB_PORTS, "ranks of MPI, srun inside of a job, servers in a job"),
  peered("jobs", "compute", "udp", JOB_PORTS, "ranks of MPI"),
];

function peered(
  name: string,
  on: NodeRole,
  protocol: Service["protocol"],
  ports: Service["ports"],
  purpose: string,
): Service {
  return { ...row(name, on, protocol, ports, "machines", purpose), peers: true };
}

function row(
  name: string,
  on: NodeRole,
  protocol: Service["protocol"],
  ports: Service["ports"],
  from: Peer,
  purpose: string,
): Service {
  return { name, on, protocol, ports, from, purpose };
}

function one(port: number): readonly [number, number] {
  return [port, port];
}

/** What a machine of a role answers to. */
export function servicesOf(role: NodeRole, home: HomePlan): Service[] {
  return SERVICES.filter(
    (service) => service.on === role && (service.homes !== true || home.kind === "controller"),
  );
}

/** What a machine of a peer reaches among the services of a machine, by the names in the cluster file. */
export function servicesFor(peer: PeerPlan, services: readonly Service[]): Service[] {
  return services.filter((service) => service.peers === true && peer.services.includes(service.name));
}

/** Whether a machine answers at a port, as a scan from a machine of the cluster, of a peer or from elsewhere finds it. */
export function answers(
  services: readonly Service[],
  protocol: Service["protocol"],
  port: number,
  from: "machine" | "stranger" | PeerPlan,
): boolean {
  const given = typeof from === "string" ? [] : servicesFor(from, services);
  return services.some(
    (service) =>
      service.protocol === protocol &&
      port >= service.ports[0] &&
      port <= service.ports[1] &&
      (from === "machine" || service.from === "anybody" || given.includes(service)),
  );
}

/** Ports as people and nftables write them. */
export const portsText = ([first, last]: Service["ports"]): string =>
  first === last ? String(first) : `${first}-${last}`;

function whomText({ from, peers }: Pick<Service, "from" | "peers">): string {
  if (from === "anybody") return "anybody";
  return peers === true ? "machines of the cluster, peers that are given it" : "machines of the cluster";
}

/** The policy as a table in Markdown. */
export function servicesTable(services: readonly Service[] = SERVICES): string {
  const lines = services.map(
    ({ name, on, protocol, ports, purpose, ...whom }) =>
      `| ${on} | ${name} | ${protocol} ${portsText(ports)} | ${whomText(whom)} | ${purpose} |`,
  );
  return ["| on | service | port | from | for |", "|-|-|-|-|-|", ...lines, ""].join("\n");
}
