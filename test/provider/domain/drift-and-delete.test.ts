import { describe, expect, it } from "vitest";
import { connect, exited, Machine, removeDomains, Stack } from "./harness.ts";
import { failing, node, TestDriver } from "./test-driver.ts";

const host = new TestDriver();

describe("drift", () => {
  it("shows a machine that is shut off, and starts it", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const ref = await host.domain();
    await host.client.domainShutdown(ref);
    await machine.refresh();
    expect(machine.inputs.running).toBe(false);
    expect(await machine.preview(node())).toBe("node: start: should run and is shut off");
    await machine.update(node());
    expect(await host.power()).toBe("running");
  });

  it("shows a paused machine, and lets it go on", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const ref = await host.domain();
    await host.client.domainSuspend(ref);
    await machine.refresh();
    expect(await machine.preview(node())).toBe("node: resume: should run and is paused");
    await machine.update(node());
    expect(await host.power()).toBe("running");
  });

  it("keeps a machine whose definition was removed while its disk remains", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const disk = machine.state.rootVolume;
    await removeDomains(host.client);
    expect(await machine.refresh()).toBe(true);
    expect(await machine.preview(node())).toBe(
      "node: define again on its own disk: the definition is gone, then start",
    );
    await machine.update(node());
    expect(machine.state.rootVolume).toBe(disk);
    expect(await host.power()).toBe("running");
    await machine.refresh();
    expect(await machine.diff(node())).toMatchObject({ changes: "none" });
    await machine.delete();
    expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
  });

  it("removes the rest of a machine whose definition was removed by hand", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    await removeDomains(host.client);
    await machine.delete();
    expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
    expect(await host.networkXml()).not.toContain("192.168.122.11'");
    await machine.delete();
  });

  it("calls a machine gone only when definition, disk and entries are", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    await removeDomains(host.client);
    await host.deleteVolume(machine.state.rootVolume);
    expect(await machine.refresh()).toBe(true);
    expect(await machine.preview(node())).toBe(
      "node: make again: the definition and the root disk are gone, then start",
    );
    const network = await host.network();
    const both = { live: true, config: true };
    await host.client.networkUpdate(
      network,
      "delete",
      "ip-dhcp-host",
      -1,
      "<host mac='52:54:00:00:00:11' ip='192.168.122.11'/>",
      both,
    );
    expect(await machine.refresh()).toBe(true);
    await host.client.networkUpdate(network, "delete", "dns-host", -1, "<host ip='192.168.122.11'/>", both);
    expect(await machine.refresh()).toBe(false);
  });

  it("makes a machine again whose disk was deleted by hand", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    await host.deleteVolume(machine.state.rootVolume);
    await machine.refresh();
    expect(await machine.preview(node())).toContain("node: rebuild: the root disk is gone");
    await machine.update(node());
    expect(await host.power()).toBe("running");
    expect((await host.volumes()).filter((volumeName) => volumeName.startsWith("node-root"))).toHaveLength(1);
  });

  it("puts entries back that were removed by hand, without a restart", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const network = await host.network();
    await host.client.networkUpdate(network, "delete", "dns-host", -1, "<host ip='192.168.122.11'/>", {
      live: true,
      config: true,
    });
    await machine.refresh();
    expect(await machine.preview(node())).toBe("node: live (reservation and DNS entry made again)");
    host.stack.agent("node").calls.length = 0;
    await machine.update(node());
    expect(host.stack.agent("node").calls).toEqual([]);
    expect(await host.networkXml()).toContain("<hostname>node</hostname>");
  });

  it("never takes a broken connection for a machine that is gone", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const nowhere = new Machine(
      new Stack(connect("test+unix:///default?socket=/nonexistent/libvirt-sock")),
      "node",
    );
    Object.assign(nowhere, { id: "node", inputs: machine.inputs, state: machine.state });
    await expect(nowhere.refresh()).rejects.toThrow(/could not be read.*Nothing was removed from the state/s);
    await nowhere.stack.provider.client.close();
  });

  it("shows a definition that was changed by hand", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const ref = await host.domain();
    const xml = await host.client.domainGetXmlDesc(ref, { inactive: true });
    await host.client.domainDefineXml(
      xml.replace("<vcpu placement='static'>2</vcpu>", "<vcpu placement='static'>3</vcpu>"),
      { validate: false },
    );
    await machine.refresh();
    expect(await machine.preview(node())).toBe("node: restart (vcpus 3 → 2, maxVcpus 3 → 2), quiesce first");
  });
});

describe("delete", () => {
  it("empties, stops and removes everything that is the machine's own, and can be repeated", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    host.stack.agent("node").calls.length = 0;
    await machine.delete();
    expect(host.stack.agent("node").calls).toEqual(["quiesce"]);
    expect(await host.power()).toBe("none");
    expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
    const xml = await host.networkXml();
    expect(xml).not.toContain("192.168.122.11'");
    expect(xml).not.toContain("<hostname>node</hostname>");
    await machine.delete();
  });

  it("removes no machine that is not empty", async () => {
    const machine = await new Machine(host.stack, "node").create(node({ quiesce: { timeoutSeconds: 1 } }));
    host.stack.agent("node").on("quiesce", () => exited(75, "waits for 1 job"));
    await expect(machine.delete()).rejects.toThrow(/waits for 1 job/);
    expect(await host.power()).toBe("running");
  });

  it("goes on after it was killed, at whatever point", async () => {
    for (const stopAt of ["storageVolDelete", "domainUndefine", "networkUpdate"] as const) {
      const machine = await new Machine(host.stack, "node").create(node());
      const killed = new Machine(new Stack(failing(host.client, stopAt)), "node");
      Object.assign(killed, { id: "node", inputs: machine.inputs, state: machine.state });
      await expect(killed.delete()).rejects.toThrow(/killed/);
      await machine.delete();
      expect(await host.power()).toBe("none");
      expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
      expect(await host.networkXml()).not.toContain("192.168.122.11'");
    }
  });

  it("refuses a domain that lost its mark", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const ref = await host.domain();
    const xml = await host.client.domainGetXmlDesc(ref, { inactive: true });
    await host.client.domainDefineXml(xml.replace(/<metadata>.*<\/metadata>/s, ""), { validate: false });
    await expect(machine.delete()).rejects.toThrow(/no longer carries hyperlab's mark.*not removed/);
    expect(await host.power()).toBe("running");
  });

  it("leaves a foreign domain of the name alone when its own is gone", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    await removeDomains(host.client);
    await host.client.domainDefineXml(
      "<domain type='test'><name>node</name><memory>1024</memory><os><type>hvm</type></os></domain>",
    );
    await machine.refresh();
    await expect(machine.update(node())).rejects.toThrow(/another domain has its name now/);
    await machine.delete();
    expect(await host.power()).toBe("shutoff");
    expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
  });

  it("survives a replacement that fails half-way and is taken back", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const renamed = node({ name: "renamed" });
    expect(await machine.diff(renamed)).toMatchObject({
      deleteBeforeReplace: true,
      detailedDiff: { name: { kind: "updateReplace" } },
    });
    await machine.delete();
    const replacement = new Machine(new Stack(failing(host.client, "storageVolCreateXml")), "node");
    await expect(replacement.create(renamed)).rejects.toThrow();
    // Taken back: the partly made one is replaced by the first.
    const back = new Machine(host.stack, "node");
    Object.assign(back, { id: replacement.id, inputs: renamed, state: replacement.state });
    await back.delete();
    await back.create(node());
    expect(await host.power("renamed")).toBe("none");
    expect(await host.power("node")).toBe("running");
    expect((await host.volumes()).filter((name) => name.includes("-root-"))).toHaveLength(1);
  });
});
