/** A rolling update of 64 machines, defined on the QEMU driver and never started: see rollout-stand-ins.ts. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import type { PropertyMap } from "../../../providers/plugin/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { checkRollout, mostUnavailable } from "../../support/rollout-trace.ts";
import { connect, Machine, Stack } from "./harness.ts";
import { fastClock, Power, SlurmStandIn, Trace, TracedRegistry } from "./rollout-stand-ins.ts";

const maxUnavailable = 8;
const names = Array.from({ length: 64 }, (_, index) => `node-${String(index + 1).padStart(2, "0")}`);
/** Far beyond what anything takes, also for a clock that is fast. */
const patience = { timeoutSeconds: 80_000 };

let daemon: OwnLibvirtd;
let client: LibvirtClient;
let trace = new Trace();
const power = new Power(() => trace);
const slurm = new SlurmStandIn(() => trace, maxUnavailable);

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  client = connect(daemon.qemuUri);
});
afterAll(async () => {
  await client?.close();
  await daemon?.stop();
});

const node = (name: string, memoryMiB: number): PropertyMap => ({
  name,
  type: "qemu",
  vcpus: 1,
  memoryMiB,
  rolloutGroup: "lab/compute",
  maxUnavailable,
  quiesce: patience,
  ready: patience,
  stop: patience,
});

/** One run of the engine, which knows what the one before recorded. */
function newRun(before: readonly Machine[] = []): readonly Machine[] {
  trace = new Trace();
  const parts = { clock: fastClock };
  const stack = new Stack(power.client(client), { parts, rollout: new TracedRegistry(trace) });
  return names.map((name, index) => {
    slurm.serve(stack, name);
    const { id = "", inputs = {}, state = {} } = before[index] ?? {};
    return Object.assign(new Machine(stack, name), { id, inputs, state });
  });
}

/** Updates all at the same time, as the engine does; what each came to. */
async function updateAll(machines: readonly Machine[]): Promise<Map<string, string>> {
  const outcomes = await Promise.allSettled(
    machines.map((machine) => machine.update(node(machine.name, 96))),
  );
  return new Map(
    outcomes.map((outcome, index) => [
      names[index] ?? "",
      outcome.status === "fulfilled" ? "done" : String(outcome.reason),
    ]),
  );
}

/** Memory of the machine's definition on the host. */
async function definedMiB(name: string): Promise<number> {
  const ref = await client.domainLookupByName(name);
  const xml = ref === undefined ? "" : await client.domainGetXmlDesc(ref, { inactive: true });
  return Number(/<memory unit='KiB'>(\d+)</.exec(xml)?.[1]) / 1024;
}

it("64 machines, 8 at a time, one that fails in the middle; the next run does the rest", async () => {
  let machines = newRun();
  await Promise.all(machines.map((machine) => machine.create(node(machine.name, 64))));
  expect([...slurm.nodes.values()].filter((state) => state === "idle")).toHaveLength(names.length);
  // None of them runs on the host itself.
  expect(await client.domainList({ active: true })).toEqual([]);

  machines = newRun(machines);
  for (const [index, name] of names.entries()) if (index % 3 === 0) slurm.run(name, index % 7);
  slurm.breakBoot(30);
  const first = trace;
  const outcomes = await updateAll(machines);
  expect(checkRollout(first.events, { machines: names, maxUnavailable })).toEqual([]);
  expect(mostUnavailable(first.events)).toBe(maxUnavailable);
  const [failing = "", ...others] = first.of("failed");
  expect(others).toEqual([]);
  const refused = first.of("refused");
  // Those whose turn had begun have finished it. How many began while the one that fails was waited for is open.
  expect(first.of("granted").length).toBeGreaterThanOrEqual(30);
  expect(refused).not.toEqual([]);
  expect(first.of("granted").length + refused.length).toBe(names.length);
  for (const name of names) {
    const untouched = refused.includes(name);
    const told = untouched
      ? `${name} was left as it is: ${failing}, of the same rollout group "lab/compute"`
      : name === failing
        ? "slurmd does not register"
        : "done";
    expect(outcomes.get(name)).toContain(told);
    expect(await definedMiB(name)).toBe(untouched ? 64 : 96);
    expect(power.isOn(name)).toBe(true);
    if (name === failing) expect(slurm.nodes.get(name)).toBe("down");
    else if (!untouched) expect(slurm.nodes.get(name)).toBe("idle");
    else expect(slurm.nodes.get(name)).toMatch(/idle|allocated/);
  }

  slurm.repair(failing);
  machines = newRun(machines);
  expect([...new Set((await updateAll(machines)).values())]).toEqual(["done"]);
  expect(
    checkRollout(
      trace.events.filter(({ machine }) => machine !== failing),
      { machines: refused, maxUnavailable },
    ),
  ).toEqual([]);
  expect(mostUnavailable(trace.events)).toBe(maxUnavailable);
  expect(await Promise.all(names.map(definedMiB))).toEqual(names.map(() => 96));
  expect([...slurm.nodes.values()].filter((state) => state === "idle")).toHaveLength(names.length);
});
