import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  controllerDocument,
  planLab,
  readPowerDeclarations,
  selectMachines,
} from "../../../planning/index.ts";
import { briefly, config, goodFacts, hpcOf } from "./lab.ts";

const lab = config();
const cluster = hpcOf(lab);
const names = ["lab-controller", ...cluster.computeNodes.nodes.map(({ number }) => `lab-compute-0${number}`)];
const [controller = "", first = "", second = ""] = names;

const plan = (power: unknown, restarts?: unknown, facts = goodFacts(lab)) => {
  const { findings, plan: made } = planLab(lab, facts, { power: readPowerDeclarations(power, restarts) });
  if (made.hpc === undefined) throw new Error("no plan");
  const machines = [made.hpc.controller, ...made.hpc.computeNodes];
  const running = Object.fromEntries(machines.map(({ name, domain }) => [name, domain.running]));
  return {
    findings: findings.filter(({ id }) => /power|restart/.test(id)),
    hpc: made.hpc,
    machines,
    running,
  };
};
const allOn = Object.fromEntries(names.map((name) => [name, true]));

describe("the declared power state", () => {
  it("wins over the cluster file, in every form of a name", () => {
    for (const written of [second, "compute-02", "compute-2", "compute02"]) {
      expect(plan({ [written]: "off" }).running).toEqual({ ...allOn, [second]: false });
    }
    const sleeping = config();
    for (const node of hpcOf(sleeping).computeNodes.nodes) node.autoStart = false;
    const { plan: made } = planLab(sleeping, goodFacts(sleeping), {
      power: { power: { [first]: "on" }, restarts: {} },
    });
    expect(made.hpc?.computeNodes.map(({ domain }) => domain.running)).toEqual([
      true,
      ...cluster.computeNodes.nodes.slice(1).map(() => false),
    ]);
  });

  it("off means off with its host, outside the verification, and with everything else as it was", () => {
    const { hpc, machines } = plan({ [second]: "off" });
    const before = plan({}).machines;
    for (const [index, machine] of machines.entries()) {
      const off = machine.name === second ? { running: false, autostart: false } : {};
      expect(machine.domain).toEqual({ ...before[index]?.domain, ...off });
    }
    const document = controllerDocument(hpc, () => "key");
    expect(document.nodes.filter(({ running }) => !running).map(({ name }) => name)).toEqual([second]);
    expect(document.slurmConf).toEqual(controllerDocument(plan({}).hpc, () => "key").slurmConf);
  });

  it("of a machine that nobody knows is an error that names the one that was meant", () => {
    expect(plan({ "lab-compte-02": "off" }).findings).toMatchObject([
      {
        id: "power-unknown-machine",
        severity: "error",
        text: expect.stringContaining("did you mean lab-compute-02?"),
        remedy: expect.stringContaining("lab-controller"),
      },
    ]);
    // A restart that was asked for once is only out of date.
    expect(briefly(plan({}, { "lab-compute-99": "one" }).findings)).toEqual([
      "warning restart-unknown-machine ",
    ]);
  });

  it("off is refused for a controller whose compute nodes run, and fine for a whole cluster", () => {
    expect(briefly(plan({ controller: "off" }).findings)).toEqual([
      "error power-controller-off clusters.hpc.controller",
    ]);
    const all = plan(Object.fromEntries(names.map((name) => [name, "off"])));
    expect(all.findings).toEqual([]);
    expect(all.hpc.verify.job).toBe(false);
  });

  it("never depends on the order in which it is written", () => {
    const states = fc.dictionary(fc.constantFrom(first, second), fc.constantFrom("on", "off"));
    fc.assert(
      fc.property(states, (power) => {
        const turned = Object.fromEntries(Object.entries(power).reverse());
        expect(plan(turned).machines).toEqual(plan(power).machines);
      }),
    );
  });
});

describe("a restart trigger", () => {
  it("is an input of its machine alone", () => {
    const { machines } = plan({}, { "compute-01": "2026-01-31T09:00:00Z" });
    const before = plan({}).machines;
    for (const [index, machine] of machines.entries()) {
      const more = machine.name === first ? { restartTrigger: "2026-01-31T09:00:00Z" } : {};
      expect(machine).toEqual({ ...before[index], domain: { ...before[index]?.domain, ...more } });
    }
  });
});

describe("a machine that is held on its host", () => {
  const domain = { owned: true, running: false, memoryMiB: 4096, vcpus: 4, macs: [], pinnedCpus: [] };
  const heldBy = (owned: boolean) =>
    goodFacts(lab, { domains: { known: true, value: [{ ...domain, name: second, owned, held: true }] } });

  it("stays declared on; SLURM's verification does not wait for it", () => {
    const { hpc, machines } = plan({}, {}, heldBy(true));
    expect(machines.map((machine) => machine.domain)).toEqual(
      plan({}).machines.map((machine) => machine.domain),
    );
    const document = controllerDocument(hpc, () => "key");
    expect(document.nodes.find(({ name }) => name === second)?.running).toBe(false);
  });

  it("counts only where it is ours", () => {
    expect(plan({}, {}, heldBy(false)).hpc).toEqual(plan({}).hpc);
  });
});

describe("reading the stack configuration", () => {
  it("takes what YAML 1.1 makes of on and off, and numbers as triggers", () => {
    expect(readPowerDeclarations({ a: true, b: false, c: "off" }, { a: 2 })).toEqual({
      power: { a: "on", b: "off", c: "off" },
      restarts: { a: "2" },
    });
    expect(readPowerDeclarations(undefined, null)).toEqual({ power: {}, restarts: {} });
  });

  it.each([
    ["off", undefined, /hyperlab:power .*must be a mapping/],
    [{ a: "of" }, undefined, /hyperlab:power .*the value of a must be on or off/],
    [undefined, { a: "" }, /hyperlab:restarts .*the value of a must be a text/],
  ])("refuses %j, %j", (power, restarts, text) => {
    expect(() => readPowerDeclarations(power, restarts)).toThrow(text);
  });
});

describe("names that a person may write", () => {
  it.each([
    [controller, [controller]],
    ["controller", [controller]],
    ["compute-1", [first]],
    ["compute", names.slice(1)],
    ["all", names],
    ["lab", names],
  ])("%s", (word, meant) => {
    expect(selectMachines(cluster, word)).toMatchObject({ names: meant });
  });

  it.each([
    ["computte", "compute"],
    ["lab-compute-0", first],
    ["compute-77", undefined],
    ["x", undefined],
  ])("%s means nothing", (word, meant) => {
    const selection = selectMachines(cluster, word);
    expect(selection.kind).toBe("unknown");
    if (meant !== undefined) expect(selection).toMatchObject({ meant: expect.stringMatching(/compute/) });
  });
});
