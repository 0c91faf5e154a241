/** What people and hosts do to machines behind the provider's back, on the QEMU driver. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { placeHold, releaseHold } from "../../../providers/libvirt/resources/domain/index.ts";
import { decodeState } from "../../../providers/libvirt/resources/domain/state.ts";
import type { PropertyMap } from "../../../providers/plugin/index.ts";
import { inNamespace } from "../../engine/support/inventory.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { waitFor } from "../../support/wait.ts";
import { guestImages } from "./guests.ts";
import { connect, Machine, removeDomains, Stack } from "./harness.ts";

let daemon: OwnLibvirtd;
let client: LibvirtClient;
let stack: Stack;
let folder = "";

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  client = connect(daemon.qemuUri);
  folder = join(daemon.directory, "lab");
  mkdirSync(folder);
  writeFileSync(join(folder, "image"), guestImages.stubborn);
  const pool = await client.storagePoolDefineXml(
    `<pool type='dir'><name>lab</name><target><path>${folder}</path></target></pool>`,
  );
  await client.storagePoolCreate(pool);
  await client.storagePoolSetAutostart(pool, true);
});
afterAll(async () => {
  await client?.close();
  await daemon?.stop();
});
beforeEach(() => {
  stack = new Stack(client);
});
afterEach(async () => {
  await removeDomains(client);
  for (const name of files()) rmSync(join(folder, name));
});

/** A boot sector that puts its machine to sleep (ACPI state S3), also when it is started again after that. */
const sleep = [
  ...[0xba, 0x04, 0x06], // mov dx, power control
  ...[0xb8, 0x00, 0x24], // mov ax, sleep state 3
  0xef, // out dx, ax
  ...[0xf4, 0xeb, 0xfd], // hlt for ever
];
const sleeper = Buffer.alloc(1024 * 1024);
Buffer.from(sleep).copy(sleeper);
sleeper.writeUInt16LE(0xaa55, 510);

/** What the machines have in the pool. */
const files = () => readdirSync(folder).filter((name) => name !== "image");
const virsh = (...args: string[]) =>
  execFileSync("virsh", ["-q", "-c", daemon.qemuUri, ...args], { encoding: "utf8" });

const node = (over: PropertyMap = {}): PropertyMap => ({
  name: "node",
  type: "qemu",
  vcpus: 1,
  memoryMiB: 64,
  rootDisk: { pool: "lab", image: "image", sizeMiB: 64 },
  stop: { timeoutSeconds: 1, onTimeout: "powerOff" },
  ...over,
});
const made = (over: PropertyMap = {}) => new Machine(stack, "node").create(node(over));
const state = async () => {
  const ref = await client.domainLookupByName("node");
  return ref === undefined ? "none" : (await client.domainGetState(ref)).state;
};
/** Preview after a refresh. */
async function lineOf(machine: Machine, news: PropertyMap): Promise<string> {
  expect(await machine.refresh()).toBe(true);
  return machine.preview(news);
}

describe("a guest whose memory libvirt keeps (managed save)", () => {
  it("goes on from there when nothing else changes", async () => {
    const machine = await made();
    virsh("managedsave", "node");
    expect(await lineOf(machine, node())).toBe("node: start: should run and is shut off");
    await machine.update(node());
    expect(await state()).toBe("running");
  });

  it.each<[string, PropertyMap]>([
    ["a change", { memoryMiB: 80 }],
    ["a rebuild", { rootDisk: { pool: "lab", image: "image2", sizeMiB: 64 } }],
  ])(
    "is not started with %s, which it would not notice: an error that says what to do",
    async (_what, over) => {
      writeFileSync(join(folder, "image2"), guestImages.obedient);
      const pool = await client.storagePoolLookupByName("lab");
      if (pool !== undefined) await client.storagePoolRefresh(pool);
      const machine = await made();
      virsh("managedsave", "node");
      await machine.refresh();
      const before = files();
      await expect(machine.update(node(over))).rejects.toThrow(
        /node is saved with its memory.*Nothing was changed.*virsh start node.*virsh managedsave-remove node/s,
      );
      expect(files()).toEqual(before);
      virsh("managedsave-remove", "node");
      await machine.refresh();
      await machine.update(node(over));
      expect(await state()).toBe("running");
    },
  );

  it("is deleted with it", async () => {
    const machine = await made();
    virsh("managedsave", "node");
    await machine.delete();
    expect(await state()).toBe("none");
    expect(readdirSync(join(daemon.directory, "lib/qemu/save"))).toEqual([]);
  });
});

describe("a machine that is held off", () => {
  it("stays so through a restart of libvirtd and a new definition, until it is released", async () => {
    const machine = await made({ autostart: true });
    const held = {
      state: decodeState(machine.state),
      inputs: { stop: { timeoutSeconds: 1, onTimeout: "powerOff" as const } },
    };
    const hold = {
      power: "off",
      kind: "manual",
      since: "2026-01-31T09:00:00Z",
      by: "ada@desk",
      reason: "<fan> & more",
    } as const;
    await placeHold(stack.run("node"), held, hold);
    expect(await state()).toBe("shutoff");
    await daemon.kill();
    await daemon.start();
    const line =
      "held off since 2026-01-31T09:00:00Z by ada@desk: <fan> & more; release with: hyperlab start node";
    const bigger = node({ autostart: true, memoryMiB: 80 });
    expect(await lineOf(machine, bigger)).toBe(`node: change while it is off (memoryMiB 64 → 80), ${line}`);
    await machine.update(bigger);
    expect(await state()).toBe("shutoff");
    expect(virsh("dumpxml", "node")).toContain("hyperlab-hold:hold");
    await releaseHold(stack.run("node"), held);
    expect(await lineOf(machine, bigger)).toContain("node: start: should run and is shut off");
    await machine.update(bigger);
    expect(await state()).toBe("running");
  });
});

describe("a machine with snapshots", () => {
  it("is deleted with what libvirt knows of them", async () => {
    const machine = await made({ running: false });
    virsh("snapshot-create-as", "node", "inside");
    await machine.refresh();
    expect(await machine.diff(node({ running: false }))).toMatchObject({ changes: "none" });
    await machine.delete();
    expect(await state()).toBe("none");
    expect(files()).toEqual([]);
  });

  it("in a file of their own is left as it is until they are merged, and the preview says so", async () => {
    const machine = await made();
    virsh("snapshot-create-as", "node", "outside", "--disk-only", "--no-metadata");
    const before = files();
    await machine.refresh();
    expect(await machine.diff(node())).toMatchObject({ changes: "none" });
    const refusal = /root disk is lab\/node-root-\w+\.outside, not the one.*blockcommit node vda/;
    const bigger = node({ memoryMiB: 80 });
    await expect(machine.preview(bigger)).rejects.toThrow(refusal);
    await expect(machine.update(bigger)).rejects.toThrow(refusal);
    await expect(machine.delete()).rejects.toThrow(refusal);
    expect(await state()).toBe("running");
    expect(files()).toEqual(before);
    virsh("blockcommit", "node", "vda", "--active", "--shallow", "--pivot", "--wait");
    rmSync(join(folder, before.find((name) => name.endsWith(".outside")) ?? ""));
    expect(await lineOf(machine, bigger)).toBe("node: restart (memoryMiB 64 → 80), quiesce first");
    await machine.update(bigger);
    expect(await state()).toBe("running");
  });
});

describe("a guest that ends badly", () => {
  it("whose emulator is killed is drift, and is started again", async () => {
    const machine = await made();
    const pid = Number(readFileSync(join(daemon.directory, "run/qemu/node.pid"), "utf8"));
    process.kill(pid, "SIGKILL");
    await waitFor("end of the guest", async () => (await state()) === "shutoff");
    expect(await lineOf(machine, node())).toMatch(/^node: start: should run and .*crashed/);
    await machine.update(node());
    expect(await state()).toBe("running");
    process.kill(Number(readFileSync(join(daemon.directory, "run/qemu/node.pid"), "utf8")), "SIGKILL");
    await machine.delete();
    expect(files()).toEqual([]);
  });
});

describe("a guest that sleeps", () => {
  it("is woken", async () => {
    writeFileSync(join(folder, "sleeper"), sleeper);
    const pool = await client.storagePoolLookupByName("lab");
    if (pool !== undefined) await client.storagePoolRefresh(pool);
    const inputs = node({ rootDisk: { pool: "lab", image: "sleeper", sizeMiB: 64 } });
    const machine = await made({ ...inputs, running: false });
    // Only people who edit the definition allow it.
    const ref = await client.domainLookupByName("node");
    const xml = ref === undefined ? "" : await client.domainGetXmlDesc(ref, { inactive: true });
    await client.domainDefineXml(xml.replace("</os>", "</os><pm><suspend-to-mem enabled='yes'/></pm>"));
    virsh("start", "node");
    await waitFor("guest that sleeps", async () => (await state()) === "pmsuspended");
    expect(await lineOf(machine, inputs)).toMatch(/^node: resume: should run and is paused/);
    const events: string[] = [];
    const unsubscribe = await client.onDomainLifecycle(({ event, detail }) => {
      events.push(`${event} ${detail}`);
    });
    await machine.update(inputs);
    await waitFor("guest that wakes", () => events.includes("started wakeup"));
    unsubscribe();
  });
});

describe("a pool without room for an overlay", () => {
  it("is a clear error; with room the next run goes on", async () => {
    inNamespace(daemon, "mount", ["mount", "-t", "tmpfs", "-o", "size=600k", "none", folder]);
    try {
      const full = [
        "sh",
        "-c",
        `truncate -s 1M ${folder}/image; dd if=/dev/zero of=${folder}/full bs=1k 2>&1 || true`,
      ];
      inNamespace(daemon, "mount", full);
      const pool = await client.storagePoolLookupByName("lab");
      if (pool !== undefined) await client.storagePoolRefresh(pool);
      const inputs = node({ running: false });
      const machine = new Machine(stack, "node");
      await expect(machine.create(inputs)).rejects.toThrow(
        /root disk of node could not be made in the pool "lab": .*No space left.*free some space/s,
      );
      expect(inNamespace(daemon, "mount", ["ls", folder]).trim().split("\n")).toEqual(["full", "image"]);
      inNamespace(daemon, "mount", ["rm", `${folder}/full`]);
      await machine.refresh();
      await machine.update(inputs);
      await machine.refresh();
      expect(await machine.diff(inputs)).toMatchObject({ changes: "none" });
      await machine.delete();
      expect(inNamespace(daemon, "mount", ["ls", folder]).trim()).toBe("image");
    } finally {
      inNamespace(daemon, "mount", ["umount", "-l", folder]);
    }
  });
});

describe("a domain that has another name now", () => {
  it("is recognised, and the preview says what it would cost", async () => {
    const machine = await made({ running: false });
    virsh("domrename", "node", "other");
    const line = await lineOf(machine, node({ running: false }));
    expect(line).toMatch(/^\w+: replace.*\(name other → node\)/);
    virsh("domrename", "other", "node");
    machine.id = "node";
    await machine.refresh();
    expect(await machine.diff(node({ running: false }))).toMatchObject({ changes: "none" });
  });
});

describe("a machine with UEFI", () => {
  it("takes its variables with it", async () => {
    const machine = await made({ firmware: { type: "efi" }, memoryMiB: 128 });
    const variables = join(daemon.directory, "lib/qemu/nvram");
    expect(readdirSync(variables)).toHaveLength(1);
    await machine.delete();
    expect(readdirSync(variables)).toEqual([]);
  });
});
