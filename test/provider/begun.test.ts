/** Resources whose creation was begun and whose end nobody recorded: what is there is found by owner and URN. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../providers/libvirt/client/index.ts";
import { domain as domainProcedure } from "../../providers/libvirt/client/procedures/domain.ts";
import { network as networkProcedure } from "../../providers/libvirt/client/procedures/network.ts";
import { storagePool, storageVol } from "../../providers/libvirt/client/procedures/storage.ts";
import { begunState } from "../../providers/libvirt/resources/begun.ts";
import { markerIdentity, markerName } from "../../providers/libvirt/resources/volume/marker.ts";
import type { PropertyMap } from "../../providers/plugin/values.ts";
import { answering, Gate, type Moment } from "../support/libvirt-gate.ts";
import { clearHost, ProviderRun, type Recorded } from "../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../support/libvirtd.ts";
import { urnOf, wireError } from "../support/plugin-client.ts";
import { waitFor } from "../support/wait.ts";

const owner = "owner-of-begun-tests";
const domain = {
  name: "begun-machine",
  type: "qemu",
  vcpus: 1,
  memoryMiB: 64,
  guestAgent: false,
  running: false,
  quiesce: { hook: "never" },
  ready: { wait: "none" },
};
const network = { name: "begun", mode: "isolated", bridge: "begun0", address: "10.50.0.1/24" };
const volume = { name: "disk", pool: "begun", sizeMiB: 2, format: "raw" };

let host: OwnLibvirtd;
let libvirt: LibvirtClient;
let run: ProviderRun;
let path: string;
beforeAll(async () => {
  host = await startOwnLibvirtd();
  libvirt = createLibvirtClient(host.qemuUri);
  path = join(host.directory, "pool");
});
afterAll(async () => {
  await libvirt?.close();
  await host?.stop();
});
beforeEach(async () => {
  run = await ProviderRun.start({ uri: host.qemuUri, owner });
});
afterEach(async () => {
  await run.stop();
  await clearHost(host.qemuUri, "begun");
  rmSync(path, { recursive: true, force: true });
});

const begun = (type: string, id: string, inputs: PropertyMap): Recorded => ({
  urn: urnOf(`libvirt:index:${type}`, "begun"),
  id,
  inputs,
  state: begunState,
});
const records = (): Recorded[] => [
  begun("Domain", "begun-machine", domain),
  begun("Volume", "begun/disk", volume),
  begun("Network", "begun", network),
  begun("Pool", "begun", { name: "begun", path }),
];

async function volumes(): Promise<string[]> {
  const pool = await libvirt.storagePoolLookupByName("begun");
  if (pool === undefined) return [];
  await libvirt.storagePoolRefresh(pool);
  return (await libvirt.storagePoolListVolumes(pool)).map(({ name }) => name).sort();
}

async function present() {
  const names = (refs: readonly { readonly name: string }[]) => refs.map(({ name }) => name);
  return {
    domains: names(await libvirt.domainList()),
    networks: names(await libvirt.networkList()),
    pools: names(await libvirt.storagePoolList()),
    volumes: await volumes(),
  };
}
const nothing = { domains: [], networks: [], pools: [], volumes: [] };

/** What a create of the same resources makes. */
async function make(by = run): Promise<void> {
  for (const { inputs, urn } of records().reverse()) {
    const [, type = "", name = ""] = /libvirt:index:([^:]+)::(.+)$/.exec(urn) ?? [];
    await by.create(type, name, inputs);
  }
}

describe("a delete", () => {
  it("does nothing where nothing was made", async () => {
    for (const record of records()) await run.delete(record);
    expect(await present()).toEqual(nothing);
  });

  it("removes what carries owner and URN, and can be repeated", async () => {
    await make();
    for (const record of records()) {
      await run.delete(record);
      await run.delete(record);
    }
    expect(await present()).toEqual(nothing);
  });

  it("leaves what is of another stack", async () => {
    const other = await ProviderRun.start({ uri: host.qemuUri, owner: "another-owner" });
    try {
      await make(other);
      const before = await present();
      for (const record of records()) await run.delete(record);
      expect(await present()).toEqual(before);
    } finally {
      await other.stop();
    }
  });

  it("leaves what is of another resource of this stack", async () => {
    await make();
    const before = await present();
    for (const record of records()) await run.delete({ ...record, urn: `${record.urn}-other` });
    expect(await present()).toEqual(before);
  });

  it("leaves what nobody marked", async () => {
    mkdirSync(path);
    writeFileSync(join(path, "disk"), "data");
    await libvirt.storagePoolCreate(
      await libvirt.storagePoolDefineXml(
        `<pool type='dir'><name>begun</name><target><path>${path}</path></target></pool>`,
      ),
    );
    await libvirt.networkDefineXml("<network><name>begun</name><bridge name='begun0'/></network>");
    await libvirt.domainDefineXml(
      "<domain type='qemu'><name>begun-machine</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os></domain>",
    );
    const before = await present();
    expect(before.volumes).toEqual(["disk"]);
    for (const record of records()) await run.delete(record);
    expect(await present()).toEqual(before);
  });

  it("removes a volume with each marker that a create left which took it over", async () => {
    await run.create("Pool", "begun", { name: "begun", path });
    const { urn } = await run.create("Volume", "begun", volume);
    const marker = {
      volume: "disk",
      identity: markerIdentity(owner, urn),
      content: "0123456789abcdef",
      generation: "0123456789abcdef",
    };
    writeFileSync(join(path, markerName(marker)), "");
    expect(await volumes()).toHaveLength(3);
    await run.delete(begun("Volume", "begun/disk", volume));
    expect(await volumes()).toEqual([]);
  });

  it("of a volume fails while its pool is stopped, and nothing is forgotten", async () => {
    await run.create("Pool", "begun", { name: "begun", path });
    await run.create("Volume", "begun", volume);
    const pool = await libvirt.storagePoolLookupByName("begun");
    if (pool === undefined) throw new Error("the pool is missing");
    await libvirt.storagePoolDestroy(pool);
    const record = begun("Volume", "begun/disk", volume);
    expect((await wireError(run.delete(record))).message).toContain('Start it with "virsh pool-start begun"');
    await libvirt.storagePoolCreate(pool);
    await run.delete(record);
    expect(await volumes()).toEqual([]);
  });
});

describe("an update", () => {
  it("makes what was not made, and is previewed as a change", async () => {
    for (const record of records().reverse()) {
      const { diff } = await run.preview(record, record.inputs);
      expect({ ...diff, urn: record.urn }).toMatchObject({ changes: "some", replaces: [] });
    }
    expect(await present()).toEqual(nothing);
    for (const record of records().reverse()) {
      const { recorded } = await run.update(record, record.inputs);
      expect(recorded.state).not.toHaveProperty("begun");
      expect((await run.update(recorded, recorded.inputs)).diff.changes).toBe("none");
    }
    expect(await present()).toMatchObject({
      domains: ["begun-machine"],
      networks: ["begun"],
      pools: ["begun"],
    });
  });

  it("takes over what was made", async () => {
    await make();
    for (const record of records().reverse()) {
      const { recorded } = await run.update(record, record.inputs);
      await run.update(recorded, recorded.inputs);
    }
    for (const record of records()) await run.delete(record);
    expect(await present()).toEqual(nothing);
  });
});

describe("a create", () => {
  it.each<[type: string, moment: Moment]>([
    ["Pool", answering(storagePool.build)],
    ["Network", answering(networkProcedure.create)],
    ["Volume", answering(storageVol.createXml)],
    ["Domain", answering(domainProcedure.defineXml)],
  ])("of a %s whose host was lost is recorded, and goes with the next delete", async (type, moment) => {
    const record = records().find(({ urn }) => urn === urnOf(`libvirt:index:${type}`, "begun"));
    if (record === undefined) throw new Error(`there is no ${type}`);
    if (type === "Volume") await run.create("Pool", "begun", { name: "begun", path });
    const before = await present();
    const gate = await Gate.before(host.socket);
    const losing = await ProviderRun.start({ uri: `qemu+unix:///system?socket=${gate.socket}`, owner });
    try {
      gate.closeAt(moment);
      const making = wireError(losing.create(type, "begun", record.inputs));
      await waitFor("the moment", () => gate.closed);
      await host.kill();
      gate.openForOthers();
      const { message, partial } = await making;
      expect(message).toContain(`${type} "begun" could not be created: `);
      expect(partial).toMatchObject({ id: record.id, outputs: begunState });
    } finally {
      await losing.stop();
      await gate.stop();
      await host.start();
    }
    expect(await present()).not.toEqual(before);
    await run.delete(record);
    expect(await present()).toEqual(before);
  });

  it("that the host refuses is not recorded", async () => {
    await libvirt.networkDefineXml("<network><name>begun</name><bridge name='begun0'/></network>");
    const { partial } = await wireError(run.create("Network", "begun", network));
    expect(partial).toBeUndefined();
  });

  it("whose host was never there is not recorded", async () => {
    const nowhere = await ProviderRun.start({ uri: `qemu+unix:///system?socket=${path}`, owner });
    try {
      for (const { inputs, urn } of records()) {
        const { partial } = await wireError(nowhere.client.create(urn, inputs));
        expect(partial).toBeUndefined();
      }
    } finally {
      await nowhere.stop();
    }
  });
});

it("a read keeps the record, whatever is there", async () => {
  for (const record of records()) expect((await run.read(record))?.state).toMatchObject(begunState);
});
