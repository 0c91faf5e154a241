import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ClusterShape } from "./support/cluster-file.ts";
import { hypervisor } from "./support/hypervisor.ts";
import { LabUnderTest } from "./support/lab.ts";
import { SlurmUser } from "./support/slurm.ts";

/** Scenarios on one cluster, in the order of a cluster's life; each leaves two idle nodes of 1 GB behind. */
const lab = new LabUnderTest();
const slurm = new SlurmUser(lab);
const two: ClusterShape = { count: 2 };
const controller = "e2e-controller";
const first = "e2e-compute-01";
const second = "e2e-compute-02";
const third = "e2e-compute-03";
let before: string[] = [];

/** What must not change of a machine that a change does not concern. */
async function identity(...machines: string[]): Promise<Record<string, string>> {
  const entries = machines.map(async (machine) => [
    machine,
    `${await hypervisor.bootId(machine)} ${await hypervisor.rootDisk(machine)}`,
  ]);
  return Object.fromEntries(await Promise.all(entries));
}

/** Effects that a preview announces, without machines that it leaves alone. */
async function announced(): Promise<Record<string, string>> {
  const lines = [...(await lab.preview()).values()].filter((line) => line.effect !== "none");
  return Object.fromEntries(lines.map((line) => [line.name, line.effect]));
}

beforeAll(async () => {
  before = await hypervisor.inventory();
  await lab.prepare();
  lab.declare(two);
  await lab.up();
  await lab.openSsh();
});

afterAll(async () => {
  if (lab.kept) return;
  await lab.down();
  lab.remove();
  expect(await hypervisor.inventory()).toEqual(before);
});

describe("jobs of an ordinary user", () => {
  it("runs a job on two nodes from the home directory, output and accounting included", async () => {
    await lab.ssh("printf '#!/bin/sh\\nsrun hostname\\n' > job.sh");
    const job = await slurm.submit("-N2 --ntasks-per-node=1 -o out.txt job.sh");
    await slurm.ended(job, "COMPLETED");
    const hosts = (await lab.ssh("cat out.txt")).split("\n").sort();
    expect(hosts).toEqual([first, second]);
  });

  it("cancels a job", async () => {
    const job = await slurm.submit("-N1 --wrap 'sleep 600'");
    await slurm.running(job);
    await lab.ssh(`scancel ${job}`);
    await slurm.ended(job, "CANCELLED");
  });
});

describe("changes", () => {
  it("changes nothing at a second up", async () => {
    const machines = await identity(controller, first, second);
    expect(await announced()).toEqual({});
    await lab.up();
    expect(await identity(controller, first, second)).toEqual(machines);
  });

  it("adds a node without touching a running job", async () => {
    // It ends when told, so that it runs through the whole change however long that takes.
    const job = await slurm.submit(`-N1 -w ${first} --wrap 'until [ -e "$HOME/finish" ]; do sleep 2; done'`);
    const process = await slurm.process(job, first);
    const machines = await identity(controller, first, second);
    lab.declare({ count: 3 });
    expect(await announced()).toEqual({ [third]: "create" });
    await lab.up();
    await slurm.idle(third);
    expect(await identity(controller, first, second)).toEqual(machines);
    expect(await slurm.process(job, first)).toEqual(process);
    await lab.ssh("touch finish");
    await slurm.ended(job, "COMPLETED");
    expect(await slurm.restarts(job)).toBe(0);
  });

  it("lets the job on a node that goes end first", async () => {
    const machines = await identity(controller, first, second);
    const job = await slurm.submit(`-N1 -w ${third} --wrap 'sleep 60'`);
    await slurm.running(job);
    lab.declare(two);
    expect(await announced()).toEqual({ [third]: "remove" });
    await lab.up();
    await slurm.ended(job, "COMPLETED");
    expect(await hypervisor.inventory()).not.toContain(third);
    expect(await lab.ssh("sinfo -hN -o %N | sort -u")).toBe([first, second].join("\n"));
    expect(await identity(controller, first, second)).toEqual(machines);
  });
});

describe("memory", () => {
  it("kills a job above its memory limit and keeps the node", async () => {
    const job = await slurm.submit(`-N1 --mem=100M --wrap 'python3 -c "b\\"x\\" * (400 << 20)"'`);
    await slurm.ended(job, "OUT_OF_MEMORY");
    await slurm.idle(first, second);
    await slurm.ended(await slurm.submit("-N2 --wrap 'srun hostname'"), "COMPLETED");
  });
});
