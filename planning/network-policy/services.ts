import type { HomePlan, NodeRole } from "../plan.ts";
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
}

/** The network policy of a cluster. Firewalls, documentation and tests are made from these rows and from nothing else. */
export const SERVICES: readonly Service[] = [
  row("ssh", "controller", "tcp", [22, 22], "anybody", "people log in; the stack sends its document"),
  row("enrolment", "controller", "udp", [6816, 6816], "machines", "a node that is up asks for what it needs"),
  row("slurmctld", "controller", "tcp", one(PORTS.slurmctld), "machines", "SLURM's controller; slurm.conf"),
  row("slurmdbd", "controller", "tcp", one(PORTS.slurmdbd), "machines", "accounting: sacct in a job"),
  row("srun", "controller", "tcp", SRUN_PORTS, "machines", "output of a job step to an srun or salloc here"),
  row("NTP", "controller", "udp", [123, 123], "machines", "time"),
  {
    ...row("NFS", "controller", "tcp", [2049, 2049], "machines", "homes, where the controller has them"),
    homes: true,
  },
  row("ssh", "compute", "tcp", [22, 22], "machines", "the controller sets the node up; users of its jobs"),
  row("slurmd", "compute", "tcp", one(PORTS.slurmd), "machines", "SLURM's daemon; nodes pass messages on"),
  row(
    "jobs",
    "compute",
    "tcp",
    JOB_PORTS,
    "machines",
    "ranks of MPI, srun inside of a job, servers in a job",
  ),
  row("jobs", "compute", "udp", JOB_PORTS, "machines", "ranks of MPI"),
];

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

/** Whether a machine answers at a port, as a scan from a machine of the cluster or from elsewhere finds it. */
export function answers(
  services: readonly Service[],
  protocol: Service["protocol"],
  port: number,
  from: "machine" | "stranger",
): boolean {
  return services.some(
    (service) =>
      service.protocol === protocol &&
      port >= service.ports[0] &&
      port <= service.ports[1] &&
      (from === "machine" || service.from === "anybody"),
  );
}

/** Ports as people and nftables write them. */
export const portsText = ([first, last]: Service["ports"]): string =>
  first === last ? String(first) : `${first}-${last}`;

/** The policy as a table in Markdown. */
export function servicesTable(services: readonly Service[] = SERVICES): string {
  const lines = services.map(
    ({ name, on, protocol, ports, from, purpose }) =>
      `| ${on} | ${name} | ${protocol} ${portsText(ports)} | ${from === "anybody" ? "anybody" : "machines of the cluster"} | ${purpose} |`,
  );
  return ["| on | service | port | from | for |", "|-|-|-|-|-|", ...lines, ""].join("\n");
}
