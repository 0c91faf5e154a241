import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { planDomain, recordedFacts } from "../../../providers/libvirt/resources/domain/index.ts";
import { effectsOf } from "../../../providers/libvirt/schema/index.ts";
import type { PropertyMap } from "../../../providers/plugin/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { guestImages } from "./guests.ts";
import { connect, Machine, removeDomains, Stack } from "./harness.ts";

/**
 * Every input of a domain: what a change of it does to a running machine (the plan), and that the change reaches
 * libvirt and comes back from it (on a machine that is off, so that it takes no time).
 */

let daemon: OwnLibvirtd;
let client: LibvirtClient;

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  client = connect(daemon.qemuUri);
  const path = join(daemon.directory, "lab");
  mkdirSync(path);
  const pool = await client.storagePoolDefineXml(
    `<pool type='dir'><name>lab</name><target><path>${path}</path></target></pool>`,
  );
  await client.storagePoolCreate(pool);
  for (const name of ["image-a", "image-b", "seed-a", "seed-b", "data", "more"]) {
    const volume = await client.storageVolCreateXml(
      pool,
      `<volume><name>${name}</name><capacity>1048576</capacity><target><format type='raw'/></target></volume>`,
    );
    await client.storageVolUpload(volume, [guestImages.obedient]);
  }
  for (const [name, subnet] of [
    ["lab", "10.99.0"],
    ["other", "10.98.0"],
  ]) {
    await client.networkDefineXml(
      `<network><name>${name}</name><bridge name='hl${name}0'/><ip address='${subnet}.1' netmask='255.255.255.0'>
       <dhcp><range start='${subnet}.2' end='${subnet}.200'/></dhcp></ip></network>`,
    );
  }
});
afterAll(async () => {
  await client?.close();
  await daemon?.stop();
});
afterEach(() => removeDomains(client));

const derived: PropertyMap = { deriveSshHostKey: true };
const loginPublicKey = `ssh-ed25519 ${"A".repeat(68)}`;

type Effect = "none" | "live" | "restart" | "rebuild" | "replace" | "forbidden";
type Row = readonly [path: string, before: PropertyMap, after: PropertyMap, effect: Effect];

const base: PropertyMap = {
  name: "node",
  type: "qemu",
  vcpus: 2,
  memoryMiB: 128,
  rootDisk: { pool: "lab", image: "image-a", sizeMiB: 16 },
};
const root = (over: PropertyMap): PropertyMap => ({
  rootDisk: { pool: "lab", image: "image-a", sizeMiB: 16, ...over },
});
const nic = (over: PropertyMap = {}): PropertyMap => ({
  interfaces: [{ network: "lab", mac: "52:54:00:00:00:01", ...over }],
});
const two = (mac: string): PropertyMap => ({
  interfaces: [
    { network: "lab", mac: "52:54:00:00:00:01" },
    { network: "other", mac },
  ],
});
const bridged: PropertyMap = { interfaces: [{ bridge: "br0", mac: "52:54:00:00:00:01" }] };
const disk = (over: PropertyMap = {}): PropertyMap => ({
  disks: [{ pool: "lab", volume: "data", target: "vdb", ...over }],
});
const seed = (volume: string): PropertyMap => ({
  disks: [{ pool: "lab", volume, target: "vdz", seed: true }],
});
const drive = (over: PropertyMap = {}): PropertyMap => ({
  disks: [{ pool: "lab", volume: "data", target: "sda", device: "cdrom", ...over }],
});
const device = (over: PropertyMap = {}): PropertyMap => ({
  hostDevices: [{ address: "0000:41:00.0", ...over }],
});
const share = (over: PropertyMap = {}): PropertyMap => ({
  filesystems: [{ tag: "a", hostPath: "/srv/a", ...over }],
});
const cpu = (over: PropertyMap = {}): PropertyMap => ({ cpu: { mode: "maximum", ...over } });
const topology = (over: PropertyMap = {}): PropertyMap =>
  cpu({ topology: { sockets: 2, dies: 1, cores: 1, threads: 1, ...over } });
const cells = (...items: PropertyMap[]): PropertyMap => cpu({ numaCells: items });
const backing = (over: PropertyMap): PropertyMap => ({ memoryBacking: over });
const efi = (over: PropertyMap = {}): PropertyMap => ({ firmware: { type: "efi", ...over } });
const none: PropertyMap = {};

const rows: readonly Row[] = [
  ["name", none, { name: "other" }, "replace"],
  ["title", none, { title: "a <node>" }, "live"],
  ["description", { description: "old" }, { description: "new\nlines" }, "live"],
  ["type", none, { type: "kvm" }, "restart"],
  ["arch", none, { arch: "i686" }, "restart"],
  ["machine", none, { machine: "pc" }, "restart"],
  ["cpu", none, cpu({ mode: "custom", model: "qemu64" }), "restart"],
  ["cpu.mode", cpu(), cpu({ mode: "custom", model: "qemu64" }), "restart"],
  [
    "cpu.model",
    cpu({ mode: "custom", model: "qemu64" }),
    cpu({ mode: "custom", model: "Nehalem" }),
    "restart",
  ],
  ["cpu.features", cpu(), cpu({ features: [{ name: "aes", policy: "disable" }] }), "restart"],
  [
    "cpu.features[].policy",
    cpu({ features: [{ name: "aes", policy: "disable" }] }),
    cpu({ features: [{ name: "aes", policy: "require" }] }),
    "restart",
  ],
  [
    "cpu.features[].name",
    cpu({ features: [{ name: "aes", policy: "disable" }] }),
    cpu({ features: [{ name: "avx2", policy: "disable" }] }),
    "restart",
  ],
  ["cpu.topology", cpu(), topology(), "restart"],
  ["cpu.topology.sockets", topology(), topology({ sockets: 1, cores: 2 }), "restart"],
  ["cpu.topology.dies", topology(), topology({ sockets: 1, dies: 2 }), "restart"],
  ["cpu.topology.cores", topology(), topology({ sockets: 1, cores: 2 }), "restart"],
  ["cpu.topology.threads", topology(), topology({ sockets: 1, threads: 2 }), "restart"],
  ["cpu.numaCells", cpu(), cells({ cpus: "0-1", memoryMiB: 128 }), "restart"],
  [
    "cpu.numaCells[].cpus",
    cells({ cpus: "0", memoryMiB: 64 }, { cpus: "1", memoryMiB: 64 }),
    cells({ cpus: "1", memoryMiB: 64 }, { cpus: "0", memoryMiB: 64 }),
    "restart",
  ],
  [
    "cpu.numaCells[].memoryMiB",
    cells({ cpus: "0", memoryMiB: 64 }, { cpus: "1", memoryMiB: 64 }),
    cells({ cpus: "0", memoryMiB: 32 }, { cpus: "1", memoryMiB: 96 }),
    "restart",
  ],
  ["cpuPins", none, { cpuPins: [{ vcpu: 0, cpuset: "0" }] }, "live"],
  [
    "cpuPins[].vcpu",
    { cpuPins: [{ vcpu: 0, cpuset: "0" }] },
    { cpuPins: [{ vcpu: 1, cpuset: "0" }] },
    "live",
  ],
  [
    "cpuPins[].cpuset",
    { cpuPins: [{ vcpu: 0, cpuset: "0" }] },
    { cpuPins: [{ vcpu: 0, cpuset: "1" }] },
    "live",
  ],
  ["emulatorPin", none, { emulatorPin: "0" }, "live"],
  ["numaTune", none, { numaTune: { mode: "strict", nodeset: "0" } }, "restart"],
  [
    "numaTune.mode",
    { numaTune: { mode: "strict", nodeset: "0" } },
    { numaTune: { mode: "preferred", nodeset: "0" } },
    "restart",
  ],
  [
    "numaTune.nodeset",
    { numaTune: { mode: "strict", nodeset: "0" } },
    { numaTune: { mode: "strict", nodeset: "0-1" } },
    "restart",
  ],
  ["memoryBacking", none, backing({ source: "memfd" }), "restart"],
  ["memoryBacking.hugepageKiB", backing({ hugepageKiB: 2048 }), backing({ hugepageKiB: 1048576 }), "restart"],
  ["memoryBacking.source", backing({ source: "memfd" }), backing({ source: "file" }), "restart"],
  [
    "memoryBacking.access",
    backing({ source: "memfd" }),
    backing({ source: "memfd", access: "shared" }),
    "restart",
  ],
  ["memoryBacking.locked", none, backing({ locked: true }), "restart"],
  ["firmware", none, efi(), "restart"],
  ["firmware.type", efi(), { firmware: { type: "bios" } }, "restart"],
  ["firmware.secureBoot", efi(), efi({ secureBoot: true }), "restart"],
  [
    "firmware.enrolledKeys",
    efi({ secureBoot: true }),
    efi({ secureBoot: true, enrolledKeys: true }),
    "restart",
  ],
  ["smbiosSerial", { smbiosSerial: "a" }, { smbiosSerial: "b" }, "restart"],
  [
    "smbiosSerial",
    { smbiosSerial: "ds=nocloud;h=node;i=1" },
    { smbiosSerial: "ds=nocloud;h=node;i=2" },
    "rebuild",
  ],
  ["vcpus", { maxVcpus: 4 }, { maxVcpus: 4, vcpus: 3 }, "live"],
  ["vcpus", none, { vcpus: 3 }, "restart"],
  ["vcpus", none, { vcpus: 1 }, "restart"],
  ["maxVcpus", none, { maxVcpus: 4 }, "restart"],
  ["memoryMiB", { maxMemoryMiB: 256 }, { maxMemoryMiB: 256, memoryMiB: 200 }, "live"],
  ["memoryMiB", none, { memoryMiB: 200 }, "restart"],
  ["memoryMiB", none, { memoryMiB: 100 }, "restart"],
  ["maxMemoryMiB", none, { maxMemoryMiB: 256 }, "restart"],
  ["rootDisk", none, { rootDisk: undefined }, "forbidden"],
  ["rootDisk.pool", none, root({ pool: "elsewhere" }), "replace"],
  ["rootDisk.image", none, root({ image: "image-b" }), "rebuild"],
  ["rootDisk.sizeMiB", none, root({ sizeMiB: 32 }), "live"],
  ["rootDisk.sizeMiB", none, root({ sizeMiB: 8 }), "forbidden"],
  ["disks", none, disk(), "live"],
  ["disks", disk(), none, "restart"],
  ["disks", none, seed("seed-a"), "rebuild"],
  ["disks", seed("seed-a"), none, "rebuild"],
  ["disks", none, drive(), "restart"],
  ["disks[].pool", disk(), disk({ pool: "elsewhere" }), "restart"],
  ["disks[].volume", disk(), disk({ volume: "more" }), "restart"],
  ["disks[].volume", seed("seed-a"), seed("seed-b"), "rebuild"],
  ["disks[].volume", drive(), drive({ volume: "more" }), "restart"],
  ["disks[].volume", drive({ seed: true }), drive({ seed: true, volume: "more" }), "rebuild"],
  ["disks[].target", disk(), disk({ target: "vdc" }), "restart"],
  ["disks[].serial", disk(), disk({ serial: "state" }), "restart"],
  ["disks[].readOnly", disk(), disk({ readOnly: true }), "restart"],
  ["disks[].seed", disk(), disk({ seed: true }), "restart"],
  ["disks[].device", drive(), disk(), "restart"],
  ["interfaces", none, nic(), "live"],
  ["interfaces", nic(), none, "restart"],
  ["interfaces", two("52:54:00:00:00:02"), nic(), "live"],
  ["interfaces", two("52:54:00:00:00:02"), two("52:54:00:00:00:03"), "live"],
  ["interfaces", two("52:54:00:00:00:02"), nic({ mac: "52:54:00:00:00:02" }), "restart"],
  ["interfaces[].network", nic(), nic({ network: "other" }), "restart"],
  ["interfaces[].bridge", nic(), bridged, "restart"],
  ["interfaces[].mac", nic(), nic({ mac: "52:54:00:00:00:02" }), "restart"],
  ["interfaces[].address", nic(), nic({ address: "10.99.0.9" }), "restart"],
  [
    "interfaces[].hostname",
    nic({ address: "10.99.0.9" }),
    nic({ address: "10.99.0.9", hostname: "alias" }),
    "live",
  ],
  ["interfaces[].model", nic(), nic({ model: "e1000e" }), "restart"],
  ["interfaces[].filter", nic(), nic({ filter: "clean-traffic" }), "live"],
  [
    "interfaces[].filterAddress",
    nic({ filter: "clean-traffic", filterAddress: "10.99.0.9" }),
    nic({ filter: "clean-traffic", filterAddress: "10.99.0.8" }),
    "live",
  ],
  ["hostDevices", none, device(), "restart"],
  ["hostDevices[].address", device(), device({ address: "0000:42:00.0" }), "restart"],
  ["hostDevices[].guestAddress", device(), device({ guestAddress: "0000:08:00.0" }), "restart"],
  [
    "hostDevices[].multifunction",
    device({ guestAddress: "0000:08:00.0" }),
    device({ guestAddress: "0000:08:00.0", multifunction: true }),
    "restart",
  ],
  ["hostDevices[].managed", device(), device({ managed: true }), "restart"],
  ["hostDevices[].romBar", device(), device({ romBar: false }), "restart"],
  ["filesystems", none, share(), "restart"],
  ["filesystems[].tag", share(), share({ tag: "b" }), "restart"],
  ["filesystems[].hostPath", share(), share({ hostPath: "/srv/b" }), "restart"],
  ["filesystems[].readOnly", share(), share({ readOnly: true }), "restart"],
  ["filesystems[].queueSize", share(), share({ queueSize: 512 }), "restart"],
  ["tpm", none, { tpm: {} }, "restart"],
  ["tpm.model", { tpm: {} }, { tpm: { model: "tpm-tis" } }, "restart"],
  ["rng", none, { rng: false }, "restart"],
  ["console", none, { console: false }, "restart"],
  ["display", none, { display: true }, "restart"],
  ["guestAgent", none, { guestAgent: false }, "restart"],
  ["autostart", none, { autostart: true }, "live"],
  ["restartTrigger", none, { restartTrigger: "one <1>" }, "restart"],
  ["restartTrigger", { restartTrigger: "one" }, { restartTrigger: "two" }, "restart"],
  ["restartTrigger", { restartTrigger: "one" }, none, "live"],
  ["recoveryRecord", none, { recoveryRecord: "c2VhbGVk" }, "none"],
  ["recoveryRecord", { recoveryRecord: "c2VhbGVk" }, { recoveryRecord: "b3RoZXI=" }, "none"],
  ["recoveryRecord", { recoveryRecord: "c2VhbGVk" }, none, "none"],
  ["deriveSshHostKey", none, { deriveSshHostKey: true }, "none"],
  ["sshHostKeyGeneration", derived, { ...derived, sshHostKeyGeneration: 2 }, "live"],
  ["loginPublicKey", derived, { ...derived, loginPublicKey }, "live"],
  ["stop", none, { stop: { timeoutSeconds: 5 } }, "none"],
  ["stop.timeoutSeconds", { stop: { timeoutSeconds: 5 } }, { stop: { timeoutSeconds: 6 } }, "none"],
  ["stop.onTimeout", none, { stop: { onTimeout: "powerOff" } }, "none"],
  ["quiesce", none, { quiesce: { hook: "never" } }, "none"],
  ["quiesce.hook", none, { quiesce: { hook: "ifPresent" } }, "none"],
  ["quiesce.onTimeout", none, { quiesce: { onTimeout: "requeue" } }, "none"],
  ["quiesce.timeoutSeconds", none, { quiesce: { timeoutSeconds: 6 } }, "none"],
  ["ready", none, { ready: { wait: "none" } }, "none"],
  ["ready.wait", none, { ready: { wait: "agent" } }, "none"],
  ["ready.timeoutSeconds", none, { ready: { timeoutSeconds: 6 } }, "none"],
  ["rolloutGroup", none, { rolloutGroup: "g" }, "none"],
  ["maxUnavailable", none, { maxUnavailable: 2 }, "none"],
];

/** What the plan of a running machine is called for an effect. */
const actions: Readonly<Record<Effect, string>> = {
  none: "record",
  live: "live",
  restart: "restart",
  rebuild: "rebuild",
  replace: "replace",
  forbidden: "forbidden",
};

/** What this libvirt or this host cannot define; the plan is shown all the same. */
const notHere = new Set(["disks[].pool", "filesystems[].readOnly"]);

const clean = (inputs: PropertyMap): PropertyMap =>
  Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== undefined));

describe("a change of", () => {
  it.each(rows)("%s", async (path, before, after, effect) => {
    const olds = clean({ ...base, ...before });
    const news = clean({ ...base, ...after });
    const running = planDomain(olds, news, recordedFacts({}, olds));
    expect(running.action).toBe(actions[effect]);
    if (effect === "none" || effect === "replace" || effect === "forbidden" || notHere.has(path)) return;

    const machine = await new Machine(new Stack(client), "node").create({ ...olds, running: false });
    const wanted = { ...news, running: false };
    expect(
      await machine.check(wanted).then((failures) => failures.filter((text) => !/quiesce|ready/.test(text))),
    ).toEqual([]);
    expect(await machine.diff(wanted)).toMatchObject({ changes: "some", deleteBeforeReplace: true });
    await machine.update(wanted);
    await machine.refresh();
    expect(machine.inputs).toEqual(wanted);
    expect(await machine.diff(wanted)).toMatchObject({ changes: "none" });
    await machine.delete();
  });

  it("every input is among them", () => {
    const fixed = ["running", "tpm.version"];
    const shown = new Set(rows.map(([path]) => path));
    const missing = effectsOf("Domain")
      .map((row) => row.path)
      .filter((path) => !shown.has(path) && !fixed.includes(path));
    expect(missing).toEqual([]);
  });
});
