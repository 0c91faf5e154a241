import { execFileSync } from "node:child_process";
import { beforeAll, describe, expect, it } from "vitest";
import type { LabConfig } from "../../config/index.ts";
import type { HpcClusterPlan } from "../../planning/index.ts";
import { expandHostlist } from "../../planning/slurm/hostlist.ts";
import { lintInput } from "../../planning/slurm/lint-plan.ts";
import { lintSlurm } from "../../planning/slurm/linter.ts";
import { runtimeDrift } from "../../tools/slurm/runtime-drift.ts";
import { bootSlurm, type SlurmBoot, type SlurmFiles, slurmTree } from "../support/slurm-tree.ts";
import { config, planned } from "../unit/planning/lab.ts";
import { PLANTED } from "../unit/planning/planted.ts";

/** A cluster with a number of equal nodes, some numbers left out. */
function cluster(count: number, except: readonly number[] = []): LabConfig {
  const nodes = `compute_nodes: { count: ${count}, except: [${except.join(", ")}], cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }`;
  const lab = config({
    nodes,
    slurm: 'max_job_time: "1-12:00:00"\nKillWait: 45\nSchedulerParameters: [bf_window=2880, defer]',
  });
  if (lab.hpc !== undefined && count > 200) {
    lab.hpc.network.subnet = "10.50.0.0/16";
  }
  return lab;
}

function filesOf(plan: HpcClusterPlan): SlurmFiles {
  const { slurmConf, cgroupConf, slurmdbdConf } = lintInput(plan);
  return {
    "slurm.conf": slurmConf,
    "cgroup.conf": cgroupConf,
    "slurmdbd.conf": slurmdbdConf.replace("@databasePassword@", "not-a-secret"),
  };
}

/** slurmctld without a database: it would wait for one for ever. */
const withoutAccounting = (files: SlurmFiles): SlurmFiles => ({
  ...files,
  "slurm.conf": files["slurm.conf"].replace(/^AccountingStorage.*\n/gm, ""),
});

/** What a first start and a machine without mail and without its nodes say in any case. */
const EXPECTED = /MailProg|state file|state save file|Connection refused|No route|unreachable/i;

/** Commands by which the guest's own program keeps what was changed, when SLURM reads the same configuration again. */
function updatesThatKeep(conf: string, shown: SlurmBoot["shown"]): string[] {
  const code =
    "import json, sys; from hyperlab import runtime; conf, partitions, nodes = json.load(sys.stdin); " +
    "print(json.dumps(runtime.kept(conf, conf, partitions, nodes)))";
  const printed = execFileSync("python3", ["-c", code], {
    env: { ...process.env, PYTHONPATH: "images/guest/usr/lib/hyperlab", PYTHONDONTWRITEBYTECODE: "1" },
    input: JSON.stringify([conf, shown.partitions, shown.nodes]),
    encoding: "utf8",
  });
  const updates: string[][] = JSON.parse(printed);
  return updates.map((words) => `scontrol update ${words.join(" ")}`);
}
/** What it says of nodes that its saved state knows and its configuration does not, and without a database. */
const LEAVING = /has vanished from configuration|lookup failure for node|gathered, but not stored/;

/** Other lines of the log that name an error. */
const errors = (boot: SlurmBoot): string[] =>
  boot.log.split("\n").filter((line) => /error|fatal/i.test(line) && !EXPECTED.test(line));

describe("slurmctld of Debian 13", () => {
  beforeAll(() => {
    slurmTree();
  }, 600_000);

  it.each([1, 100, 1000])("boots on the generated configuration of %i nodes with accounting", (count) => {
    const plan = planned(cluster(count));
    const boot = bootSlurm(filesOf(plan), plan.slurm.controller, true);
    expect(boot.up, boot.log).toBe(true);
    expect(errors(boot)).toEqual([]);
    expect(boot.clusters).toBe(`lab|${plan.controller.address}\n`);
    expect(boot.nodes.size).toBe(count);
    for (const node of plan.slurm.nodes) {
      expect(boot.nodes.get(node.name)).toMatchObject({
        NodeAddr: node.address,
        CPUTot: String(node.cpus),
        Sockets: String(node.sockets),
        CoresPerSocket: String(node.coresPerSocket),
        ThreadsPerCore: String(node.threadsPerCore),
        RealMemory: String(node.realMemoryMiB),
      });
    }
    expect([...boot.partitions.keys()]).toEqual(["main"]);
    expect(boot.partitions.get("main")).toMatchObject({
      Default: "YES",
      MaxTime: "1-12:00:00",
      State: "UP",
      TotalNodes: String(count),
    });
    expect(boot.config).toMatchObject({
      AuthType: "auth/slurm",
      ReturnToService: "2",
      ReconfigFlags: "KeepPartState",
      SelectTypeParameters: "CR_CORE_MEMORY",
      DefMemPerCPU: String(plan.slurm.defMemPerCpuMiB),
      PrologFlags: "Alloc,Contain",
      KillWait: "45 sec",
      SchedulerParameters: "bf_window=2880,defer",
      SlurmdTimeout: `${plan.slurm.timing.slurmdTimeoutSeconds} sec`,
    });
  });

  it("knows exactly the planned nodes when 50 of 1,000 are taken out and come back", () => {
    const taken = Array.from({ length: 50 }, (_, index) => 476 + index);
    const whole = planned(cluster(1000));
    const fewer = planned(cluster(1000, taken));
    expect(fewer.slurm.nodes).toHaveLength(950);
    const files = [whole, fewer, whole].map((plan) => withoutAccounting(filesOf(plan)));
    const [first, ...further] = files;
    if (first === undefined) throw new Error("no configuration");
    const boot = bootSlurm(first, whole.slurm.controller, false, { further });
    expect(boot.up, boot.log).toBe(true);
    const vanished = [...boot.log.matchAll(/Node (\S+) has vanished from configuration/g)].map(
      ([, name]) => name,
    );
    expect(vanished).toEqual(taken.map((number) => `lab-compute-${number}`));
    expect(errors(boot).filter((line) => !LEAVING.test(line))).toEqual([]);
    for (const [plan, shown] of [
      [whole, boot],
      [fewer, boot.again[0]],
      [whole, boot.again[1]],
    ] as const) {
      const addresses = [...(shown?.nodes ?? [])].map(([name, { NodeAddr }]) => [name, NodeAddr]);
      expect(addresses).toEqual(plan.slurm.nodes.map(({ name, address }) => [name, address]));
      const main = shown?.partitions.get("main");
      expect(main?.TotalNodes).toBe(String(plan.slurm.nodes.length));
      expect(expandHostlist(main?.Nodes ?? "")).toEqual(plan.slurm.nodes.map(({ name }) => name));
    }
  });

  it("understands lines of nodes whose addresses do not ascend", () => {
    const node = (ip: string, cores = 2) =>
      `  - { cpu_cores: ${cores}, memory_gb: 2, disk_gb: 10, ip: ${ip} }`;
    const nodes = ["10.50.0.30", "DHCP", "10.50.0.20", "DHCP", "10.50.0.10"].map((ip) => node(ip));
    const lab = config({ nodes: `compute_nodes:\n${[...nodes, node("DHCP", 4)].join("\n")}` });
    const plan = planned(lab);
    const boot = bootSlurm(withoutAccounting(filesOf(plan)), plan.slurm.controller, false);
    expect(boot.up, boot.log).toBe(true);
    for (const planned of plan.slurm.nodes) {
      expect(boot.nodes.get(planned.name)).toMatchObject({
        NodeAddr: planned.address,
        CPUTot: String(planned.cpus),
      });
    }
  });

  describe("changed by scontrol", () => {
    const plan = planned(cluster(3));
    const files = withoutAccounting(filesOf(plan));
    const drift = (...commands: string[]) => {
      const boot = bootSlurm(files, plan.slurm.controller, false, { commands });
      expect(boot.up, boot.log).toBe(true);
      return runtimeDrift({ slurmConf: files["slurm.conf"], ...boot.shown });
    };
    const changes = [
      "scontrol update partitionname=main state=down maxtime=2-00:00:00 prioritytier=5",
      "scontrol update nodename=lab-compute-01 weight=7 availablefeatures=odd",
      "scontrol update nodename=lab-compute-02 state=drain reason='broken fan'",
      "scontrol update nodename=lab-compute-03 state=drain reason='hyperlab: restart'",
    ];

    it("is reported, and nothing without a change", () => {
      expect(drift()).toEqual([]);
      expect(drift(...changes)).toEqual([
        "partition main: State is DOWN, the configuration says UP",
        "partition main: MaxTime is 2-00:00:00, the configuration says 1-12:00:00",
        "partition main: PriorityTier is 5, the configuration says 1",
        "node lab-compute-01: Weight is 7, the configuration says 1",
        "node lab-compute-01: AvailableFeatures is odd, the configuration says (null)",
        "node lab-compute-02 is drained: broken fan",
      ]);
    });

    it("keeps states of partitions and nodes, and nothing else, when SLURM is configured anew", () => {
      expect(drift(...changes, "scontrol reconfigure")).toEqual([
        "partition main: State is DOWN, the configuration says UP",
        "node lab-compute-02 is drained: broken fan",
      ]);
    });

    it("is made again after that by the controller", () => {
      const [before, after] = [
        drift(...changes),
        bootSlurm(files, plan.slurm.controller, false, { commands: changes }),
      ];
      const again = updatesThatKeep(files["slurm.conf"], after.shown);
      expect(drift(...changes, "scontrol reconfigure", ...again)).toEqual(before);
    });

    it("is reported for partitions that come and go, and for their nodes", () => {
      expect(
        drift(
          "scontrol update partitionname=main nodes=lab-compute-[01-02]",
          "scontrol create partitionname=extra nodes=lab-compute-03",
        ),
      ).toEqual([
        "partition main: Nodes is lab-compute-[01-02], the configuration says lab-compute-[01-03]",
        "partition extra is there, which the configuration has not",
      ]);
    });
  });

  describe("and the linter", () => {
    const plan = planned(cluster(3));
    const clean = withoutAccounting(filesOf(plan));
    it.each(PLANTED.filter((planted) => planted.daemon !== undefined))("agree on: $what", (planted) => {
      const input = planted.plant({ ...lintInput(plan), slurmConf: clean["slurm.conf"] });
      expect(lintSlurm(input).map((finding) => finding.rule)).toContain(planted.rule);
      const files: SlurmFiles = {
        "slurm.conf": input.slurmConf,
        "cgroup.conf": input.cgroupConf,
        ...(input.gresConf === "" ? {} : { "gres.conf": input.gresConf }),
        ...(input.topologyConf === "" ? {} : { "topology.conf": input.topologyConf }),
      };
      const boot = bootSlurm(files, plan.slurm.controller, false);
      // What the daemon swallows is why the rule exists; what it dies of must not come as a surprise.
      expect(boot.up ? "boots" : "fatal", boot.log).toBe(planted.daemon);
      if (planted.log !== undefined) expect(boot.log).toMatch(planted.log);
    });
  });
});
