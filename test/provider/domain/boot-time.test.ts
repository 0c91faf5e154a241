import { describe, expect, it } from "vitest";
import { systemClock } from "../../../providers/libvirt/resources/domain/clock.ts";
import { type PropertyMap, Unknown } from "../../../providers/plugin/index.ts";
import { exited, Machine, Stack } from "./harness.ts";
import { failing, node, pool, TestDriver } from "./test-driver.ts";

const host = new TestDriver();

/** A machine whose next boots take so many seconds, one after another. */
function booting(...seconds: number[]): Machine {
  let passed = 0;
  const clock = { ...systemClock, now: () => Date.now() + passed * 1000 };
  const stack = new Stack(host.client, { parts: { clock } });
  stack.agent("node").on("ready", () => {
    passed += seconds.shift() ?? 0;
    return exited(0);
  });
  return new Machine(stack, "node");
}

const patient = (over: PropertyMap = {}) => node({ ready: { timeoutSeconds: 900 }, ...over });
const otherImage = { rootDisk: { pool, image: "debian-b", sizeMiB: 200 } };

/** From so many seconds to a few more, which the host itself took. */
function expectAbout(machine: Machine, seconds: number): void {
  const { bootSeconds } = machine.state;
  expect(bootSeconds).toBeGreaterThanOrEqual(seconds);
  expect(bootSeconds).toBeLessThan(seconds + 20);
}

describe("bootSeconds", () => {
  it("is measured at the first boot, and stays over refresh, change and restart", async () => {
    const machine = await booting(171, 300, 300).create(patient());
    expectAbout(machine, 171);
    const { bootSeconds } = machine.state;
    await machine.refresh();
    expect(machine.state.bootSeconds).toBe(bootSeconds);
    for (const news of [patient({ title: "live" }), patient({ memoryMiB: 512 })]) {
      expect(await machine.diff(news)).toMatchObject({
        stables: expect.arrayContaining(["bootSeconds"]),
      });
      expect((await machine.previewOutputs(news)).bootSeconds).toBe(bootSeconds);
      await machine.update(news);
      expect(machine.state.bootSeconds).toBe(bootSeconds);
    }
    await machine.update(patient({ running: false }));
    await machine.update(patient());
    expect(machine.state.bootSeconds).toBe(bootSeconds);
    expect(await machine.diff(patient())).toMatchObject({ changes: "none" });
  });

  it("is measured again with a new root disk, and a preview does not claim to know it", async () => {
    const machine = await booting(171, 400).create(patient());
    expect((await machine.previewOutputs(patient(otherImage))).bootSeconds).toBeInstanceOf(Unknown);
    expect((await machine.diff(patient(otherImage))).stables).not.toContain("bootSeconds");
    await machine.update(patient(otherImage));
    expectAbout(machine, 400);
  });

  it("stays with the old disk when the new one does not get ready", async () => {
    const machine = await booting(171).create(patient());
    machine.stack.agent("node").on("identity", () => exited(1, "", "broken image"));
    await expect(machine.update(patient(otherImage))).rejects.toThrow(/runs on its old root disk/);
    await machine.refresh();
    expectAbout(machine, 171);
  });

  it("of a machine that was made off is measured at its first start", async () => {
    const machine = await booting(90).create(patient({ running: false }));
    expect(machine.state.bootSeconds).toBe(0);
    expect((await machine.previewOutputs(patient())).bootSeconds).toBeInstanceOf(Unknown);
    await machine.update(patient());
    expectAbout(machine, 90);
  });

  it("is 0 where the boot was not seen as a whole, or is not waited for", async () => {
    const machine = booting();
    machine.stack.agent("node").on("ready", () => exited(75, "busy"));
    await expect(machine.create(node({ ready: { timeoutSeconds: 1 } }))).rejects.toThrow(/did not get ready/);
    machine.stack.agent("node").on("ready", () => exited(0));
    await machine.update(patient());
    expect(machine.state.bootSeconds).toBe(0);
    await machine.delete();

    const unasked = patient({ ready: { wait: "none" } });
    expect(await machine.previewCreate(unasked)).toMatchObject({ bootSeconds: 0 });
    expect((await machine.create(unasked)).state).toMatchObject({ bootSeconds: 0 });
  });

  it("of the old disk is not taken for the new one's after a rebuild that was killed", async () => {
    const machine = await booting(171, 171).create(patient());
    const killed = new Machine(new Stack(failing(host.client, "storageVolDelete")), "node");
    Object.assign(killed, { id: "node", inputs: machine.inputs, state: machine.state });
    await expect(killed.update(patient(otherImage))).rejects.toThrow();
    await machine.refresh();
    expect(await machine.preview(patient(otherImage))).toMatch(/wait until ready/);
    await machine.update(patient(otherImage));
    expect(machine.state.bootSeconds).toBe(0);
  });
});
