/** Restarts that are asked for, and machines that somebody stops for a time. */
import { describe, expect, it } from "vitest";
import type { Hold } from "../../../providers/libvirt/ownership/index.ts";
import {
  type HeldMachine,
  placeHold,
  readHold,
  releaseHold,
  restoreHold,
} from "../../../providers/libvirt/resources/domain/index.ts";
import { decodeState } from "../../../providers/libvirt/resources/domain/state.ts";
import { decodeInputs } from "../../../providers/libvirt/schema/index.ts";
import { exited, Machine, Stack } from "./harness.ts";
import { failing, node, TestDriver } from "./test-driver.ts";

const host = new TestDriver();
const declared = node({ autostart: true });
const hold: Hold = {
  power: "off",
  kind: "manual",
  since: "2026-01-31T09:00:00Z",
  by: "ada@desk",
  reason: 'fan <3> of "rack" & more',
};
const text =
  'held off since 2026-01-31T09:00:00Z by ada@desk: fan <3> of "rack" & more; release with: hyperlab start node';

const made = (inputs = declared) => new Machine(host.stack, "node").create(inputs);
const known = (machine: Machine): HeldMachine => ({
  state: decodeState(machine.state),
  inputs: decodeInputs("Domain", machine.inputs),
});
const run = () => host.stack.run("node");
const held = async (inputs = declared) => {
  const machine = await made(inputs);
  await placeHold(run(), known(machine), hold);
  await machine.refresh();
  return machine;
};
const autostart = async () => host.client.domainGetAutostart(await host.domain());
/** What an engine shows of a machine: the Diff, and the update where there is one. */
const seen = async (machine: Machine, news = declared) => {
  host.stack.lines.length = 0;
  const { changes } = await machine.diff(news);
  const lines = [...host.stack.lines];
  return { changes, line: changes === "none" ? lines.join("\n") : await machine.preview(news) };
};

describe("a restart trigger", () => {
  it("restarts the machine once, however often the update runs", async () => {
    const machine = await made();
    const agent = host.stack.agent("node");
    const first = { ...declared, restartTrigger: "one" };
    expect(await machine.preview(first)).toBe("node: restart (restartTrigger set to one), quiesce first");
    agent.calls.length = 0;
    await machine.update(first);
    expect(agent.calls).toEqual(["quiesce", "ready"]);
    await machine.refresh();
    expect(machine.inputs).toEqual(first);
    expect(await seen(machine, first)).toEqual({ changes: "none", line: "" });

    const second = { ...declared, restartTrigger: "two" };
    expect(await machine.preview(second)).toBe("node: restart (restartTrigger one → two), quiesce first");
    await machine.update(second);
    expect(agent.calls).toEqual(["quiesce", "ready", "quiesce", "ready"]);
  });

  it("that is forgotten restarts nothing", async () => {
    const machine = await made({ ...declared, restartTrigger: "one" });
    host.stack.agent("node").calls.length = 0;
    expect(await machine.preview(declared)).toBe("node: live (restartTrigger removed)");
    await machine.update(declared);
    expect(host.stack.agent("node").calls).toEqual([]);
    await machine.refresh();
    expect(machine.inputs).toEqual(declared);
  });

  it("does nothing to a machine that is off but to be noted", async () => {
    const off = node({ running: false });
    const machine = await made(off);
    await machine.update({ ...off, restartTrigger: "one" });
    expect(await host.power()).toBe("shutoff");
    await machine.refresh();
    expect(machine.inputs).toEqual({ ...off, restartTrigger: "one" });
  });

  it.each(["domainShutdown", "domainDefineXml", "domainCreate"] as const)(
    "restarts once also where the run is killed at %s",
    async (method) => {
      const machine = await made();
      const news = { ...declared, restartTrigger: "one" };
      const killed = new Machine(new Stack(failing(host.client, method)), "node");
      Object.assign(killed, { id: machine.id, inputs: machine.inputs, state: machine.state });
      await expect(killed.update(news)).rejects.toThrow();
      const stoppedBefore = (await host.power()) === "shutoff";
      await machine.refresh();
      const agent = host.stack.agent("node");
      agent.calls.length = 0;
      await machine.update(news);
      expect(await host.power()).toBe("running");
      // What is off already was emptied and stopped by the run that was killed.
      expect(agent.calls.filter((name) => name === "quiesce")).toHaveLength(stoppedBefore ? 0 : 1);
      await machine.refresh();
      expect(await seen(machine, news)).toEqual({ changes: "none", line: "" });
    },
  );
});

describe("a hold", () => {
  it("empties and stops the machine, and keeps it off when its host starts", async () => {
    const machine = await made();
    const agent = host.stack.agent("node");
    agent.calls.length = 0;
    let reason = "";
    agent.on("quiesce", ({ args }) => {
      reason = args[1] ?? "";
      return exited(0);
    });
    await placeHold(run(), known(machine), hold);
    expect(agent.calls).toEqual(["quiesce"]);
    expect(reason).toBe('held off since 2026-01-31T09:00:00Z by ada@desk: fan <3> of "rack" & more');
    expect(await host.power()).toBe("shutoff");
    expect(await autostart()).toBe(false);
    expect(await readHold(run(), known(machine))).toEqual(hold);
  });

  it("is reported by every preview, and is no drift", async () => {
    const machine = await held();
    expect(machine.inputs).toEqual(declared);
    expect(await seen(machine)).toEqual({ changes: "none", line: `node: nothing, ${text}` });
  });

  it("leaves a machine that runs all the same alone, too", async () => {
    const machine = await held();
    await host.client.domainCreate(await host.domain());
    await machine.refresh();
    expect(await seen(machine)).toMatchObject({
      changes: "none",
      line: expect.stringContaining("it runs all the same; release with"),
    });
  });

  it("survives every change of the machine, which stays off", async () => {
    const machine = await held();
    const changes = [
      { news: { ...declared, description: "other" }, line: "live (description set to other)" },
      { news: { ...declared, memoryMiB: 512 }, line: "memoryMiB 256 → 512" },
      { news: { ...declared, autostart: false }, line: "autostart true → false" },
      {
        news: node({ rootDisk: { pool: "default-pool", image: "debian-b", sizeMiB: 200 } }),
        line: "rebuild",
      },
      { news: node({ running: false }), line: "" },
      { news: declared, line: "" },
    ];
    for (const { line, news } of changes) {
      expect((await seen(machine, news)).line).toContain(line);
      await machine.update(news);
      expect(machine.state).toMatchObject({ hold });
      expect(await host.power()).toBe("shutoff");
      expect(await autostart()).toBe(false);
      await machine.refresh();
      expect(await seen(machine, news)).toEqual({ changes: "none", line: `node: nothing, ${text}` });
    }
  });

  it("that is released lets the next update start the machine", async () => {
    const machine = await held();
    expect(await releaseHold(run(), known(machine))).toEqual(hold);
    expect(await releaseHold(run(), known(machine))).toBeUndefined();
    await machine.refresh();
    expect((await seen(machine)).line).toBe(
      "node: start: should run and is shut off (autostart false → true)",
    );
    await machine.update(declared);
    expect(await host.power()).toBe("running");
    expect(await autostart()).toBe(true);
    expect(machine.state.hold).toBeUndefined();
    await machine.refresh();
    expect(await seen(machine)).toEqual({ changes: "none", line: "" });
  });

  it("can be put back where the start is declined", async () => {
    const machine = await held();
    const released = await releaseHold(run(), known(machine));
    if (released === undefined) throw new Error("there was no hold");
    await restoreHold(run(), known(machine), released);
    await machine.refresh();
    expect(await seen(machine)).toEqual({ changes: "none", line: `node: nothing, ${text}` });
  });

  it("is taken back where the machine is not empty in time; it goes on emptying itself", async () => {
    const machine = await made(node({ autostart: true, quiesce: { timeoutSeconds: 1 } }));
    host.stack.agent("node").on("quiesce", () => exited(75, "waits for job 7"));
    await expect(placeHold(run(), known(machine), hold)).rejects.toThrow(/waits for job 7/);
    expect(host.stack.agent("node").calls).not.toContain("unquiesce");
    expect(await host.power()).toBe("running");
    expect(await readHold(run(), known(machine))).toBeUndefined();
    expect(await autostart()).toBe(true);
  });

  it("does not keep a machine from being removed", async () => {
    const machine = await held();
    await machine.delete();
    expect(await host.power()).toBe("none");
  });

  it("is placed on nothing but the very machine that the stack made", async () => {
    const machine = await made();
    const other = { ...known(machine), state: { ...decodeState(machine.state), generation: "another" } };
    await expect(placeHold(run(), other, hold)).rejects.toThrow(/not the one that this stack made/);
    await machine.delete();
    await expect(placeHold(run(), known(machine), hold)).rejects.toThrow(/the host has no machine node/);
  });
});
