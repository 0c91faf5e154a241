import type { LintInput, LintRule } from "../../../planning/slurm/linter.ts";

/** One error that people make, put into a correct configuration of three nodes `lab-compute-01` to `-03`. */
export interface Planted {
  what: string;
  rule: LintRule;
  plant: (clean: LintInput) => LintInput;
  /** What slurmctld 24.11 does with it; absent where only another daemon or the guest would notice. */
  daemon?: "fatal" | "boots";
  /** What slurmctld writes to its log. */
  log?: RegExp;
}

const slurm = (change: (text: string) => string) => (clean: LintInput) => ({
  ...clean,
  slurmConf: change(clean.slurmConf),
});
const add = (line: string) => slurm((text) => `${text}${line}\n`);
const nodes = (extra: string) => slurm((text) => text.replace(/^(NodeName=.*)$/m, `$1 ${extra}`));

/** At least one for each row of the table of what slurmctld catches and what it swallows. */
export const PLANTED: readonly Planted[] = [
  {
    what: "an unknown key in slurm.conf",
    rule: "unknown-key",
    plant: add("SlurmctldTimeuot=3"),
    daemon: "fatal",
  },
  {
    what: "an unknown key of a partition",
    rule: "unknown-key",
    plant: slurm((text) => text.replace("MaxTime=", "MaxTyme=1 MaxTime=")),
    daemon: "fatal",
  },
  {
    what: "an unknown key in cgroup.conf",
    rule: "unknown-key",
    plant: (clean) => ({ ...clean, cgroupConf: `${clean.cgroupConf}ConstrainEverything=yes\n` }),
    daemon: "fatal",
  },
  {
    what: "a partition with an undefined node",
    rule: "partition-undefined-node",
    plant: slurm((text) => text.replace("Nodes=ALL", "Nodes=lab-compute-[01-04]")),
    daemon: "fatal",
  },
  {
    what: "a node that is defined twice",
    rule: "duplicate-node-name",
    plant: add(
      "NodeName=lab-compute-02 NodeAddr=10.50.0.99 CPUs=2 Boards=1 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=1000",
    ),
    daemon: "fatal",
  },
  {
    what: "a time that is none",
    rule: "invalid-value",
    plant: slurm((text) => text.replace("MaxTime=1-12:00:00", "MaxTime=soon")),
    daemon: "fatal",
  },
  {
    what: "memory that is no number",
    rule: "invalid-value",
    plant: slurm((text) => text.replace(/RealMemory=\d+/, "RealMemory=2GB")),
    daemon: "fatal",
  },
  {
    what: "PreemptMode=SUSPEND,GANG without PreemptType",
    rule: "preempt-mode-without-type",
    plant: add("PreemptMode=SUSPEND,GANG"),
    daemon: "fatal",
  },
  { what: "GRES without GresTypes", rule: "gres-types-missing", plant: nodes("Gres=gpu:1"), daemon: "boots" },
  {
    what: "GRES without gres.conf",
    rule: "gres-conf-missing",
    plant: (clean) => nodes("Gres=gpu:1")(add("GresTypes=gpu")(clean)),
    daemon: "boots",
  },
  {
    what: "a type of GRES that gres.conf lacks",
    rule: "gres-conf-missing",
    plant: (clean) => ({
      ...nodes("Gres=gpu:a100:1")(add("GresTypes=gpu")(clean)),
      gresConf: "Name=gpu Type=h100 File=/dev/null\n",
    }),
    daemon: "boots",
  },
  {
    what: "GPUs with and without a type on one node",
    rule: "gres-typed-and-untyped",
    plant: (clean) => ({
      ...nodes("Gres=gpu:a100:1,gpu:1")(add("GresTypes=gpu")(clean)),
      gresConf: "Name=gpu Type=a100 File=/dev/null\nName=gpu File=/dev/zero\n",
    }),
    daemon: "boots",
  },
  {
    what: "two default partitions",
    rule: "two-default-partitions",
    plant: add("PartitionName=second Nodes=ALL Default=YES"),
    daemon: "boots",
  },
  {
    what: "no default partition",
    rule: "no-default-partition",
    plant: slurm((text) => text.replace("Default=YES", "Default=NO")),
    daemon: "boots",
  },
  {
    what: "CPUs that are not the product of the topology",
    rule: "topology-product",
    plant: slurm((text) => text.replace("CPUs=2", "CPUs=3")),
    daemon: "boots",
  },
  {
    what: "more memory than the guest registers",
    rule: "real-memory-above-guest",
    plant: slurm((text) => text.replace(/RealMemory=\d+/, "RealMemory=2048")),
    daemon: "boots",
  },
  {
    what: "AutoDetect=nvml without the plugin",
    rule: "autodetect-plugin-missing",
    plant: (clean) => ({ ...clean, gresConf: "AutoDetect=nvml\n" }),
    daemon: "boots",
  },
  {
    what: "CgroupAutomount",
    rule: "defunct-key",
    plant: (clean) => ({ ...clean, cgroupConf: `${clean.cgroupConf}CgroupAutomount=yes\n` }),
    daemon: "boots",
    log: /defunct/,
  },
  {
    what: "a defunct key in slurm.conf",
    rule: "defunct-key",
    plant: add("CoreSpecPlugin=x"),
    daemon: "boots",
    log: /defunct/i,
  },
  {
    what: "a tree topology without all nodes",
    rule: "topology-incomplete",
    plant: (clean) => ({
      ...add("TopologyPlugin=topology/tree")(clean),
      topologyConf: "SwitchName=leaf Nodes=lab-compute-[01-02]\n",
    }),
    daemon: "boots",
  },
  {
    what: "a node without an address",
    rule: "unresolvable-host",
    plant: slurm((text) => text.replace(/ NodeAddr=\S+/, "")),
  },
  {
    what: "a controller without an address",
    rule: "unresolvable-host",
    plant: slurm((text) => text.replace(/^(SlurmctldHost=[^(]*).*$/m, "$1")),
  },
  {
    what: "a database host that is a name",
    rule: "unresolvable-host",
    plant: add("AccountingStorageHost=db.example.invalid"),
  },
  { what: "the old name ControlMachine", rule: "legacy-key", plant: add("ControlMachine=lab-controller") },
  {
    what: "the old name CryptoType",
    rule: "legacy-key",
    plant: add("CryptoType=auth/slurm"),
    daemon: "boots",
  },
  {
    what: "the old name Procs",
    rule: "legacy-key",
    plant: slurm((text) => text.replace("CPUs=2", "Procs=2")),
    daemon: "boots",
  },
];
