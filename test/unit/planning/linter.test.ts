import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { guestMemoryMiB } from "../../../planning/slurm/lint/nodes.ts";
import { lintInput } from "../../../planning/slurm/lint-plan.ts";
import { lintRules, lintSlurm } from "../../../planning/slurm/linter.ts";
import { realMemoryMiB } from "../../../planning/slurm/model.ts";
import { config, planned } from "./lab.ts";
import { PLANTED } from "./planted.ts";

const nodes = "compute_nodes: { count: 3, cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }";
const clean = lintInput(planned(config({ nodes, slurm: 'max_job_time: "1-12:00:00"' })));

describe("the linter", () => {
  it("finds nothing in what hyperlab renders", () => {
    expect(lintSlurm(clean)).toEqual([]);
  });

  it.each(PLANTED)("finds $what", ({ rule, plant }) => {
    const found = lintSlurm(plant(clean));
    expect(found.map((finding) => finding.rule)).toContain(rule);
    for (const { text, remedy } of found) {
      expect(text).not.toBe("");
      expect(remedy).toMatch(/\.$/);
    }
  });

  it("has an example for every rule", () => {
    expect([...new Set(PLANTED.map((planted) => planted.rule))].sort()).toEqual([...lintRules].sort());
  });

  it("warns of old names and refuses everything else", () => {
    for (const { rule, plant } of PLANTED) {
      const severities = lintSlurm(plant(clean))
        .filter((finding) => finding.rule === rule)
        .map((finding) => finding.severity);
      expect(new Set(severities)).toEqual(new Set([rule === "legacy-key" ? "warning" : "error"]));
    }
  });

  it("names file and line", () => {
    const [finding] = lintSlurm({
      ...clean,
      slurmConf: "ClusterName=x\n# comment\nNonsense=1 # more\n",
    }).filter(({ rule }) => rule === "unknown-key");
    expect(finding).toMatchObject({ file: "slurm.conf", line: 3 });
  });

  it("accepts a partition of a node set, continued lines and quotes", () => {
    const slurmConf = `${clean.slurmConf}NodeSet=fast Nodes=lab-compute-01
PartitionName=extra Nodes=fast \\
  Default=NO
MailProg="/usr/bin/true --quiet"
`;
    expect(lintSlurm({ ...clean, slurmConf })).toEqual([]);
  });
});

describe("any text", () => {
  it("is read without an exception", () => {
    const word = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom(
        "NodeName=",
        "PartitionName=",
        "Gres=gpu:",
        "n[1-3]",
        "n[",
        '"',
        "#",
        "\\",
        "\n",
        "=",
        "[",
        "]",
        ",",
      ),
    );
    const text = fc.array(word, { maxLength: 40 }).map((words) => words.join(" "));
    fc.assert(
      fc.property(text, text, text, (slurmConf, cgroupConf, gresConf) => {
        const found = lintSlurm({ ...clean, slurmConf, cgroupConf, gresConf });
        for (const { line } of found) expect(line).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe("RealMemory", () => {
  it("is below what the guest registers, for every size", () => {
    for (let memoryGb = 1; memoryGb <= 4096; memoryGb++) {
      expect(realMemoryMiB(memoryGb * 1024)).toBeLessThanOrEqual(guestMemoryMiB(memoryGb * 1024));
      expect(realMemoryMiB(memoryGb * 1024)).toBeGreaterThan(800);
    }
  });

  it("leaves a margin to the total that a Debian 13 guest of 2048 MiB shows", () => {
    expect(realMemoryMiB(2048)).toBe(1817);
    expect(guestMemoryMiB(2048)).toBeLessThan(1960);
  });
});
