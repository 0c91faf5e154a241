import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Findings } from "../../../planning/findings.ts";
import { MANAGED_PARAMETERS, slurmParameters } from "../../../planning/slurm/extras.ts";
import { expandHostlist, foldHostlist } from "../../../planning/slurm/hostlist.ts";
import { lintInput } from "../../../planning/slurm/lint-plan.ts";
import { lintSlurm } from "../../../planning/slurm/linter.ts";
import { slurmConfParameters } from "../../../planning/slurm/parameters.ts";
import { foldedNodeLines, renderSlurmConf } from "../../../planning/slurm/render.ts";
import { slurmTiming, withMeasuredBoot } from "../../../planning/slurm/timing.ts";
import { briefly, config, findingsOf, goodFacts, planned } from "./lab.ts";

describe("hostlists", () => {
  it("expand to what was folded", () => {
    const name = fc.tuple(fc.constantFrom("a-", "b", "10.0.0."), fc.nat(120), fc.integer({ min: 1, max: 3 }));
    fc.assert(
      fc.property(fc.array(name, { maxLength: 40 }), (parts) => {
        const names = parts.map(([prefix, number, width]) => prefix + String(number).padStart(width, "0"));
        expect(expandHostlist(foldHostlist(names))).toEqual(names);
      }),
    );
  });

  it("fold runs and keep widths apart", () => {
    const names = ["n08", "n09", "n10", "n99", "n100", "n102", "login"];
    expect(foldHostlist(names)).toBe("n[08-10,99,100,102],login");
    expect(foldHostlist(["n1"])).toBe("n1");
  });

  it("that are none are refused", () => {
    for (const text of ["n[1", "n[1-]", "n[3-1]", "n[1]x[2]", "n[a]", "n[0-99999999]"]) {
      expect(expandHostlist(text)).toBeUndefined();
    }
    fc.assert(fc.property(fc.string(), (text) => expandHostlist(text) === undefined || true));
  });
});

describe("node lines", () => {
  it("stand for each node once, with its own address", () => {
    const nodes = planned(
      config({
        nodes:
          "compute_nodes: { count: 120, except: [3, 50], cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }",
      }),
    ).slurm.nodes;
    const pairs = foldedNodeLines(nodes).flatMap((line) => {
      const [, names = "", addresses = ""] = /NodeName=(\S+) NodeAddr=(\S+)/.exec(line) ?? [];
      const unfolded = expandHostlist(addresses) ?? [];
      return (expandHostlist(names) ?? []).map((name, index) => [name, unfolded[index]]);
    });
    expect(pairs).toEqual(nodes.map((node) => [node.name, node.address]));
    expect(foldedNodeLines(nodes)).toHaveLength(1);
  });
});

describe("further keys of slurm_config", () => {
  const apply = (extra: Record<string, unknown>, strict = false) => {
    const findings = new Findings();
    return { values: slurmParameters(extra, strict, findings), found: briefly(findings.sorted()) };
  };

  it("are written in SLURM's spelling, whatever case and underscores", () => {
    expect(
      apply({ kill_wait: 30, SCHEDULERPARAMETERS: ["defer", "bf_window=100"], TrackWCKey: true }),
    ).toEqual({
      values: { KillWait: "30", SchedulerParameters: "defer,bf_window=100", TrackWCKey: "YES" },
      found: [],
    });
  });

  it("replace hyperlab's own value where it is a default", () => {
    const text = renderSlurmConf(planned(config({ slurm: "SlurmdTimeout: 42\nDefMemPerCPU: 100" })).slurm);
    expect(text.match(/^SlurmdTimeout=.*$/gm)).toEqual(["SlurmdTimeout=42"]);
    expect(text.match(/^DefMemPerCPU=.*$/gm)).toEqual(["DefMemPerCPU=100"]);
  });

  it("are linted together with everything else", () => {
    expect(briefly(findingsOf(config({ slurm: 'PreemptMode: "SUSPEND,GANG"' })))).toEqual([
      "error slurm-preempt-mode-without-type clusters.hpc.slurm_config",
    ]);
    const both = 'PreemptMode: "SUSPEND,GANG"\nPreemptType: preempt/partition_prio';
    expect(findingsOf(config({ slurm: both }))).toEqual([]);
  });

  it("that SLURM does not know are reported, in strict mode refused", () => {
    expect(apply({ Colour: "blue" })).toEqual({
      values: {},
      found: ["warning slurm-parameter-unknown clusters.hpc.slurm_config.Colour"],
    });
    expect(apply({ Colour: "blue" }, true).found).toEqual([
      "error slurm-parameter-unknown clusters.hpc.slurm_config.Colour",
    ]);
    expect(findingsOf(config({ slurm: "KilWait: 3" }))[0]?.remedy).toContain("Did you mean KillWait?");
  });

  it.each([
    ["ClusterName", "x", "managed"],
    ["node_name", "x", "managed"],
    ["StateSaveLocation", "/tmp", "managed"],
    ["Include", "/etc/x", "managed"],
    ["ControlMachine", "x", "legacy"],
    ["CoreSpecPlugin", "x", "defunct"],
    ["KillWait", "soon", "value"],
    ["KillWait", -1, "value"],
    ["KillWait", 70_000, "value"],
    ["TrackWCKey", "perhaps", "value"],
    ["Licenses", "a\nNodeName=evil", "value"],
    ["Licenses", 'a" b', "value"],
    ["Licenses", "a#b", "value"],
    ["Licenses", { a: 1 }, "value"],
    ["Licenses", "", "value"],
  ])("%s: %j is refused", (name, value, kind) => {
    expect(apply({ [name]: value }).found).toEqual([
      `error slurm-parameter-${kind} clusters.hpc.slurm_config.${name}`,
    ]);
  });

  it("given twice in two spellings are refused", () => {
    expect(apply({ KillWait: 1, kill_wait: 2 }).found).toEqual([
      "error slurm-parameter-twice clusters.hpc.slurm_config.kill_wait",
    ]);
  });

  it("that hyperlab decides are all known to SLURM", () => {
    for (const name of MANAGED_PARAMETERS)
      expect(slurmConfParameters.get(name.toLowerCase())?.name).toBe(name);
  });

  it("never break out of their line", () => {
    fc.assert(
      fc.property(fc.constantFrom("Licenses", "MailProg", "LaunchParameters"), fc.string(), (name, value) => {
        const { values } = apply({ [name]: value });
        expect(Object.values(values).join("")).not.toMatch(/[\n\r"#\\]/);
      }),
    );
  });
});

describe("partitions", () => {
  it("have exactly one default and the time limit", () => {
    const lab = config({ slurm: 'max_job_time: "2-00:00:00"' });
    if (lab.hpc !== undefined) lab.hpc.slurm.partitions = ["main", "long", "debug"];
    const text = renderSlurmConf(planned(lab).slurm);
    expect(text.match(/^PartitionName.*$/gm)).toEqual([
      "PartitionName=main Nodes=ALL Default=YES MaxTime=2-00:00:00 State=UP",
      "PartitionName=long Nodes=ALL Default=NO MaxTime=2-00:00:00 State=UP",
      "PartitionName=debug Nodes=ALL Default=NO MaxTime=2-00:00:00 State=UP",
    ]);
  });

  it("must hold the default", () => {
    const lab = config();
    if (lab.hpc !== undefined) lab.hpc.slurm.defaultPartition = "other";
    expect(briefly(findingsOf(lab))).toContain(
      "error default-partition-unknown clusters.hpc.slurm_config.default_partition",
    );
  });
});

describe("time-outs", () => {
  it("follow the measured boot upwards, in steps, and never fall below what the first run planned", () => {
    expect(slurmTiming("kvm", 0)).toEqual(slurmTiming("kvm", 20));
    expect(slurmTiming("qemu", 30)).toEqual(slurmTiming("qemu", 0));
    expect(slurmTiming("kvm", 61)).toEqual(slurmTiming("kvm", 119));
    expect(slurmTiming("kvm", 130).resumeTimeoutSeconds).toBeGreaterThan(
      slurmTiming("kvm", 30).resumeTimeoutSeconds,
    );
    expect(slurmTiming("kvm", 100_000).bootClassSeconds).toBe(960);
  });

  it("leave the boot and SLURM's own rules room", () => {
    for (const seconds of [1, 60, 100, 300, 700, 5000]) {
      for (const type of ["kvm", "qemu"] as const) {
        const timing = slurmTiming(type, seconds);
        expect(timing.resumeTimeoutSeconds).toBeGreaterThan(Math.min(seconds, 960));
        expect(timing.messageTimeoutSeconds).toBeLessThanOrEqual(100);
        expect(timing.unkillableStepTimeoutSeconds).toBeGreaterThanOrEqual(5 * timing.messageTimeoutSeconds);
        for (const value of Object.values(timing)) expect(Number.isInteger(value)).toBe(true);
      }
    }
  });

  it("of a plan follow the controller's boot that was measured after it was made, and nothing else does", () => {
    const plan = planned(config());
    expect(withMeasuredBoot(plan, 0)).toEqual(plan);
    expect(withMeasuredBoot(plan, plan.slurm.timing.bootClassSeconds)).toEqual(plan);
    const slow = withMeasuredBoot(plan, 700);
    expect(renderSlurmConf(slow.slurm)).toMatch(/^ResumeTimeout=2880$/m);
    expect(slow.verify.timeoutSeconds).toBe(4 * 960);
    expect({ ...slow, slurm: plan.slurm, verify: plan.verify }).toEqual(plan);
    expect({ ...slow.slurm, timing: plan.slurm.timing }).toEqual(plan.slurm);
  });

  it("pass the linter, however long the boot took", () => {
    fc.assert(
      fc.property(fc.nat(3000), fc.boolean(), (seconds, kvm) => {
        const lab = config();
        const plan = planned(lab, goodFacts(lab, { kvm: { known: true, value: kvm } }));
        expect(lintSlurm(lintInput(withMeasuredBoot(plan, seconds)))).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});
