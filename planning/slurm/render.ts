import type { SlurmNodePlan, SlurmPlan } from "../plan.ts";
import { foldHostlist } from "./hostlist.ts";

/** Places on the controller and the nodes that slurm.conf names; the image and the guest programs use the same. */
export const SLURM_PATHS = {
  stateSaveLocation: "/srv/hyperlab/slurmctld",
  slurmdSpoolDir: "/var/lib/slurm/slurmd",
  slurmctldLog: "/var/log/slurm/slurmctld.log",
  slurmdLog: "/var/log/slurm/slurmd.log",
  slurmdbdLog: "/var/log/slurm/slurmdbd.log",
} as const;

/** TCP ports of SLURM's daemons. */
export const PORTS = { slurmctld: 6817, slurmd: 6818, slurmdbd: 6819 } as const;

/** TCP ports at which srun and salloc wait for a job's output: above those that Linux gives to anybody who asks for one. */
export const SRUN_PORTS = [61_000, 64_999] as const;

/** Ports that jobs may use between machines: those that Linux gives to who asks for one, and srun's. */
export const JOB_PORTS = [32_768, SRUN_PORTS[1]] as const;

const HEADER = "# Written by hyperlab from the cluster file. Changes by hand are lost at the next run.\n";

/** Values with spaces need quotes; extras were checked to hold none. */
const quoted = (value: string): string => (/\s/.test(value) ? `"${value}"` : value);

const assignments = (values: readonly (readonly [string, string | number])[]): string =>
  values.map(([name, value]) => `${name}=${quoted(String(value))}\n`).join("");

/** slurm.conf, complete. The same plan always gives the same text. */
export function renderSlurmConf(plan: SlurmPlan): string {
  const defaults = new Map<string, string | number>([
    ...identity(plan),
    ...scheduling(plan),
    ...timeouts(plan),
  ]);
  const own = assignments([...defaults].filter(([name]) => !(name in plan.parameters)));
  const further = Object.entries(plan.parameters);
  const users =
    further.length === 0 ? "" : `\n# From slurm_config of the cluster file\n${assignments(further)}`;
  const nodes = foldedNodeLines(plan.nodes)
    .map((line) => `${line}\n`)
    .join("");
  const partitions = plan.partitions
    .map(
      ({ name, isDefault, maxTime }) =>
        `PartitionName=${name} Nodes=ALL Default=${isDefault ? "YES" : "NO"} MaxTime=${maxTime} State=UP\n`,
    )
    .join("");
  return `${HEADER}${own}${users}\n${nodes}\n${partitions}`;
}

function identity(plan: SlurmPlan): [string, string | number][] {
  const { name, address } = plan.controller;
  return [
    ["ClusterName", plan.clusterName],
    ["SlurmctldHost", `${name}(${address})`],
    ["SlurmctldPort", PORTS.slurmctld],
    ["SlurmdPort", PORTS.slurmd],
    // A rule of the firewall needs to know them.
    ["SrunPortRange", SRUN_PORTS.join("-")],
    ["SlurmUser", "slurm"],
    ["AuthType", "auth/slurm"],
    ["CredType", "auth/slurm"],
    // Nodes fetch this file from the controller.
    ["SlurmctldParameters", "enable_configless"],
    ["StateSaveLocation", SLURM_PATHS.stateSaveLocation],
    ["SlurmdSpoolDir", SLURM_PATHS.slurmdSpoolDir],
    ["SlurmctldLogFile", SLURM_PATHS.slurmctldLog],
    ["SlurmdLogFile", SLURM_PATHS.slurmdLog],
    ["AccountingStorageType", "accounting_storage/slurmdbd"],
    ["AccountingStorageHost", address],
    ["AccountingStoragePort", PORTS.slurmdbd],
  ];
}

function scheduling(plan: SlurmPlan): [string, string | number][] {
  return [
    ["SchedulerType", "sched/backfill"],
    ["SelectType", "select/cons_tres"],
    ["SelectTypeParameters", "CR_Core_Memory"],
    ["DefMemPerCPU", plan.defMemPerCpuMiB],
    ["EnforcePartLimits", "ALL"],
    ["ProctrackType", "proctrack/cgroup"],
    ["TaskPlugin", "task/cgroup,task/affinity"],
    ["JobAcctGatherType", "jobacct_gather/cgroup"],
    ["PrologFlags", "Contain"],
    // A machine that comes back after a restart or a crash serves again; a drain stays.
    ["ReturnToService", 2],
    // A partition that an administrator closed stays closed over a change of the file.
    ["ReconfigFlags", "KeepPartState"],
    ["RebootProgram", "/usr/sbin/reboot"],
  ];
}

function timeouts(plan: SlurmPlan): [string, string | number][] {
  const { timing } = plan;
  return [
    ["SlurmctldTimeout", timing.slurmctldTimeoutSeconds],
    ["SlurmdTimeout", timing.slurmdTimeoutSeconds],
    ["ResumeTimeout", timing.resumeTimeoutSeconds],
    ["MessageTimeout", timing.messageTimeoutSeconds],
    ["BatchStartTimeout", timing.batchStartTimeoutSeconds],
    ["UnkillableStepTimeout", timing.unkillableStepTimeoutSeconds],
    ["TCPTimeout", timing.tcpTimeoutSeconds],
  ];
}

const shape = (node: SlurmNodePlan): string =>
  `CPUs=${node.cpus} Boards=1 SocketsPerBoard=${node.sockets} CoresPerSocket=${node.coresPerSocket} ` +
  `ThreadsPerCore=${node.threadsPerCore} RealMemory=${node.realMemoryMiB}`;

/** One node's own line. */
export function nodeLine(node: SlurmNodePlan): string {
  return `NodeName=${node.name} NodeAddr=${node.address} ${shape(node)}`;
}

/**
 * Node lines, folded: nodes of the same shape whose addresses ascend within one /24 share a line. 10,000 equal nodes
 * take some forty lines.
 */
export function foldedNodeLines(nodes: readonly SlurmNodePlan[]): string[] {
  const groups: { key: string; last: number; nodes: SlurmNodePlan[] }[] = [];
  const open = new Map<string, (typeof groups)[number]>();
  for (const node of nodes) {
    const dot = node.address.lastIndexOf(".");
    const key = `${shape(node)} ${node.address.slice(0, dot)}`;
    const last = Number(node.address.slice(dot + 1));
    const group = open.get(key);
    if (group !== undefined && last > group.last) {
      group.nodes.push(node);
      group.last = last;
    } else {
      const fresh = { key, last, nodes: [node] };
      groups.push(fresh);
      open.set(key, fresh);
    }
  }
  return groups.map(({ nodes: members }) => foldedLine(members));
}

function foldedLine(nodes: readonly SlurmNodePlan[]): string {
  const [first] = nodes;
  if (first === undefined) return "";
  const names = foldHostlist(nodes.map((node) => node.name));
  const addresses = foldHostlist(nodes.map((node) => node.address));
  return `NodeName=${names} NodeAddr=${addresses} ${shape(first)}`;
}

/** cgroup.conf: cores, memory, swap and devices of a job are limited to what it asked for. */
export function renderCgroupConf(plan: SlurmPlan): string {
  return (
    HEADER +
    assignments([
      ["CgroupPlugin", "cgroup/v2"],
      ["ConstrainCores", "yes"],
      ["ConstrainRAMSpace", "yes"],
      ["ConstrainSwapSpace", "yes"],
      ["AllowedSwapSpace", 0],
      ["ConstrainDevices", "yes"],
      // The default of one second is too short for virtual machines.
      ["SystemdTimeout", plan.timing.systemdTimeoutMilliseconds],
    ])
  );
}

/** gres.conf; empty, because no node has generic resources yet. */
export function renderGresConf(_plan: SlurmPlan): string {
  return "";
}

/** slurmdbd.conf. The password is a slot that the controller fills from its own copy of the secret. */
export function renderSlurmdbdConf(plan: SlurmPlan): string {
  return (
    HEADER +
    assignments([
      ["AuthType", "auth/slurm"],
      ["DbdHost", plan.controller.name],
      ["DbdAddr", plan.controller.address],
      ["DbdPort", PORTS.slurmdbd],
      ["SlurmUser", "slurm"],
      ["LogFile", SLURM_PATHS.slurmdbdLog],
      ["MessageTimeout", plan.timing.messageTimeoutSeconds],
      ["StorageType", "accounting_storage/mysql"],
      ["StorageHost", "localhost"],
      ["StorageLoc", "slurm_acct_db"],
      ["StorageUser", "slurm"],
      ["StoragePass", "@databasePassword@"],
      // Old records go, so that the database stays small; jobs stay for two years.
      ["PurgeEventAfter", "12months"],
      ["PurgeJobAfter", "24months"],
      ["PurgeResvAfter", "12months"],
      ["PurgeStepAfter", "12months"],
      ["PurgeSuspendAfter", "12months"],
      ["PurgeTXNAfter", "12months"],
      ["PurgeUsageAfter", "24months"],
    ])
  );
}
