import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { type PropertyMap, ProviderError } from "../../../providers/plugin/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { connect, exited, Machine, removeDomains, Stack, urnOf } from "./harness.ts";

/** libvirt's test driver: power states, networks, volumes and events without a hypervisor. */

let daemon: OwnLibvirtd;
let client: LibvirtClient;
let stack: Stack;

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
});
afterAll(() => daemon?.stop());

const pool = "default-pool";

beforeEach(async () => {
  // The driver's objects live as long as a connection: every test has a fresh host.
  client = connect(daemon.testUri);
  await removeDomains(client);
  for (const name of ["debian-a", "debian-b"]) {
    const ref = await client.storagePoolLookupByName(pool);
    if (ref === undefined) throw new Error("the test driver has no pool");
    await client.storageVolCreateXml(
      ref,
      `<volume><name>${name}</name><capacity unit="MiB">100</capacity><target><format type="qcow2"/></target></volume>`,
    );
  }
  stack = new Stack(client);
});
afterEach(() => client?.close());

const node = (over: PropertyMap = {}): PropertyMap => ({
  name: "node",
  type: "qemu",
  vcpus: 2,
  memoryMiB: 256,
  rootDisk: { pool, image: "debian-a", sizeMiB: 200 },
  interfaces: [{ network: "default", mac: "52:54:00:00:00:11", address: "192.168.122.11" }],
  deriveSshHostKey: true,
  quiesce: { timeoutSeconds: 5 },
  ready: { timeoutSeconds: 5 },
  stop: { timeoutSeconds: 5 },
  ...over,
});

const volumes = async () => {
  const ref = await client.storagePoolLookupByName(pool);
  return ref === undefined ? [] : (await client.storagePoolListVolumes(ref)).map(({ name }) => name).sort();
};
const networkXml = async () => {
  const ref = await client.networkLookupByName("default");
  return ref === undefined ? "" : client.networkGetXmlDesc(ref);
};
const power = async (name = "node") => {
  const ref = await client.domainLookupByName(name);
  return ref === undefined ? "none" : (await client.domainGetState(ref)).state;
};

describe("create", () => {
  it("makes disk, entries, definition and identity, starts and waits", async () => {
    const machine = await new Machine(stack, "node").create(node());
    expect(await power()).toBe("running");
    expect(stack.agent("node").calls).toEqual(["identity", "ready"]);
    expect(machine.state).toEqual({
      uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      generation: expect.stringMatching(/^[0-9a-f]{16}$/),
      rootVolume: `${pool}/node-root-${machine.state.generation}.qcow2`,
      address: "192.168.122.11",
      sshHostPublicKey: expect.stringMatching(/^ssh-ed25519 /),
    });
    expect(await volumes()).toContain(`node-root-${machine.state.generation}.qcow2`);
    expect(await networkXml()).toContain("<host mac='52:54:00:00:00:11' name='node' ip='192.168.122.11'/>");
    expect(await networkXml()).toContain("<hostname>node</hostname>");
  });

  it("tells in a preview everything that is known before", async () => {
    const foreseen = await new Machine(stack, "node").previewCreate(node());
    const machine = await new Machine(stack, "node").create(node());
    expect(foreseen).toMatchObject({
      uuid: machine.state.uuid,
      address: "192.168.122.11",
      sshHostPublicKey: machine.state.sshHostPublicKey,
    });
    expect(stack.lines[0]).toBe("node: create");
  });

  it("gives the private key to the agent's standard input only", async () => {
    let input: string | undefined;
    stack.agent("node").on("identity", (options) => {
      input = options.input;
      return exited(0);
    });
    const machine = await new Machine(stack, "node").create(node());
    const identity: unknown = JSON.parse(input ?? "");
    expect(identity).toEqual({
      sshHostEd25519: expect.stringContaining("BEGIN OPENSSH PRIVATE KEY"),
      machineId: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    const domain = await client.domainLookupByName("node");
    const xml = domain === undefined ? "" : await client.domainGetXmlDesc(domain);
    const shown = [JSON.stringify(machine.state), xml, ...stack.lines, ...stack.status].join("\n");
    expect(shown).not.toContain("PRIVATE KEY");
    expect(shown).not.toContain("test secret");
  });

  it("changes nothing at a second look", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const { state } = machine;
    expect(await machine.refresh()).toBe(true);
    expect(machine.inputs).toEqual(node());
    expect(machine.state).toEqual(state);
    expect(await machine.diff(node())).toMatchObject({ changes: "none" });
  });

  it("keeps a machine that does not get ready, and goes on with it", async () => {
    stack.agent("node").on("ready", () => exited(75, "slurmd is not registered"));
    const machine = new Machine(stack, "node");
    const inputs = node({ ready: { timeoutSeconds: 1 } });
    await expect(machine.create(inputs)).rejects.toThrow(
      /node is running, but did not get ready within 1 s: slurmd is not registered/,
    );
    expect(machine.state.pending).toBe("boot");
    stack.agent("node").on("ready", () => exited(0));
    await machine.refresh();
    expect(await machine.preview(inputs)).toBe("node: wait until ready: an earlier run ended before it was");
    await machine.update(inputs);
    expect(machine.state.pending).toBeUndefined();
    expect(await volumes()).toHaveLength(3);
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
      const killed = new Stack(failing(client, stopAt));
      await expect(new Machine(killed, name).create(withNic)).rejects.toThrow();
      const machine = await new Machine(stack, name).create(withNic);
      expect(await power(name)).toBe("running");
      const own = (await volumes()).filter((volume) => volume.startsWith(`${name}-root`));
      expect(own).toEqual([String(machine.state.rootVolume).replace(`${pool}/`, "")]);
      await machine.delete();
      expect(await volumes()).toEqual(["debian-a", "debian-b"]);
    }
  });

  it("replaces what a killed create with other inputs left", async () => {
    const killed = new Stack(failing(client, "domainCreate"));
    await expect(new Machine(killed, "node").create(node())).rejects.toThrow();
    const machine = await new Machine(stack, "node").create(node({ memoryMiB: 512 }));
    expect(await volumes()).toEqual(["debian-a", "debian-b", `node-root-${machine.state.generation}.qcow2`]);
  });

  it("takes nothing over that was complete and asked for differently", async () => {
    await new Machine(stack, "node").create(node());
    await expect(new Machine(stack, "node").create(node({ memoryMiB: 512 }))).rejects.toThrow(
      /"node" exists already .*made it from other inputs.*Nothing was changed/s,
    );
  });

  it("stamps a new generation on what it takes over; the old state can no longer delete it", async () => {
    const first = await new Machine(stack, "node").create(node());
    const second = await new Machine(stack, "node").create(node());
    expect(second.state.generation).not.toBe(first.state.generation);
    expect(second.state.rootVolume).toBe(first.state.rootVolume);
    await first.delete();
    expect(stack.lines.join()).toContain("was made anew by a later run and is left alone");
    expect(await power()).toBe("running");
    await second.delete();
    expect(await power()).toBe("none");
  });

  it("refuses a foreign domain of that name", async () => {
    await client.domainDefineXml(
      "<domain type='test'><name>node</name><memory>1024</memory><os><type>hvm</type></os></domain>",
    );
    await expect(new Machine(stack, "node").create(node())).rejects.toThrow(
      /"node" exists already on .*it was not made by hyperlab. Nothing was changed/,
    );
    expect(await volumes()).toEqual(["debian-a", "debian-b"]);
  });

  it("refuses the names of another stack", async () => {
    await new Machine(stack, "node").create(node());
    const other = new Stack(client, { owner: "another-stack-0001" });
    await expect(new Machine(other, "node").create(node())).rejects.toThrow(/it belongs to another stack/);
    await expect(new Machine(other, "elsewhere").create(node({ name: "second" }))).rejects.toThrow(
      /cannot have the address 192.168.122.11 in the network "default": the MAC 52:54:00:00:00:11 is reserved for node/,
    );
    const nic = { network: "default", mac: "52:54:00:00:00:12", address: "192.168.122.11" };
    await expect(
      new Machine(other, "third").create(node({ name: "third", interfaces: [nic] })),
    ).rejects.toThrow(/192.168.122.11 is reserved for node. Give one of the machines another address/);
    expect(await networkXml()).toContain("mac='52:54:00:00:00:11' name='node'");
  });

  it("names what is missing", async () => {
    const create = (over: PropertyMap) => new Machine(stack, "node").create(node(over));
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
    expect(await power()).toBe("none");
  });
});

/** A client whose call fails as it does when the process dies there: nothing after it happens. */
function failing(real: LibvirtClient, method: keyof LibvirtClient): LibvirtClient {
  let dead = false;
  return new Proxy(real, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name);
      if (typeof found !== "function") return found;
      return (...args: unknown[]) => {
        if (name === method) dead = true;
        const changes = /Create|Define|Set|Update|Delete|Destroy|Undefine/.test(String(name));
        if (dead && changes) return Promise.reject(new ProviderError("killed", "cancelled"));
        return Reflect.apply(found, target, args);
      };
    },
  });
}

describe("update", () => {
  it("restarts with quiesce, shutdown, one definition, start and ready", async () => {
    const machine = await new Machine(stack, "node").create(node());
    stack.agent("node").calls.length = 0;
    const news = node({ memoryMiB: 512 });
    expect(await machine.preview(news)).toBe("node: restart (memoryMiB 256 → 512), quiesce first");
    const before = machine.state;
    await machine.update(news);
    expect(stack.agent("node").calls).toEqual(["quiesce", "ready"]);
    expect(await power()).toBe("running");
    expect(machine.state).toEqual(before);
    expect(await machine.refresh()).toBe(true);
    expect(machine.inputs).toEqual(news);
  });

  it("leaves a machine that does not empty in time as it is, and takes the quiesce back", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const agent = stack.agent("node");
    agent.calls.length = 0;
    agent.on("quiesce", () => exited(75, "waits for 2 jobs"));
    await expect(machine.update(node({ memoryMiB: 512, quiesce: { timeoutSeconds: 1 } }))).rejects.toThrow(
      /node was not empty after 1s: waits for 2 jobs. The machine was not stopped/,
    );
    expect(agent.calls.at(-1)).toBe("unquiesce");
    expect(await power()).toBe("running");
    expect(stack.status.join()).toContain("waits for 2 jobs");
  });

  it("stops no machine without its hook, unless that is allowed", async () => {
    const machine = await new Machine(stack, "node").create(node());
    stack.agent("node").on("quiesce", undefined);
    await expect(machine.update(node({ memoryMiB: 512 }))).rejects.toThrow(
      /node has no \/usr\/lib\/hyperlab\/quiesce.*The machine was not stopped/s,
    );
    expect(await power()).toBe("running");
    const lenient = node({ memoryMiB: 512, quiesce: { hook: "ifPresent" } });
    await machine.update(lenient);
    expect(machine.state.quiesceHook).toBe(false);
    const next = node({ memoryMiB: 300, quiesce: { hook: "ifPresent" } });
    expect(await machine.preview(next)).toContain("no hook known: will stop without quiesce");
  });

  it("says when the quiesce program fails", async () => {
    const machine = await new Machine(stack, "node").create(node());
    stack.agent("node").on("quiesce", () => exited(1, "", "scontrol: not found"));
    await expect(machine.update(node({ memoryMiB: 512 }))).rejects.toThrow(
      /quiesce program failed with exit code 1: scontrol: not found/,
    );
  });

  it("rebuilds on a new disk and deletes the old one only when the machine is ready", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const old = String(machine.state.rootVolume).replace(`${pool}/`, "");
    const agent = stack.agent("node");
    agent.calls.length = 0;
    const seen: string[][] = [];
    agent.on("ready", () => {
      seen.push(lastVolumes);
      return exited(0);
    });
    let lastVolumes: string[] = [];
    agent.on("identity", () => exited(0));
    const news = node({ rootDisk: { pool, image: "debian-b", sizeMiB: 200 } });
    const foreseen = await machine.previewOutputs(news);
    lastVolumes = await volumes();
    await machine.update(news);
    expect(agent.calls).toEqual(["quiesce", "identity", "ready"]);
    expect(machine.state).toMatchObject({
      generation: foreseen.generation,
      rootVolume: foreseen.rootVolume,
      sshHostPublicKey: foreseen.sshHostPublicKey,
    });
    expect(await volumes()).toEqual(
      ["debian-a", "debian-b", String(foreseen.rootVolume).replace(`${pool}/`, "")].sort(),
    );
    expect(await volumes()).not.toContain(old);
    await machine.refresh();
    expect(machine.inputs).toEqual(news);
  });

  it("boots the old disk again when the new one does not get ready", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const { state } = machine;
    const agent = stack.agent("node");
    agent.calls.length = 0;
    let boots = 0;
    agent.on("identity", () => {
      boots += 1;
      return exited(1, "", "broken image");
    });
    const news = node({ rootDisk: { pool, image: "debian-b", sizeMiB: 200 }, ready: { timeoutSeconds: 1 } });
    await expect(machine.update(news)).rejects.toThrow(
      /did not come up with its new root disk.*broken image.*runs on its old root disk and definition again/s,
    );
    expect(boots).toBe(1);
    expect(agent.calls).toEqual(["quiesce", "identity", "ready"]);
    expect(machine.state).toEqual(state);
    expect(await power()).toBe("running");
    expect(await volumes()).toEqual([
      "debian-a",
      "debian-b",
      String(state.rootVolume).replace(`${pool}/`, ""),
    ]);
    await machine.refresh();
    expect(machine.inputs).toEqual(node());
    expect(machine.state).toEqual(state);
  });

  it("goes on after a rebuild that was killed, and still can go back", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const news = node({ rootDisk: { pool, image: "debian-b", sizeMiB: 200 } });
    const old = machine.state;
    const killed = new Machine(new Stack(failing(client, "domainCreate")), "node");
    Object.assign(killed, { id: "node", inputs: machine.inputs, state: machine.state });
    await expect(killed.update(news)).rejects.toThrow();
    expect((await volumes()).filter((name) => name.startsWith("node-root"))).toHaveLength(2);
    // The engine was killed, too: the state is the old one. A destroy from it still finds both disks.
    await machine.refresh();
    expect(machine.inputs).toEqual({ ...news, running: false });
    const agent = stack.agent("node");
    agent.on("identity", () => exited(1, "", "broken image"));
    await expect(machine.update(news)).rejects.toThrow(/runs on its old root disk/);
    await machine.refresh();
    expect(machine.state.rootVolume).toBe(old.rootVolume);
    agent.on("identity", () => exited(0));
    await machine.update(news);
    expect((await volumes()).filter((name) => name.startsWith("node-root"))).toHaveLength(1);
  });

  it("is deleted with all its disks from the state before a rebuild that was killed", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const killed = new Machine(new Stack(failing(client, "domainCreate")), "node");
    Object.assign(killed, { id: "node", inputs: machine.inputs, state: machine.state });
    await expect(
      killed.update(node({ rootDisk: { pool, image: "debian-b", sizeMiB: 200 } })),
    ).rejects.toThrow();
    await machine.delete();
    expect(await volumes()).toEqual(["debian-a", "debian-b"]);
    expect(await power()).toBe("none");
  });

  it("refuses to do more than was previewed", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const ref = await client.domainLookupByName("node");
    if (ref === undefined) throw new Error("no domain");
    await client.domainShutdown(ref);
    await machine.refresh();
    const news = node({ memoryMiB: 512 });
    expect(await machine.preview(news)).toBe(
      "node: change while it is off (memoryMiB 256 → 512), then start",
    );
    await client.domainCreate(ref);
    await expect(machine.update(news)).rejects.toThrow(
      /no longer as it was when this update was previewed.*change while it is off.*restart.*Run the preview/s,
    );
    expect(await power()).toBe("running");
  });

  it("stops and starts as the declared power state says", async () => {
    const machine = await new Machine(stack, "node").create(node());
    expect(await machine.preview(node({ running: false }))).toBe("node: stop, quiesce first");
    await machine.update(node({ running: false }));
    expect(await power()).toBe("shutoff");
    await machine.refresh();
    expect(await machine.diff(node({ running: false }))).toMatchObject({ changes: "none" });
    expect(await machine.diff(node())).toMatchObject({
      changes: "some",
      detailedDiff: { running: { kind: "update" } },
    });
    await machine.update(node());
    expect(await power()).toBe("running");
  });

  it("gives a machine that was made off its identity at its first start", async () => {
    const machine = await new Machine(stack, "node").create(node({ running: false }));
    expect(stack.agent("node").calls).toEqual([]);
    await machine.refresh();
    expect(await machine.diff(node({ running: false }))).toMatchObject({ changes: "none" });
    await machine.update(node());
    expect(stack.agent("node").calls).toEqual(["identity", "ready"]);
  });

  it("keeps waits and permits out of the way", async () => {
    const machine = await new Machine(stack, "node").create(node());
    expect(await machine.diff(node({ ready: { timeoutSeconds: 9 } }))).toMatchObject({ changes: "none" });
  });

  it("moves a reservation with its machine", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const nic = {
      network: "default",
      mac: "52:54:00:00:00:11",
      address: "192.168.122.12",
      hostname: "other",
    };
    await machine.update(node({ interfaces: [nic] }));
    const xml = await networkXml();
    expect(xml).toContain("name='other' ip='192.168.122.12'");
    expect(xml).not.toContain("192.168.122.11");
    expect(machine.state.address).toBe("192.168.122.12");
  });

  it("is cancelled promptly, and the next run goes on", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const agent = stack.agent("node");
    agent.on("quiesce", () => exited(75, "busy"));
    const running = machine.update(node({ memoryMiB: 512, quiesce: { timeoutSeconds: 600 } }));
    await expect.poll(() => stack.status.some((text) => text.includes("busy"))).toBe(true);
    const start = Date.now();
    stack.cancel();
    await expect(running).rejects.toThrow(/cancelled/);
    expect(Date.now() - start).toBeLessThan(2000);
    expect(agent.calls.at(-1)).toBe("unquiesce");
    agent.on("quiesce", () => exited(0));
    await machine.update(node({ memoryMiB: 512 }));
    expect(await power()).toBe("running");
  });
});

describe("rollout groups", () => {
  it("keep one machine down at a time; the first failure leaves the rest untouched", async () => {
    const names = ["n1", "n2", "n3"];
    const inputs = (name: string, over: PropertyMap = {}) =>
      node({ name, interfaces: [], rolloutGroup: "lab/compute", ...over });
    const machines = await Promise.all(names.map((name) => new Machine(stack, name).create(inputs(name))));
    let down = 0;
    let most = 0;
    for (const name of names) {
      stack.agent(name).on("quiesce", () => {
        down += 1;
        most = Math.max(most, down);
        return exited(0);
      });
      stack.agent(name).on("ready", () => {
        down -= 1;
        return exited(0);
      });
    }
    await Promise.all(machines.map((machine) => machine.update(inputs(machine.name, { memoryMiB: 300 }))));
    expect(most).toBe(1);

    for (const name of names) {
      stack.agent(name).on("ready", () => exited(1, "", "broken"));
      stack.agent(name).calls.length = 0;
    }
    const results = await Promise.allSettled(
      machines.map((machine) => machine.update(inputs(machine.name, { memoryMiB: 400 }))),
    );
    const reasons = results.map((result) => (result.status === "rejected" ? String(result.reason) : "done"));
    expect(reasons.filter((reason) => reason.includes("was left as it is"))).toHaveLength(2);
    expect(names.filter((name) => stack.agent(name).calls.includes("quiesce"))).toHaveLength(1);
  });
});

describe("drift", () => {
  it("shows a machine that is shut off, and starts it", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const ref = await client.domainLookupByName("node");
    if (ref === undefined) throw new Error("no domain");
    await client.domainShutdown(ref);
    await machine.refresh();
    expect(machine.inputs.running).toBe(false);
    expect(await machine.preview(node())).toBe("node: start: should run and is shut off");
    await machine.update(node());
    expect(await power()).toBe("running");
  });

  it("shows a paused machine, and lets it go on", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const ref = await client.domainLookupByName("node");
    if (ref === undefined) throw new Error("no domain");
    await client.domainSuspend(ref);
    await machine.refresh();
    expect(await machine.preview(node())).toBe("node: resume: should run and is paused");
    await machine.update(node());
    expect(await power()).toBe("running");
  });

  it("keeps a machine whose definition was removed while its disk remains", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const disk = machine.state.rootVolume;
    await removeDomains(client);
    expect(await machine.refresh()).toBe(true);
    expect(await machine.preview(node())).toBe(
      "node: define again on its own disk: the definition is gone, then start",
    );
    await machine.update(node());
    expect(machine.state.rootVolume).toBe(disk);
    expect(await power()).toBe("running");
    await machine.refresh();
    expect(await machine.diff(node())).toMatchObject({ changes: "none" });
    await machine.delete();
    expect(await volumes()).toEqual(["debian-a", "debian-b"]);
  });

  it("removes the rest of a machine whose definition was removed by hand", async () => {
    const machine = await new Machine(stack, "node").create(node());
    await removeDomains(client);
    await machine.delete();
    expect(await volumes()).toEqual(["debian-a", "debian-b"]);
    expect(await networkXml()).not.toContain("192.168.122.11'");
    await machine.delete();
  });

  it("calls a machine gone only when definition, disk and entries are", async () => {
    const machine = await new Machine(stack, "node").create(node());
    await removeDomains(client);
    const ref = await client.storagePoolLookupByName(pool);
    if (ref === undefined) throw new Error("no pool");
    const name = String(machine.state.rootVolume).replace(`${pool}/`, "");
    const volume = await client.storageVolLookupByName(ref, name);
    if (volume === undefined) throw new Error("no overlay");
    await client.storageVolDelete(volume);
    expect(await machine.refresh()).toBe(true);
    expect(await machine.preview(node())).toBe(
      "node: make again: the definition and the root disk are gone, then start",
    );
    const network = await client.networkLookupByName("default");
    if (network === undefined) throw new Error("no network");
    const both = { live: true, config: true };
    await client.networkUpdate(
      network,
      "delete",
      "ip-dhcp-host",
      -1,
      "<host mac='52:54:00:00:00:11' ip='192.168.122.11'/>",
      both,
    );
    expect(await machine.refresh()).toBe(true);
    await client.networkUpdate(network, "delete", "dns-host", -1, "<host ip='192.168.122.11'/>", both);
    expect(await machine.refresh()).toBe(false);
  });

  it("makes a machine again whose disk was deleted by hand", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const ref = await client.storagePoolLookupByName(pool);
    if (ref === undefined) throw new Error("no pool");
    const name = String(machine.state.rootVolume).replace(`${pool}/`, "");
    const volume = await client.storageVolLookupByName(ref, name);
    if (volume === undefined) throw new Error("no overlay");
    await client.storageVolDelete(volume);
    await machine.refresh();
    expect(await machine.preview(node())).toContain("node: rebuild: the root disk is gone");
    await machine.update(node());
    expect(await power()).toBe("running");
    expect((await volumes()).filter((volumeName) => volumeName.startsWith("node-root"))).toHaveLength(1);
  });

  it("puts entries back that were removed by hand, without a restart", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const network = await client.networkLookupByName("default");
    if (network === undefined) throw new Error("no network");
    await client.networkUpdate(network, "delete", "dns-host", -1, "<host ip='192.168.122.11'/>", {
      live: true,
      config: true,
    });
    await machine.refresh();
    expect(await machine.preview(node())).toBe("node: live (reservation and DNS entry made again)");
    stack.agent("node").calls.length = 0;
    await machine.update(node());
    expect(stack.agent("node").calls).toEqual([]);
    expect(await networkXml()).toContain("<hostname>node</hostname>");
  });

  it("never takes a broken connection for a machine that is gone", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const nowhere = new Machine(
      new Stack(connect("test+unix:///default?socket=/nonexistent/libvirt-sock")),
      "node",
    );
    Object.assign(nowhere, { id: "node", inputs: machine.inputs, state: machine.state });
    await expect(nowhere.refresh()).rejects.toThrow(/could not be read.*Nothing was removed from the state/s);
    await nowhere.stack.provider.client.close();
  });

  it("shows a definition that was changed by hand", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const ref = await client.domainLookupByName("node");
    if (ref === undefined) throw new Error("no domain");
    const xml = await client.domainGetXmlDesc(ref, { inactive: true });
    await client.domainDefineXml(
      xml.replace("<vcpu placement='static'>2</vcpu>", "<vcpu placement='static'>3</vcpu>"),
      { validate: false },
    );
    await machine.refresh();
    expect(await machine.preview(node())).toBe("node: restart (vcpus 3 → 2, maxVcpus 3 → 2), quiesce first");
  });
});

describe("delete", () => {
  it("empties, stops and removes everything that is the machine's own, and can be repeated", async () => {
    const machine = await new Machine(stack, "node").create(node());
    stack.agent("node").calls.length = 0;
    await machine.delete();
    expect(stack.agent("node").calls).toEqual(["quiesce"]);
    expect(await power()).toBe("none");
    expect(await volumes()).toEqual(["debian-a", "debian-b"]);
    const xml = await networkXml();
    expect(xml).not.toContain("192.168.122.11'");
    expect(xml).not.toContain("<hostname>node</hostname>");
    await machine.delete();
  });

  it("removes no machine that is not empty", async () => {
    const machine = await new Machine(stack, "node").create(node({ quiesce: { timeoutSeconds: 1 } }));
    stack.agent("node").on("quiesce", () => exited(75, "waits for 1 job"));
    await expect(machine.delete()).rejects.toThrow(/waits for 1 job/);
    expect(await power()).toBe("running");
  });

  it("goes on after it was killed, at whatever point", async () => {
    for (const stopAt of ["storageVolDelete", "domainUndefine", "networkUpdate"] as const) {
      const machine = await new Machine(stack, "node").create(node());
      const killed = new Machine(new Stack(failing(client, stopAt)), "node");
      Object.assign(killed, { id: "node", inputs: machine.inputs, state: machine.state });
      await expect(killed.delete()).rejects.toThrow(/killed/);
      await machine.delete();
      expect(await power()).toBe("none");
      expect(await volumes()).toEqual(["debian-a", "debian-b"]);
      expect(await networkXml()).not.toContain("192.168.122.11'");
    }
  });

  it("refuses a domain that lost its mark", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const ref = await client.domainLookupByName("node");
    if (ref === undefined) throw new Error("no domain");
    const xml = await client.domainGetXmlDesc(ref, { inactive: true });
    await client.domainDefineXml(xml.replace(/<metadata>.*<\/metadata>/s, ""), { validate: false });
    await expect(machine.delete()).rejects.toThrow(/no longer carries hyperlab's mark.*not removed/);
    expect(await power()).toBe("running");
  });

  it("leaves a foreign domain of the name alone when its own is gone", async () => {
    const machine = await new Machine(stack, "node").create(node());
    await removeDomains(client);
    await client.domainDefineXml(
      "<domain type='test'><name>node</name><memory>1024</memory><os><type>hvm</type></os></domain>",
    );
    await machine.refresh();
    await expect(machine.update(node())).rejects.toThrow(/another domain has its name now/);
    await machine.delete();
    expect(await power()).toBe("shutoff");
    expect(await volumes()).toEqual(["debian-a", "debian-b"]);
  });

  it("survives a replacement that fails half-way and is taken back", async () => {
    const machine = await new Machine(stack, "node").create(node());
    const renamed = node({ name: "renamed" });
    expect(await machine.diff(renamed)).toMatchObject({
      deleteBeforeReplace: true,
      detailedDiff: { name: { kind: "updateReplace" } },
    });
    await machine.delete();
    const replacement = new Machine(new Stack(failing(client, "storageVolCreateXml")), "node");
    await expect(replacement.create(renamed)).rejects.toThrow();
    // Taken back: the partly made one is replaced by the first.
    const back = new Machine(stack, "node");
    Object.assign(back, { id: replacement.id, inputs: renamed, state: replacement.state });
    await back.delete();
    await back.create(node());
    expect(await power("renamed")).toBe("none");
    expect(await power("node")).toBe("running");
    expect((await volumes()).filter((name) => name.includes("-root-"))).toHaveLength(1);
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
    const ref = await client.domainDefineXml(foreign("/default-pool/debian-b"), { validate: false });
    const machine = await new Machine(stack, "old").import("old");
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
    expect((await new Machine(stack, "old").import(ref.uuid)).inputs).toEqual(machine.inputs);
    await machine.update({ ...machine.inputs, memoryMiB: 256 });
    await machine.refresh();
    expect(machine.inputs.memoryMiB).toBe(256);
    await machine.delete();
    expect(await power("old")).toBe("none");
    expect(await volumes()).toContain("debian-b");
  });

  it("refuses what cannot be declared, and what belongs to another stack", async () => {
    await client.domainDefineXml(foreign("/somewhere/else.qcow2"), { validate: false });
    await expect(new Machine(stack, "old").import("old")).rejects.toThrow(
      /cannot be declared: disk vda \(\/somewhere\/else.qcow2, in no pool\)/,
    );
    await new Machine(new Stack(client, { owner: "another-stack-0001" }), "node").create(node());
    await expect(new Machine(new Stack(client), "node").import("node")).rejects.toThrow(
      /belongs to another stack/,
    );
  });

  it("brings back a machine whose state was lost", async () => {
    const made = await new Machine(stack, "node").create(node());
    const found = await new Machine(stack, "node").import("node");
    expect(found.state).toMatchObject({
      uuid: made.state.uuid,
      generation: made.state.generation,
      rootVolume: made.state.rootVolume,
    });
    await found.delete();
    expect(await volumes()).toEqual(["debian-a", "debian-b"]);
    expect(urnOf("node")).toContain("Domain::node");
  });

  it("gives nothing for a name that does not exist", async () => {
    expect(await new Machine(stack, "x").read("x")).toBeUndefined();
  });
});
