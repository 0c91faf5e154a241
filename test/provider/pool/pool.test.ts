import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { storagePool } from "../../../providers/libvirt/client/procedures/storage.ts";
import { answering, Gate } from "../../support/libvirt-gate.ts";
import { clearHost, ProviderRun } from "../../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { wireError } from "../../support/plugin-client.ts";
import { waitFor } from "../../support/wait.ts";

let host: OwnLibvirtd;
let libvirt: LibvirtClient;
let run: ProviderRun;
let path = "";
let count = 0;

const owner = "owner-of-pool-tests";

beforeAll(async () => {
  host = await startOwnLibvirtd();
  libvirt = createLibvirtClient(host.qemuUri);
});
afterAll(async () => {
  await libvirt.close();
  await host.stop();
});
beforeEach(async () => {
  run = await ProviderRun.start({ uri: host.qemuUri, owner });
  count += 1;
  path = join(host.directory, `pool-${count}`);
});
afterEach(async () => {
  await run.stop();
  await clearHost(host.qemuUri, "pool");
});

const secondRun = (name = owner) => ProviderRun.start({ uri: host.qemuUri, owner: name });

describe("a pool", () => {
  it("is made with its directory, starts with the host, and goes with its empty directory", async () => {
    const pool = await run.create("Pool", "pool", { name: "pool", path });
    const found = await libvirt.storagePoolLookupByName("pool");
    expect(found?.uuid).toBe(pool.state.uuid);
    expect(found && (await libvirt.storagePoolIsActive(found))).toBe(true);
    expect(found && (await libvirt.storagePoolGetAutostart(found))).toBe(true);
    expect(existsSync(path)).toBe(true);
    await run.delete(pool);
    expect(await libvirt.storagePoolLookupByName("pool")).toBeUndefined();
    expect(existsSync(path)).toBe(false);
    await run.delete(pool);
  });

  it("has outputs that the preview knows", async () => {
    const urn = "urn:pulumi:dev::project::libvirt:index:Pool::pool";
    const foreseen = await run.client.create(urn, { name: "pool", path }, { preview: true });
    const made = await run.create("Pool", "pool", { name: "pool", path });
    expect(foreseen.outputs).toEqual({ name: "pool", uuid: made.state.uuid });
    expect(foreseen.id).toBe(made.id);
  });

  it("does not change in a second run, and is read as declared", async () => {
    const pool = await run.create("Pool", "pool", { name: "pool", path, autostart: false });
    const again = await secondRun();
    try {
      const read = await again.read(pool);
      expect(read).toEqual(pool);
      const { diff } = await again.update(pool, { name: "pool", path, type: "dir", autostart: false });
      expect(diff.changes).toBe("none");
    } finally {
      await again.stop();
    }
  });

  it("keeps a directory that was there, or that holds files", async () => {
    mkdirSync(path);
    const kept = await run.create("Pool", "pool", { name: "pool", path });
    await run.delete(kept);
    expect(existsSync(path)).toBe(true);
    const second = join(host.directory, "pool-with-files");
    const built = await run.create("Pool", "pool2", { name: "pool2", path: second });
    writeFileSync(join(second, "of-somebody"), "data");
    await run.delete(built);
    expect(readdirSync(second)).toEqual(["of-somebody"]);
    await run.plugin.engine.waitForLine("is kept");
  });

  it("is taken over after a create that was killed", async () => {
    const first = await run.create("Pool", "pool", { name: "pool", path });
    const second = await run.create("Pool", "pool", { name: "pool", path });
    expect(second.state.uuid).toBe(first.state.uuid);
  });

  it("whose create was cancelled when its directory was made goes with that directory after the next run", async () => {
    const gate = await Gate.before(host.socket);
    const cancelled = await ProviderRun.start({ uri: `qemu+unix:///system?socket=${gate.socket}`, owner });
    try {
      gate.closeAt(answering(storagePool.build));
      const making = wireError(cancelled.create("Pool", "pool", { name: "pool", path }));
      await waitFor("directory of the pool", () => gate.closed);
      await cancelled.client.cancel();
      gate.open();
      expect((await making).message).toContain("cancel");
    } finally {
      await cancelled.stop();
      await gate.stop();
    }
    expect(existsSync(path)).toBe(true);
    const pool = await run.create("Pool", "pool", { name: "pool", path });
    expect(pool.state.built).toBe(true);
    await run.delete(pool);
    expect(existsSync(path)).toBe(false);
  });

  it("is adopted in a preview where it is there, not where it is to be replaced", async () => {
    const { state, urn } = await run.create("Pool", "pool", { name: "pool", path });
    const elsewhere = { name: "pool", path: `${path}x` };
    for (const inputs of [elsewhere, { name: "pool", path }]) {
      const foreseen = await run.client.create(urn, inputs, { preview: true });
      expect(foreseen.outputs).toMatchObject({ uuid: state.uuid });
    }
    await run.plugin.engine.waitForLine("pool: adopt, it stays as it is");
    expect(run.plugin.engine.lines.filter(({ message }) => message.includes("adopt,"))).toHaveLength(1);
  });

  it("of somebody else is refused, or adopted where that is asked for, and then stays", async () => {
    const other = await secondRun("another-owner");
    try {
      const theirs = await other.create("Pool", "theirs", { name: "pool", path });
      const refusal = await wireError(run.create("Pool", "pool", { name: "pool", path }));
      expect(refusal.message).toContain('a storage pool "pool" exists already');
      expect(refusal.message).toContain("adopt: true");
      const elsewhere = await wireError(
        run.create("Pool", "pool", { name: "pool", path: `${path}x`, adopt: true }),
      );
      expect(elsewhere.message).toContain("Declare it as it is");
      const adopted = await run.create("Pool", "pool", { name: "pool", path, adopt: true });
      expect(adopted.state).toEqual({ name: "pool", uuid: theirs.state.uuid, adopted: true });
      await run.delete(adopted);
      expect((await libvirt.storagePoolLookupByName("pool"))?.uuid).toBe(theirs.state.uuid);
    } finally {
      await other.stop();
    }
  });

  it("is imported by its name and then left in place", async () => {
    const other = await secondRun("another-owner");
    try {
      await other.create("Pool", "theirs", { name: "pool", path, autostart: false });
      const imported = await run.import("Pool", "mine", "pool");
      expect(imported.inputs).toEqual({ name: "pool", path, autostart: false });
      expect(imported.state).toMatchObject({ adopted: true });
      await run.delete(imported);
      expect(await libvirt.storagePoolLookupByName("pool")).toBeDefined();
    } finally {
      await other.stop();
    }
  });

  it("that was stopped by hand is drift, which the update mends", async () => {
    const pool = await run.create("Pool", "pool", { name: "pool", path });
    const found = await libvirt.storagePoolLookupByName("pool");
    if (found === undefined) throw new Error("the pool is missing");
    await libvirt.storagePoolDestroy(found);
    await libvirt.storagePoolSetAutostart(found, false);
    const read = await run.read(pool);
    expect(read?.state).toMatchObject({ stopped: true });
    expect(read?.inputs).toMatchObject({ autostart: false });
    if (read === undefined) throw new Error("the pool was not read");
    const { recorded, diff } = await run.update(read, pool.inputs);
    expect(diff.detailed).toEqual({ autostart: "update", stopped: "delete" });
    expect(recorded.state).toEqual(pool.state);
    expect(await libvirt.storagePoolIsActive(found)).toBe(true);
    expect(await libvirt.storagePoolGetAutostart(found)).toBe(true);
  });

  it("is gone only when libvirt says so", async () => {
    const pool = await run.create("Pool", "pool", { name: "pool", path });
    await clearHost(host.qemuUri, "pool");
    expect(await run.read(pool)).toBeUndefined();
    const away = await ProviderRun.start({ uri: `qemu+unix:///system?socket=${path}/none`, owner });
    try {
      const lost = await wireError(away.read(pool));
      expect(lost.message).toContain('Pool "pool" could not be read');
      expect(lost.message).toContain("Nothing was removed from the state");
    } finally {
      await away.stop();
    }
  });

  it("whose name has another directory now is gone, and neither that nor its own directory is touched", async () => {
    const pool = await run.create("Pool", "pool", { name: "pool", path });
    writeFileSync(join(path, "data"), "of a machine");
    await clearHost(host.qemuUri, "pool");
    const other = await libvirt.storagePoolDefineXml(
      `<pool type="dir"><name>pool</name><target><path>${path}-by-hand</path></target></pool>`,
    );
    expect(await run.read(pool)).toBeUndefined();
    const refused = await wireError(run.create("Pool", "pool", pool.inputs));
    expect(refused.message).toContain('a storage pool "pool" exists already');
    expect((await libvirt.storagePoolLookupByName("pool"))?.uuid).toBe(other.uuid);
    await run.delete(pool);
    expect((await libvirt.storagePoolLookupByName("pool"))?.uuid).toBe(other.uuid);
    expect(readdirSync(path)).toEqual(["data"]);
  });

  it("replaces for its name and path, before anything else is made", async () => {
    const pool = await run.create("Pool", "pool", { name: "pool", path });
    const news = { name: "pool2", path: `${path}x` };
    const diff = await run.client.diff(pool.urn, {
      id: pool.id,
      state: pool.state,
      oldInputs: pool.inputs,
      news,
    });
    expect(diff.detailed).toEqual({ name: "updateReplace", path: "updateReplace" });
    expect(diff.deleteBeforeReplace).toBe(true);
  });

  it("reports all wrong inputs at once", async () => {
    const failing = run.create("Pool", "pool", { name: "a b", path: "/srv//lab/", type: "zfs", sise: 1 });
    await expect(failing).rejects.toThrow(
      /sise: there is no such input[\s\S]*name: [\s\S]*type: "zfs"[\s\S]*path: /,
    );
  });

  it("says why it cannot be made, and leaves nothing", async () => {
    const file = join(host.directory, "a-file");
    writeFileSync(file, "");
    const failure = await wireError(run.create("Pool", "pool", { name: "pool", path: `${file}/below` }));
    expect(failure.message).toContain('Pool "pool" could not be created');
    expect(failure.message).toContain(file);
    expect(await libvirt.storagePoolLookupByName("pool")).toBeUndefined();
  });
});
