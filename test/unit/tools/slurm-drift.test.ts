import { describe, expect, it } from "vitest";
import { renderSlurmDrift } from "../../../tools/commands/slurm-drift.ts";
import { runtimeDrift, slurmSeconds, splitRuntime } from "../../../tools/slurm/runtime-drift.ts";

const slurmConf = `NodeName=lab-compute-[01-02] NodeAddr=10.50.0.[10-11] CPUs=2 RealMemory=1800

PartitionName=main Nodes=ALL Default=YES MaxTime=36:00:00 State=UP
`;
const partition = (over = "") =>
  `PartitionName=main AllowGroups=ALL Nodes=lab-compute-[01-02] MaxTime=1-12:00:00 ${over || "State=UP"}\n`;
const node = (name: string, rest = "State=IDLE") =>
  `NodeName=${name} Weight=1 AvailableFeatures=(null) ${rest}\n`;
const nodes = node("lab-compute-01") + node("lab-compute-02");
const drift = (over: { partitions?: string; nodes?: string }) =>
  runtimeDrift({ slurmConf, partitions: partition(), nodes, ...over });

// What the real daemon prints is tested with it (test/provider/slurmctld.test.ts).
describe("what somebody changed by scontrol", () => {
  it("is nothing where the daemon says what it was told, in whatever form", () => {
    expect(drift({})).toEqual([]);
  });

  it("is told with the value that is declared", () => {
    expect(drift({ partitions: partition("State=DRAIN") })).toEqual([
      "partition main: State is DRAIN, the configuration says UP",
    ]);
    expect(drift({ partitions: "" })).toEqual(["partition main is gone, which the configuration has"]);
  });

  it("does not count drains of hyperlab's own, nor nodes that the configuration does not have yet", () => {
    const drained = (reason: string) =>
      node("lab-compute-02", `State=DOWN+DRAIN Reason=${reason} [root@2026-01-31]`);
    expect(drift({ nodes: drained("hyperlab: held off since noon") })).toEqual([]);
    expect(drift({ nodes: drained("broken fan") })).toEqual(["node lab-compute-02 is drained: broken fan"]);
    expect(drift({ nodes: nodes + node("lab-compute-03", "Weight=9") })).toEqual([]);
  });
});

it.each([
  ["90", 5400],
  ["1:30", 90],
  ["2:00:00", 7200],
  ["1-12", 129_600],
  ["1-12:30", 131_400],
  ["1-12:30:01", 131_401],
  ["INFINITE", "unlimited"],
])("the time %s", (text, seconds) => {
  expect(slurmSeconds(text)).toBe(seconds);
});

describe("the answer of the controller", () => {
  it("has three parts, and is nothing else", () => {
    expect(splitRuntime("a\n== hyperlab ==\nb\n== hyperlab ==\nc\n")).toEqual({
      slurmConf: "a\n",
      partitions: "b\n",
      nodes: "c\n",
    });
    for (const text of ["", "a\n== hyperlab ==\nb\n"]) expect(splitRuntime(text)).toBeUndefined();
  });

  it("is shown where something was changed, or where nobody can tell", () => {
    expect(renderSlurmDrift(undefined)).toEqual([]);
    expect(renderSlurmDrift({ known: true, changed: [] })).toEqual([]);
    expect(renderSlurmDrift({ known: true, changed: ["a"] }).join("\n")).toContain("left alone:\n  a");
    expect(renderSlurmDrift({ known: false, why: "no answer" }).join("\n")).toContain(
      "is unknown: no answer",
    );
  });
});
