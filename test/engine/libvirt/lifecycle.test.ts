/** The life of a stack with machines under the real engine: made, changed, drifted, mended, imported, destroyed. */
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DomainInputs } from "../../../providers/libvirt/resources/inputs.ts";
import { at, attribute, parseXml, renderXml, textAt } from "../../../providers/libvirt/xml/index.ts";
import type { Declaration } from "../support/declaration.ts";
import { machine, writeGuestImage } from "../support/guest.ts";
import type { Inventory } from "../support/inventory.ts";
import { Lab, type Stack } from "../support/lab.ts";
import { diagnosticsOf, Observer } from "../support/observer.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
  writeGuestImage(lab.folder("image.raw"));
});
afterAll(() => lab?.stop());

const running = (more: Partial<DomainInputs> = {}): DomainInputs =>
  machine("runs", {
    rootDisk: { pool: "lab", image: "image", sizeMiB: 4 },
    disks: [{ pool: "lab", volume: "state", target: "vdb", serial: "state" }],
    interfaces: [{ network: "lab", mac: "52:54:00:50:00:0b", address: "10.50.0.11" }],
    ...more,
  });
const resting = machine("rests", { running: false });

const declaration = (runs: DomainInputs = running(), rests = resting): Partial<Declaration> => ({
  pools: { pool: { name: "lab", path: lab.folder("pool") } },
  networks: {
    network: {
      name: "lab",
      mode: "nat",
      bridge: "lab0",
      address: "10.50.0.1/24",
      dhcpRange: { start: "10.50.0.100", end: "10.50.0.199" },
    },
  },
  volumes: {
    image: { name: "image", pool: "lab", source: { path: lab.folder("image.raw"), id: "image-1" } },
    state: { name: "state", pool: "lab", sizeMiB: 16 },
  },
  domains: { runs, rests },
});

async function domain(name: string) {
  const ref = await lab.libvirt.domainLookupByName(name);
  if (ref === undefined) throw new Error(`there is no domain ${name}`);
  return ref;
}
async function definition(name: string) {
  return lab.libvirt.domainGetXmlDesc(await domain(name), { inactive: true });
}
async function isRunning(name: string) {
  return (await lab.libvirt.domainGetState(await domain(name))).state === "running";
}

describe("a stack of pool, network, volumes and machines", () => {
  let stack: Stack;
  let found: Inventory;
  let made: Inventory;
  beforeAll(async () => {
    found = await lab.inventory();
    stack = await lab.stack("owner-of-lifecycle");
    await stack.declare(declaration());
  });

  it("is previewed without touching the host, then made", async () => {
    const preview = await stack.must("preview");
    expect(diagnosticsOf(preview)).toEqual({ runs: ["runs: create"], rests: ["rests: create, not started"] });
    expect(await lab.inventory()).toEqual(found);
    await stack.must("up");
    made = await lab.inventory();
    expect(Object.keys(made.domains)).toEqual(expect.arrayContaining(["runs", "rests"]));
    expect(await Promise.all(["runs", "rests"].map(isRunning))).toEqual([true, false]);
    expect(made.networks.lab).toContain("10.50.0.11");
  });

  it("changes nothing a second time, and its preview is quiet", async () => {
    const preview = await stack.must("preview", ["--expect-no-changes"]);
    expect(preview.ops).toEqual({});
    expect(diagnosticsOf(preview)).toEqual({});
    const observer = await Observer.start(lab.libvirt);
    expect((await stack.must("up")).ops).toEqual({});
    expect(observer.events).toEqual([]);
    observer.stop();
    expect(await lab.inventory()).toEqual(made);
  });

  it("changes title and autostart of a running machine, which runs on", async () => {
    const { id } = await domain("runs");
    await stack.declare(declaration(running({ title: "first", autostart: true })));
    expect((await stack.must("up")).ops).toEqual({ runs: ["update"] });
    expect((await domain("runs")).id).toBe(id);
    expect(textAt(parseXml(await definition("runs")), "title")).toBe("first");
    expect(await lab.libvirt.domainGetAutostart(await domain("runs"))).toBe(true);
  });

  it("shows in a refresh what was changed by hand, and mends it with the next up", async () => {
    const { id } = await domain("runs");
    const byHand = (await definition("runs"))
      .replace("<title>first</title>", "<title>by hand</title>")
      .replace(/<memory unit='KiB'>\d+</, "<memory unit='KiB'>98304<")
      .replace(/<currentMemory unit='KiB'>\d+</, "<currentMemory unit='KiB'>98304<");
    await lab.libvirt.domainDefineXml(byHand);
    await lab.libvirt.domainSetAutostart(await domain("runs"), false);
    const refreshed = await stack.must("refresh");
    expect(refreshed.changes).toMatchObject({ update: 1 });
    const preview = await stack.must("preview");
    expect(diagnosticsOf(preview).runs).toEqual([
      expect.stringMatching(
        /^runs: restart \((?=.*title by hand → first)(?=.*emoryMiB 96 → 64)(?=.*autostart false → true)/,
      ),
    ]);
    await stack.must("up");
    expect((await domain("runs")).id).not.toBe(id);
    const mended = parseXml(await definition("runs"));
    expect([textAt(mended, "title"), textAt(mended, "memory")]).toEqual(["first", "65536"]);
    expect(await lab.libvirt.domainGetAutostart(await domain("runs"))).toBe(true);
    expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});
  });

  it("shows the same drift however often it is refreshed, and mends it", async () => {
    await lab.libvirt.domainSetMemory(await domain("runs"), 48 * 1024, { config: true });
    for (const _time of [1, 2]) {
      await stack.must("refresh");
      expect(diagnosticsOf(await stack.must("preview"))).toEqual({
        runs: ["runs: live (memoryMiB 48 → 64)"],
      });
    }
    await stack.must("up");
    expect(textAt(parseXml(await definition("runs")), "currentMemory")).toBe("65536");
  });

  it("sees in the preview which machines do not run as declared, and mends both", async () => {
    await lab.libvirt.domainDestroy(await domain("runs"));
    await lab.libvirt.domainCreate(await domain("rests"));
    const preview = await stack.must("preview");
    expect(diagnosticsOf(preview)).toEqual({
      runs: ["runs: start: should run and is shut off"],
      rests: ["rests: stop, stop without quiesce"],
    });
    // Without a disk it would not react to its power button.
    await stack.declare(
      declaration(running({ title: "first", autostart: true }), {
        ...resting,
        stop: { timeoutSeconds: 1, onTimeout: "powerOff" },
      }),
    );
    await stack.must("up");
    expect(await Promise.all(["runs", "rests"].map(isRunning))).toEqual([true, false]);
  });

  it("mends entries that were taken out of the network by hand", async () => {
    const network = await lab.libvirt.networkLookupByName("lab");
    if (network === undefined) throw new Error("there is no network");
    const host = "<host mac='52:54:00:50:00:0b' name='runs' ip='10.50.0.11'/>";
    await lab.libvirt.networkUpdate(network, "delete", "ip-dhcp-host", -1, host, {
      live: true,
      config: true,
    });
    expect(diagnosticsOf(await stack.must("preview"))).toEqual({
      runs: ["runs: live (reservation and DNS entry made again)"],
    });
    await stack.must("up");
    expect(await lab.libvirt.networkGetXmlDesc(network)).toContain(host);
  });

  it("leaves the host as it was found when it is destroyed", async () => {
    await stack.must("destroy");
    expect(await lab.inventory()).toEqual(found);
  });
});

describe("a domain that was made by hand", () => {
  it("is imported by its name, then has an empty preview; destroy leaves its disks", async () => {
    const owner = await lab.stack("owner-of-the-pool");
    await owner.declare({ ...declaration(), domains: {} });
    await owner.must("up");
    const before = await lab.inventory();
    const disk = `${lab.folder("pool")}/state`;
    const element = parseXml(`<domain type="qemu">
      <name>by-hand</name><memory unit="MiB">64</memory><vcpu>1</vcpu><cpu mode="maximum"/>
      <os><type arch="x86_64" machine="q35">hvm</type></os>
      <devices>
        <disk type="file" device="disk"><driver name="qemu" type="qcow2"/><source file="${disk}"/><target dev="vda" bus="virtio"/></disk>
        <interface type="network"><mac address="52:54:00:50:00:0c"/><source network="lab"/><model type="virtio"/></interface>
        <serial type="pty"><target port="0"/></serial>
        <console type="pty"/>
        <channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>
        <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
      </devices>
    </domain>`);
    await lab.libvirt.domainDefineXml(renderXml(element));
    // The host has made a version of the alias.
    const machineType = attribute(at(parseXml(await definition("by-hand")), "os", "type"), "machine");

    const stack = await lab.stack("owner-of-import");
    const inputs: DomainInputs = {
      name: "by-hand",
      type: "qemu",
      vcpus: 1,
      memoryMiB: 64,
      ...(machineType === undefined ? {} : { machine: machineType }),
      running: false,
      disks: [{ pool: "lab", volume: "state", target: "vda" }],
      interfaces: [{ network: "lab", mac: "52:54:00:50:00:0c" }],
    };
    await stack.declare({ domains: { imported: inputs }, imports: { imported: "by-hand" } });
    expect((await stack.must("up")).ops.imported).toEqual(["import"]);
    await stack.declare({ domains: { imported: inputs } });
    const preview = await stack.must("preview", ["--expect-no-changes"]);
    expect(preview.ops).toEqual({});
    expect(diagnosticsOf(preview)).toEqual({});
    await stack.must("destroy");
    expect(await lab.inventory()).toEqual(before);
    expect(existsSync(disk)).toBe(true);
    await owner.must("destroy");
  });
});
