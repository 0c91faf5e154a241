import { describe, expect, it } from "vitest";
import type { PropertyMap } from "../../../providers/plugin/index.ts";
import { exited, Machine, Stack, urnOf } from "./harness.ts";
import { failing, node, pool, TestDriver } from "./test-driver.ts";

const host = new TestDriver();

describe("create", () => {
  it("makes disk, entries, definition and identity, starts and waits", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    expect(await host.power()).toBe("running");
    expect(host.stack.agent("node").calls).toEqual(["identity", "ready"]);
    expect(machine.state).toEqual({
      uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      generation: expect.stringMatching(/^[0-9a-f]{16}$/),
      rootVolume: `${pool}/node-root-${machine.state.generation}.qcow2`,
      bootSeconds: expect.any(Number),
      address: "192.168.122.11",
      sshHostPublicKey: expect.stringMatching(/^ssh-ed25519 /),
    });
    expect(await host.volumes()).toContain(`node-root-${machine.state.generation}.qcow2`);
    expect(await host.networkXml()).toContain(
      "<host mac='52:54:00:00:00:11' name='node' ip='192.168.122.11'/>",
    );
    expect(await host.networkXml()).toContain("<hostname>node</hostname>");
  });

  it("tells in a preview everything that is known before", async () => {
    const foreseen = await new Machine(host.stack, "node").previewCreate(node());
    const machine = await new Machine(host.stack, "node").create(node());
    expect(foreseen).toMatchObject({
      uuid: machine.state.uuid,
      address: "192.168.122.11",
      sshHostPublicKey: machine.state.sshHostPublicKey,
    });
    expect(host.stack.lines[0]).toBe("node: create");
  });

  it("gives the private key to the agent's standard input only", async () => {
    let input: string | undefined;
    host.stack.agent("node").on("identity", (options) => {
      input = options.input;
      return exited(0);
    });
    const machine = await new Machine(host.stack, "node").create(node());
    const identity: unknown = JSON.parse(input ?? "");
    expect(identity).toEqual({
      sshHostEd25519: expect.stringContaining("BEGIN OPENSSH PRIVATE KEY"),
      machineId: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    const domain = await host.client.domainLookupByName("node");
    const xml = domain === undefined ? "" : await host.client.domainGetXmlDesc(domain);
    const shown = [JSON.stringify(machine.state), xml, ...host.stack.lines, ...host.stack.status].join("\n");
    expect(shown).not.toContain("PRIVATE KEY");
    expect(shown).not.toContain("test secret");
  });

  it("changes nothing at a second look", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const { state } = machine;
    expect(await machine.refresh()).toBe(true);
    expect(machine.inputs).toEqual(node());
    expect(machine.state).toEqual(state);
    expect(await machine.diff(node())).toMatchObject({ changes: "none" });
  });

  it("keeps a machine that does not get ready, and goes on with it", async () => {
    host.stack.agent("node").on("ready", () => exited(75, "slurmd is not registered"));
    const machine = new Machine(host.stack, "node");
    const inputs = node({ ready: { timeoutSeconds: 1 } });
    await expect(machine.create(inputs)).rejects.toThrow(
      /node is running, but did not get ready within 1 s: slurmd is not registered/,
    );
    expect(machine.state.pending).toBe("boot");
    host.stack.agent("node").on("ready", () => exited(0));
    await machine.refresh();
    expect(await machine.preview(inputs)).toBe("node: wait until ready: an earlier run ended before it was");
    await machine.update(inputs);
    expect(machine.state.pending).toBeUndefined();
    expect(await host.volumes()).toHaveLength(3);
  });

  it("goes on after a create that was killed, at whatever point", async () => {
    // A killed create leaves the host as it was and no state: the engine calls create again.
    for (const stopAt of [
      "storageVolCreateXml",
      "networkUpdate",
      "domainCreate",
      "domainSetMetadata",
    ] as const) {
      const name = `node-${stopAt.toLowerCase()}`;
      const inputs = node({ name, interfaces: [], rootDisk: { pool, image: "debian-a", sizeMiB: 200 } });
      const withNic = { ...inputs, interfaces: node().interfaces ?? [] };
      const killed = new Stack(failing(host.client, stopAt));
      await expect(new Machine(killed, name).create(withNic)).rejects.toThrow();
      const machine = await new Machine(host.stack, name).create(withNic);
      expect(await host.power(name)).toBe("running");
      const own = (await host.volumes()).filter((volume) => volume.startsWith(`${name}-root`));
      expect(own).toEqual([String(machine.state.rootVolume).replace(`${pool}/`, "")]);
      await machine.delete();
      expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
    }
  });

  it("replaces what a killed create with other inputs left", async () => {
    const killed = new Stack(failing(host.client, "domainCreate"));
    await expect(new Machine(killed, "node").create(node())).rejects.toThrow();
    const machine = await new Machine(host.stack, "node").create(node({ memoryMiB: 512 }));
    expect(await host.volumes()).toEqual([
      "debian-a",
      "debian-b",
      `node-root-${machine.state.generation}.qcow2`,
    ]);
  });

  it("takes nothing over that was complete and asked for differently", async () => {
    await new Machine(host.stack, "node").create(node());
    await expect(new Machine(host.stack, "node").create(node({ memoryMiB: 512 }))).rejects.toThrow(
      /"node" exists already .*made it from other inputs.*"node: restart \(memoryMiB .* → 512\), quiesce first".*Nothing was changed/s,
    );
  });

  it("stamps a new generation on what it takes over; the old state can no longer delete it", async () => {
    const first = await new Machine(host.stack, "node").create(node());
    const second = await new Machine(host.stack, "node").create(node());
    expect(second.state.generation).not.toBe(first.state.generation);
    expect(second.state.rootVolume).toBe(first.state.rootVolume);
    await first.delete();
    expect(host.stack.lines.join()).toContain("was made anew by a later run and is left alone");
    expect(await host.power()).toBe("running");
    await second.delete();
    expect(await host.power()).toBe("none");
  });

  it("refuses a foreign domain of that name", async () => {
    await host.client.domainDefineXml(
      "<domain type='test'><name>node</name><memory>1024</memory><os><type>hvm</type></os></domain>",
    );
    await expect(new Machine(host.stack, "node").create(node())).rejects.toThrow(
      /"node" exists already on .*it was not made by hyperlab. Nothing was changed/,
    );
    expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
  });

  it("refuses the names of another stack", async () => {
    await new Machine(host.stack, "node").create(node());
    const other = new Stack(host.client, { owner: "another-stack-0001" });
    await expect(new Machine(other, "node").create(node())).rejects.toThrow(/it belongs to another stack/);
    await expect(new Machine(other, "elsewhere").create(node({ name: "second" }))).rejects.toThrow(
      /cannot have the address 192.168.122.11 in the network "default": the MAC 52:54:00:00:00:11 is reserved for node/,
    );
    const nic = { network: "default", mac: "52:54:00:00:00:12", address: "192.168.122.11" };
    await expect(
      new Machine(other, "third").create(node({ name: "third", interfaces: [nic] })),
    ).rejects.toThrow(/192.168.122.11 is reserved for node. Give one of the machines another address/);
    expect(await host.networkXml()).toContain("mac='52:54:00:00:00:11' name='node'");
  });

  it("names what is missing", async () => {
    const create = (over: PropertyMap) => new Machine(host.stack, "node").create(node(over));
    await expect(create({ rootDisk: { pool, image: "nothing", sizeMiB: 200 } })).rejects.toThrow(
      /no image "nothing" in the pool "default-pool"/,
    );
    await expect(create({ rootDisk: { pool: "nowhere", image: "debian-a", sizeMiB: 200 } })).rejects.toThrow(
      /no storage pool "nowhere"/,
    );
    await expect(create({ rootDisk: { pool, image: "debian-a", sizeMiB: 50 } })).rejects.toThrow(
      /is to have 50 MiB, but the image "debian-a" needs 100 MiB/,
    );
    await expect(create({ disks: [{ pool, volume: "state", target: "vdb" }] })).rejects.toThrow(
      /no volume "state" in the pool "default-pool", which is disk vdb of node/,
    );
    expect(await host.power()).toBe("none");
  });
});

describe("import", () => {
  const foreign = (
    disk: string,
  ) => `<domain type='test'><name>old</name><memory unit='MiB'>128</memory><vcpu>2</vcpu>
    <os><type arch='x86_64' machine='q35'>hvm</type></os>
    <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/></disk>
    <interface type='network'><mac address='52:54:00:00:00:99'/><source network='default'/><model type='virtio'/></interface>
    <memballoon model='virtio'/></devices></domain>`;

  it("reads inputs by name or UUID; the disks survive a delete", async () => {
    const ref = await host.client.domainDefineXml(foreign("/default-pool/debian-b"), { validate: false });
    const machine = await new Machine(host.stack, "old").import("old");
    expect(machine.inputs).toMatchObject({
      name: "old",
      vcpus: 2,
      memoryMiB: 128,
      type: "qemu",
      running: false,
      disks: [{ pool, volume: "debian-b", target: "vda", readOnly: false, device: "disk" }],
    });
    expect(machine.inputs.rootDisk).toBeUndefined();
    expect(await machine.check(machine.inputs)).toEqual([]);
    expect(await machine.diff(machine.inputs)).toMatchObject({ changes: "none" });
    expect((await new Machine(host.stack, "old").import(ref.uuid)).inputs).toEqual(machine.inputs);
    await machine.update({ ...machine.inputs, memoryMiB: 256 });
    await machine.refresh();
    expect(machine.inputs.memoryMiB).toBe(256);
    await machine.delete();
    expect(await host.power("old")).toBe("none");
    expect(await host.volumes()).toContain("debian-b");
  });

  it("refuses what cannot be declared, and what belongs to another stack", async () => {
    await host.client.domainDefineXml(foreign("/somewhere/else.qcow2"), { validate: false });
    await expect(new Machine(host.stack, "old").import("old")).rejects.toThrow(
      /cannot be declared: disk vda \(\/somewhere\/else.qcow2, in no pool\)/,
    );
    await new Machine(new Stack(host.client, { owner: "another-stack-0001" }), "node").create(node());
    await expect(new Machine(new Stack(host.client), "node").import("node")).rejects.toThrow(
      /belongs to another stack/,
    );
  });

  it("brings back a machine whose state was lost", async () => {
    const made = await new Machine(host.stack, "node").create(node());
    const found = await new Machine(host.stack, "node").import("node");
    expect(found.state).toMatchObject({
      uuid: made.state.uuid,
      generation: made.state.generation,
      rootVolume: made.state.rootVolume,
    });
    await found.delete();
    expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
    expect(urnOf("node")).toContain("Domain::node");
  });

  it("gives nothing for a name that does not exist", async () => {
    expect(await new Machine(host.stack, "x").read("x")).toBeUndefined();
  });
});
