/** A create of a machine that is there, complete and ours: its state was lost. */
import { describe, expect, it } from "vitest";
import { placeHold, releaseHold } from "../../../providers/libvirt/resources/domain/index.ts";
import { decodeState } from "../../../providers/libvirt/resources/domain/state.ts";
import { decodeInputs } from "../../../providers/libvirt/schema/index.ts";
import { Machine } from "./harness.ts";
import { node, TestDriver } from "./test-driver.ts";

const host = new TestDriver();
const recoveryRecord = "c2VhbGVk";
const declared = node({ autostart: true, recoveryRecord });
const made = () => new Machine(host.stack, "node").create(declared);

/** What the preview of a create shows, and what it foresees. */
async function previewed(inputs = declared) {
  host.stack.provider.cache.domains.invalidate();
  host.stack.provider.cache.networks.invalidate();
  host.stack.lines.length = 0;
  const outputs = await new Machine(host.stack, "node").previewCreate(inputs);
  return { line: host.stack.lines.join("\n"), outputs };
}

/** Its definition without the mark's generation, and which run of it this is. */
async function present() {
  const ref = await host.domain();
  const xml = await host.client.domainGetXmlDesc(ref, { inactive: true });
  return { id: ref.id, uuid: ref.uuid, xml: xml.replace(/ generation="[0-9a-f]+"/, "") };
}

describe("a machine whose state was lost", () => {
  it("is adopted as it is: same run, definition and disk, and nothing is asked of the guest", async () => {
    const first = await made();
    const [before, volumes] = [await present(), await host.volumes()];
    host.stack.agent("node").calls.length = 0;
    const { line, outputs } = await previewed();
    expect(line).toBe("node: adopt, it stays as it is");
    expect(outputs).toMatchObject({
      rootVolume: first.state.rootVolume,
      bootSeconds: first.state.bootSeconds,
    });

    const adopted = await new Machine(host.stack, "node").create(declared);
    expect(host.stack.agent("node").calls).toEqual([]);
    expect([await present(), await host.volumes()]).toEqual([before, volumes]);
    expect(adopted.state).toEqual({
      ...first.state,
      generation: expect.not.stringMatching(String(first.state.generation)),
    });
    await adopted.refresh();
    expect(adopted.inputs).toEqual(declared);
    expect(await adopted.diff(declared)).toMatchObject({ changes: "none" });
    await first.delete();
    expect(await host.power()).toBe("running");
    await adopted.delete();
    expect(await host.power()).toBe("none");
  });

  it("is refused in the preview already where it is not as declared", async () => {
    await made();
    const before = await present();
    await expect(previewed(node({ autostart: true, recoveryRecord, memoryMiB: 512 }))).rejects.toThrow(
      /made it from other inputs.*"node: restart \(memoryMiB \d+ → 512, .*\), quiesce first"\. Nothing was changed.*adopted/s,
    );
    expect(await present()).toEqual(before);
  });

  it("with a difference that needs no restart is adopted, and changed by the next update", async () => {
    await made();
    const now = { ...declared, description: "A node" };
    expect((await previewed(now)).line).toBe(
      "node: adopt, it stays as it is; by the next update: live (description set to A node)",
    );
    const machine = await new Machine(host.stack, "node").create(now);
    await machine.refresh();
    expect(await machine.preview(now)).toBe("node: live (description set to A node)");
    const { id } = await present();
    await machine.update(now);
    await machine.refresh();
    expect(machine.inputs).toEqual(now);
    expect((await present()).id).toBe(id);
  });

  it("is started where it should run and does not", async () => {
    await made();
    await host.client.domainDestroy(await host.domain());
    expect((await previewed()).line).toBe("node: adopt, then start: should run and is shut off");
    const machine = await new Machine(host.stack, "node").create(declared);
    expect(await host.power()).toBe("running");
    await machine.refresh();
    expect(await machine.diff(declared)).toMatchObject({ changes: "none" });
  });

  it("stays off under a hold, and comes up when that is released", async () => {
    const first = await made();
    const known = { state: decodeState(first.state), inputs: decodeInputs("Domain", declared) };
    const since = "2026-01-31T09:00:00Z";
    await placeHold(host.stack.run("node"), known, {
      power: "off",
      kind: "manual",
      by: "ada",
      since,
      reason: "fan",
    });
    expect((await previewed()).line).toMatch(
      /^node: adopt, it stays as it is, held off since .* by ada: fan/,
    );
    const machine = await new Machine(host.stack, "node").create(declared);
    expect(await host.power()).toBe("shutoff");
    await releaseHold(host.stack.run("node"), { ...known, state: decodeState(machine.state) });
    await machine.refresh();
    expect(await machine.preview(declared)).toMatch(/^node: start: should run/);
  });

  it("that should be off and runs is left to the next update, which previews the stop", async () => {
    await made();
    const off = { ...declared, autostart: true, running: false };
    expect((await previewed(off)).line).toBe(
      "node: adopt, it stays as it is; by the next update: stop, quiesce first",
    );
    const machine = await new Machine(host.stack, "node").create(off);
    expect(await host.power()).toBe("running");
    expect(await machine.preview(off)).toBe("node: stop, quiesce first");
  });

  it("gets back an entry in its network that is missing", async () => {
    await made();
    const before = await host.networkXml();
    const lost = "<host mac='52:54:00:00:00:11' name='node' ip='192.168.122.11'/>";
    expect(before).toContain(lost);
    await host.client.networkUpdate(await host.network(), "delete", "ip-dhcp-host", -1, lost, {
      live: true,
      config: true,
    });
    expect((await previewed()).line).toBe("node: adopt, then live (reservation and DNS entry made again)");
    await new Machine(host.stack, "node").create(declared);
    expect(await host.networkXml()).toContain(lost);
  });
});

describe("a recovery record", () => {
  it("is noted without another definition being written, and taken away again", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const [before, calls] = [await present(), host.stack.agent("node").calls.length];
    expect(await machine.preview(node({ recoveryRecord }))).toMatch(/^node: no effect on the machine /);
    await machine.update(node({ recoveryRecord }));
    const xml = (await present()).xml;
    expect(xml).toContain(`>${recoveryRecord}</hyperlab-recovery:record>`);
    await machine.update(node());
    await machine.refresh();
    expect(machine.inputs).toEqual(node());
    expect((await present()).id).toBe(before.id);
    expect(host.stack.agent("node").calls).toHaveLength(calls);
    expect(await machine.check(node({ recoveryRecord: "not base64!" }))).toHaveLength(1);
  });
});
