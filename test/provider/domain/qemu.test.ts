import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { definitionOf } from "../../../providers/libvirt/resources/domain/definition.ts";
import { decodeInputs } from "../../../providers/libvirt/schema/index.ts";
import type { PropertyMap } from "../../../providers/plugin/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { waitFor } from "../../support/wait.ts";
import { guestImages } from "./guests.ts";
import { connect, exited, Machine, removeDomains, Stack } from "./harness.ts";

/** The QEMU driver: real overlays, and guests that start and stop. */

let daemon: OwnLibvirtd;
let client: LibvirtClient;
let stack: Stack;
let small = "";

beforeAll(async () => {
  small = mkdtempSync(join(tmpdir(), "hyperlab-small-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", small]);
  daemon = await startOwnLibvirtd();
  client = connect(daemon.qemuUri);
  await makePool("lab", join(daemon.directory, "lab"));
  await makePool("small", small);
  await client.networkDefineXml(
    `<network><name>lab</name><bridge name='hltest0'/><ip address='10.99.0.1' netmask='255.255.255.0'>
     <dhcp><range start='10.99.0.2' end='10.99.0.200'/></dhcp></ip></network>`,
  );
});
afterAll(async () => {
  await client?.close();
  await daemon?.stop();
  execFileSync("umount", ["-l", small]);
  rmSync(small, { recursive: true, force: true });
});

async function makePool(name: string, path: string): Promise<void> {
  mkdirSync(path, { recursive: true });
  const ref = await client.storagePoolDefineXml(
    `<pool type='dir'><name>${name}</name><target><path>${path}</path></target></pool>`,
  );
  await client.storagePoolCreate(ref);
  for (const [image, bytes] of Object.entries(guestImages)) {
    const volume = await client.storageVolCreateXml(
      ref,
      `<volume><name>${image}</name><capacity>${bytes.length}</capacity><allocation>0</allocation><target><format type='raw'/></target></volume>`,
    );
    await client.storageVolUpload(volume, [bytes]);
  }
}

/** The host's rules for frames of guests, in the daemon's own network. */
function rulesOnHost({ directory }: OwnLibvirtd): string {
  const pid = readFileSync(join(directory, "libvirtd.pid"), "utf8").trim();
  return execFileSync("nsenter", ["--net", "--target", pid, "ebtables", "-t", "nat", "-L"], {
    encoding: "utf8",
  });
}

beforeEach(() => {
  stack = new Stack(client);
});
afterEach(async () => {
  await removeDomains(client);
  for (const pool of ["lab", "small"]) {
    const ref = await client.storagePoolLookupByName(pool);
    if (ref === undefined) continue;
    await client.storagePoolRefresh(ref);
    for (const volume of await client.storagePoolListVolumes(ref)) {
      if (!Object.hasOwn(guestImages, volume.name)) await client.storageVolDelete(volume);
    }
  }
});

const node = (over: PropertyMap = {}): PropertyMap => ({
  name: "node",
  type: "qemu",
  vcpus: 1,
  memoryMiB: 64,
  rootDisk: { pool: "lab", image: "obedient", sizeMiB: 64 },
  quiesce: { timeoutSeconds: 20 },
  ready: { timeoutSeconds: 20 },
  stop: { timeoutSeconds: 40 },
  ...over,
});

const refOf = async (name = "node") => {
  const ref = await client.domainLookupByName(name);
  if (ref === undefined) throw new Error(`no domain ${name}`);
  return ref;
};
const power = async (name = "node") => (await client.domainGetState(await refOf(name))).state;
const definedXml = async () => client.domainGetXmlDesc(await refOf(), { inactive: true });
const liveXml = async () => client.domainGetXmlDesc(await refOf());
/** The guest obeys the power button once it has written its first MiB. */
const booted = (machine: Machine) =>
  waitFor("guest that has written to its disk", async () => {
    const pool = await client.storagePoolLookupByName("lab");
    const name = String(machine.state.rootVolume).replace("lab/", "");
    const volume = pool === undefined ? undefined : await client.storageVolLookupByName(pool, name);
    return volume !== undefined && (await client.storageVolGetInfo(volume)).allocation > 1_280_000;
  });

describe("a machine that is only defined", () => {
  const off = (over: PropertyMap = {}) => node({ running: false, ...over });

  it("has an overlay over its image, and reads back what was declared", async () => {
    const inputs = off({
      firmware: { type: "efi" },
      tpm: {},
      smbiosSerial: "ds=nocloud;h=node;i=1",
      autostart: true,
      interfaces: [{ network: "lab", mac: "52:54:00:00:00:21", address: "10.99.0.21" }],
    });
    const machine = await new Machine(stack, "node").create(inputs);
    const pool = await client.storagePoolLookupByName("lab");
    const name = String(machine.state.rootVolume).replace("lab/", "");
    const volume = pool === undefined ? undefined : await client.storageVolLookupByName(pool, name);
    const xml = volume === undefined ? "" : await client.storageVolGetXmlDesc(volume);
    expect(xml).toContain(`<path>${join(daemon.directory, "lab", "obedient")}</path>`);
    expect(xml).toContain("<capacity unit='bytes'>67108864</capacity>");
    await machine.refresh();
    expect(machine.inputs).toEqual(inputs);
    expect(await machine.diff(inputs)).toMatchObject({ changes: "none" });
    expect(JSON.stringify({ inputs: machine.inputs, outputs: machine.state }).length).toBeLessThan(1200);
    await machine.delete();
    expect(await client.domainLookupByName("node")).toBeUndefined();
  });

  it("keeps its machine type and the places of its devices when it changes", async () => {
    const nic = { network: "lab", mac: "52:54:00:00:00:21" };
    const machine = await new Machine(stack, "node").create(off({ interfaces: [nic] }));
    const address = (xml: string) => /<interface.*?<address [^>]*bus='(0x..)'/s.exec(xml)?.[1];
    const before = await definedXml();
    await machine.update(
      off({ interfaces: [nic], disks: [{ pool: "lab", volume: "stubborn", target: "vdb" }], vcpus: 2 }),
    );
    const after = await definedXml();
    expect(address(after)).toBe(address(before));
    expect(/machine='([^']*)'/.exec(after)?.[1]).toBe(/machine='([^']*)'/.exec(before)?.[1]);
    expect(after).toContain("<target dev='vdb' bus='virtio'/>");
  });

  it("grows its root disk, and refuses to shrink it", async () => {
    const machine = await new Machine(stack, "node").create(off());
    const bigger = off({ rootDisk: { pool: "lab", image: "obedient", sizeMiB: 128 } });
    expect(await machine.preview(bigger)).toBe("node: live (rootDisk.sizeMiB 64 → 128)");
    await machine.update(bigger);
    await machine.refresh();
    expect(machine.inputs).toEqual(bigger);
    expect(await machine.check(off())).toEqual([
      expect.stringMatching(/^rootDisk.sizeMiB: a root disk cannot shrink/),
    ]);
  });

  it("is rebuilt on a new overlay, which proves itself at the next start", async () => {
    const machine = await new Machine(stack, "node").create(off());
    const { rootVolume } = machine.state;
    await machine.update(off({ rootDisk: { pool: "lab", image: "stubborn", sizeMiB: 64 } }));
    expect(machine.state.rootVolume).not.toBe(rootVolume);
    await machine.refresh();
    expect(machine.inputs.rootDisk).toMatchObject({ image: "stubborn" });
    await machine.update(node({ rootDisk: { pool: "lab", image: "stubborn", sizeMiB: 64 } }));
    expect(await power()).toBe("running");
    const pool = await client.storagePoolLookupByName("lab");
    const names =
      pool === undefined ? [] : (await client.storagePoolListVolumes(pool)).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("node-root"))).toHaveLength(1);
  });
});

describe("a machine that runs", () => {
  it("shuts down when it is asked, and starts with what changed", async () => {
    const machine = await new Machine(stack, "node").create(node());
    await booted(machine);
    const first = (await refOf()).id;
    const news = node({ memoryMiB: 96 });
    expect(await machine.preview(news)).toBe("node: restart (memoryMiB 64 → 96), quiesce first");
    await machine.update(news);
    expect((await refOf()).id).not.toBe(first);
    expect(stack.agent("node").calls).toEqual(["ready", "quiesce", "ready"]);
    expect(await liveXml()).toContain("<memory unit='KiB'>98304</memory>");
    await machine.refresh();
    expect(await machine.diff(news)).toMatchObject({ changes: "none" });
  });

  it("starts with UEFI and every kind of device that the host has", async () => {
    const network = await client.networkLookupByName("lab");
    if (network !== undefined && !(await client.networkIsActive(network)))
      await client.networkCreate(network);
    const inputs = node({
      firmware: { type: "efi" },
      vcpus: 2,
      maxVcpus: 2,
      memoryMiB: 256,
      cpu: {
        mode: "host-passthrough",
        topology: { sockets: 1, cores: 2, threads: 1 },
        numaCells: [
          { cpus: "0", memoryMiB: 128 },
          { cpus: "1", memoryMiB: 128 },
        ],
      },
      cpuPins: [{ vcpu: 0, cpuset: "0" }],
      memoryBacking: { source: "memfd", access: "shared" },
      smbiosSerial: "ds=nocloud;h=node;i=1",
      disks: [
        { pool: "lab", volume: "stubborn", target: "sda", device: "cdrom" },
        { pool: "lab", volume: "writing", target: "vdb", serial: "data", readOnly: true },
      ],
      interfaces: [{ network: "lab", mac: "52:54:00:00:00:41", address: "10.99.0.41" }],
      display: true,
      stop: { timeoutSeconds: 1, onTimeout: "powerOff" },
    });
    const machine = await new Machine(stack, "node").create(inputs);
    expect(await power()).toBe("running");
    await machine.refresh();
    expect(machine.inputs).toEqual(inputs);
    expect(await machine.diff(inputs)).toMatchObject({ changes: "none" });
    await machine.delete();
    expect(await client.domainLookupByName("node")).toBeUndefined();
  });

  it("that ignores the shutdown is left running, with advice", async () => {
    const inputs = (over: PropertyMap = {}) =>
      node({
        rootDisk: { pool: "lab", image: "stubborn", sizeMiB: 64 },
        stop: { timeoutSeconds: 2 },
        ...over,
      });
    const machine = await new Machine(stack, "node").create(inputs());
    const { id } = await refOf();
    await expect(machine.update(inputs({ memoryMiB: 96 }))).rejects.toThrow(
      /node did not shut down within 2 s, although.*may still go down.*virsh destroy node/s,
    );
    expect((await refOf()).id).toBe(id);
    expect(await definedXml()).toContain("<memory unit='KiB'>65536</memory>");
    expect(stack.agent("node").calls).not.toContain("unquiesce");
    const hard = inputs({ memoryMiB: 96, stop: { timeoutSeconds: 2, onTimeout: "powerOff" } });
    await machine.update(hard);
    expect(stack.lines.join()).toContain("is switched off, as stop.onTimeout says");
    expect(await liveXml()).toContain("<memory unit='KiB'>98304</memory>");
  });

  it("takes CPUs, disks, interfaces, disk size and pins while it runs", async () => {
    const machine = await new Machine(stack, "node").create(node({ maxVcpus: 4 }));
    await booted(machine);
    const { id } = await refOf();
    const news = node({
      maxVcpus: 4,
      vcpus: 3,
      title: "changed",
      cpuPins: [{ vcpu: 0, cpuset: "0" }],
      rootDisk: { pool: "lab", image: "obedient", sizeMiB: 80 },
      disks: [{ pool: "lab", volume: "stubborn", target: "vdb", serial: "data" }],
      interfaces: [{ network: "lab", mac: "52:54:00:00:00:31" }],
    });
    const network = await client.networkLookupByName("lab");
    if (network !== undefined && !(await client.networkIsActive(network)))
      await client.networkCreate(network);
    expect(await machine.preview(news)).toMatch(/^node: live \(/);
    await machine.update(news);
    expect((await refOf()).id).toBe(id);
    const live = await liveXml();
    expect(live).toContain("<vcpu placement='static' current='3'>4</vcpu>");
    expect(live).toContain("<target dev='vdb' bus='virtio'/>");
    expect(live).toContain("52:54:00:00:00:31");
    expect(live).toContain("<vcpupin vcpu='0' cpuset='0'/>");
    const place = (xml: string) => /<serial>data<\/serial>.*?bus='(0x..)'/s.exec(xml)?.[1];
    expect(place(await definedXml())).toBe(place(live));
    await machine.refresh();
    expect(machine.inputs).toEqual(news);
    expect(stack.agent("node").calls).toEqual(["ready"]);
  });

  describe("and shall lose an interface", () => {
    const own = { network: "lab", mac: "52:54:00:00:00:33" };
    const has = (image: string, ...macs: string[]) =>
      node({
        rootDisk: { pool: "lab", image, sizeMiB: 64 },
        interfaces: [own, ...macs.map((mac) => ({ network: "lab", mac }))],
        stop: { timeoutSeconds: 1, onTimeout: "powerOff" },
      });
    const [old, other] = ["52:54:00:00:00:34", "52:54:00:00:00:35"];
    const macsIn = (xml: string) => [...xml.matchAll(/<mac address='([^']*)'/g)].map(([, mac]) => mac);
    beforeEach(async () => {
      const network = await client.networkLookupByName("lab");
      if (network !== undefined && !(await client.networkIsActive(network)))
        await client.networkCreate(network);
    });

    it("exchanges it for another one, and has none of them again, without a restart", async () => {
      const machine = await new Machine(stack, "node").create(has("releasing", old));
      const { id } = await refOf();
      for (const news of [has("releasing", other), has("releasing")]) {
        expect(await machine.preview(news)).toMatch(/^node: live \(/);
        await machine.update(news);
        expect((await refOf()).id).toBe(id);
        const wanted = definitionOf(decodeInputs("Domain", news)).interfaces.map(({ mac }) => mac);
        for (const xml of [await liveXml(), await definedXml()]) expect(macsIn(xml)).toEqual(wanted);
        await machine.refresh();
        expect(machine.inputs).toEqual(news);
      }
      expect(stack.agent("node").calls).toEqual(["ready"]);
    });

    it("that it does not let go runs on with it, and the other one does not come", async () => {
      let now = 0;
      const clock = {
        now: () => now,
        sleep: async (milliseconds: number) => {
          now += milliseconds;
        },
      };
      const machine = await new Machine(new Stack(client, { parts: { clock } }), "node").create(
        has("stubborn", old),
      );
      const { id } = await refOf();
      await expect(machine.update(has("stubborn", other))).rejects.toThrow(
        /interface 52:54:00:00:00:34 could not be taken from node.*did not let it go within 60 s.*definition was not changed/s,
      );
      expect((await refOf()).id).toBe(id);
      for (const xml of [await liveXml(), await definedXml()]) expect(macsIn(xml)).toEqual([own.mac, old]);
    });
  });

  it("takes, changes and loses a filter against false addresses while it runs", async () => {
    const network = await client.networkLookupByName("lab");
    if (network !== undefined && !(await client.networkIsActive(network)))
      await client.networkCreate(network);
    const nic = { network: "lab", mac: "52:54:00:00:00:32" };
    const filtered = (address: string) =>
      node({ interfaces: [{ ...nic, filter: "clean-traffic", filterAddress: address }] });
    const machine = await new Machine(stack, "node").create(node({ interfaces: [nic] }));
    await booted(machine);
    const { id } = await refOf();
    for (const news of [filtered("10.99.0.32"), filtered("10.99.0.33"), node({ interfaces: [nic] })]) {
      expect(await machine.preview(news)).toMatch(/^node: live \(/);
      await machine.update(news);
      expect((await refOf()).id).toBe(id);
      const filter = (xml: string) =>
        /<filterref filter='([^']*)'>\s*<parameter name='IP' value='([^']*)'/.exec(xml);
      const [wanted] = definitionOf(decodeInputs("Domain", news)).interfaces;
      for (const xml of [await liveXml(), await definedXml()]) {
        expect(filter(xml)?.slice(1)).toEqual(
          wanted?.filter === undefined ? undefined : [wanted.filter, wanted.filterAddress],
        );
      }
      expect(rulesOnHost(daemon).includes("10.99.0.33")).toBe(wanted?.filterAddress === "10.99.0.33");
      await machine.refresh();
      expect(machine.inputs).toEqual(news);
    }
    await expect(
      machine.update(node({ interfaces: [{ ...nic, filter: "no-such-filter" }] })),
    ).rejects.toThrow(/filter of interface 52:54:00:00:00:32 could not be changed.*virsh nwfilter-list/s);
  });

  it("that cannot start with a change runs again as it was", async () => {
    const machine = await new Machine(stack, "node").create(node());
    await booted(machine);
    // Huge pages that the host has not reserved: the definition is fine, the start is not.
    const news = node({ memoryBacking: { hugepageKiB: 1048576 }, memoryMiB: 1024 });
    await expect(machine.update(news)).rejects.toThrow(
      /could not be started with the change.*runs again as it was/s,
    );
    expect(await power()).toBe("running");
    await machine.refresh();
    expect(machine.inputs).toEqual(node());
  });

  it("with a broken image runs on its old disk again", async () => {
    const machine = await new Machine(stack, "node").create(node());
    await booted(machine);
    const { state } = machine;
    const agent = stack.agent("node");
    agent.on("ready", () => exited(75, "boots"));
    const news = node({
      rootDisk: { pool: "lab", image: "stubborn", sizeMiB: 64 },
      ready: { timeoutSeconds: 1 },
    });
    await expect(machine.update(news)).rejects.toThrow(/runs on its old root disk and definition again/);
    expect(await liveXml()).toContain(String(state.rootVolume).replace("lab/", ""));
    await machine.refresh();
    expect(machine.inputs).toEqual(node());
    expect(machine.state).toEqual(state);
  });

  it("that went off by itself is drift; one that is paused goes on", async () => {
    const machine = await new Machine(stack, "node").create(node());
    await booted(machine);
    // A button that is pressed before the guest looks at it is lost.
    await waitFor("guest that is off", async () => {
      if ((await power()) === "shutoff") return true;
      await client.domainShutdown(await refOf(), { mode: "acpi" }).catch(() => undefined);
      return false;
    });
    await machine.refresh();
    expect(await machine.preview(node())).toBe("node: start: should run and is shut off");
    await machine.update(node());
    await client.domainSuspend(await refOf());
    await machine.refresh();
    expect(await machine.preview(node())).toBe("node: resume: should run and is paused");
    await machine.update(node());
    expect(await power()).toBe("running");
  });

  it("that is paused because its pool is full is named with the pool, and goes on when there is room", async () => {
    const inputs = node({ rootDisk: { pool: "small", image: "writing", sizeMiB: 64 } });
    const machine = await new Machine(stack, "node").create(inputs);
    await waitFor("guest that is paused", async () => (await power()) === "paused");
    await machine.refresh();
    expect(machine.state.power).toBe("ioerror");
    expect(await machine.preview(inputs)).toContain("paused because the host could not write its disk");
    await expect(machine.update(inputs)).rejects.toThrow(
      /could not write.*"small" \(0 MiB free\).*Free some space/s,
    );
    await expect(machine.delete()).rejects.toThrow(/A paused machine cannot be shut down/);
    execFileSync("mount", ["-o", "remount,size=64m", small]);
    await machine.refresh();
    await machine.update(inputs);
    expect(await power()).toBe("running");
    await client.domainDestroy(await refOf());
  });

  it("is deleted with its disk after a shutdown", async () => {
    const machine = await new Machine(stack, "node").create(node());
    await booted(machine);
    await machine.delete();
    expect(await client.domainLookupByName("node")).toBeUndefined();
    const pool = await client.storagePoolLookupByName("lab");
    const names =
      pool === undefined ? [] : (await client.storagePoolListVolumes(pool)).map(({ name }) => name);
    expect(names.sort()).toEqual(Object.keys(guestImages).sort());
  });

  it("that never came up is switched off hard when it is deleted", async () => {
    stack.agent("node").up = false;
    const inputs = node({
      rootDisk: { pool: "lab", image: "stubborn", sizeMiB: 64 },
      ready: { timeoutSeconds: 1 },
    });
    const machine = new Machine(stack, "node");
    await expect(machine.create(inputs)).rejects.toThrow(/the guest agent does not answer/);
    await machine.delete();
    expect(await client.domainLookupByName("node")).toBeUndefined();
  });
});
