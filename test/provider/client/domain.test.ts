import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  createLibvirtClient,
  type DomainRef,
  type LibvirtClient,
  LibvirtError,
} from "../../../providers/libvirt/client/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";

let daemon: OwnLibvirtd;
let client: LibvirtClient;

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  client = createLibvirtClient(daemon.qemuUri);
});

afterAll(async () => {
  await client?.close();
  await daemon?.stop();
});

const nothingLive = { config: true } as const;
const metadataUri = "https://example.org/hyperlab-test";

function definition(name: string, extra = "", devices = ""): string {
  return `<domain type='qemu'>
    <name>${name}</name>
    <memory unit='MiB'>64</memory>
    <vcpu placement='static' current='1'>2</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os>
    <features><acpi/></features>
    ${extra}
    <devices>
      <controller type='virtio-serial'/>
      <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
      <memballoon model='virtio'/>
      ${devices}
    </devices>
  </domain>`;
}

async function remove(name: string): Promise<void> {
  const ref = await client.domainLookupByName(name);
  if (ref === undefined) return;
  if ((await client.domainGetState(ref)).state !== "shutoff") await client.domainDestroy(ref);
  await client.domainUndefine(ref, { nvram: true, managedSave: true, snapshotsMetadata: true });
}

describe("definitions on the QEMU driver", () => {
  afterEach(() => remove("defined"));

  it("define, look up, describe, list, undefine", async () => {
    const made = await client.domainDefineXml(definition("defined"));
    expect(made).toMatchObject({ name: "defined", id: -1 });
    expect(await client.domainLookupByName("defined")).toEqual(made);
    expect(await client.domainLookupByUuid(made.uuid)).toEqual(made);
    expect(await client.domainGetXmlDesc(made, { inactive: true })).toContain("<name>defined</name>");
    expect(await client.domainList({ inactive: true })).toEqual([made]);
    expect(await client.domainList({ active: true })).toEqual([]);
    await client.domainUndefine(made);
    expect(await client.domainLookupByName("defined")).toBeUndefined();
    expect(await client.domainLookupByUuid(made.uuid)).toBeUndefined();
  });

  it("validation refuses what the schema does not know, and can be switched off", async () => {
    const wrong = definition("defined", "<nonsense/>");
    await expect(client.domainDefineXml(wrong)).rejects.toMatchObject({
      codeName: "VIR_ERR_XML_INVALID_SCHEMA",
      operation: "domainDefineXml",
      target: "domain defined",
      message: expect.stringMatching(/domain defined.*nonsense.*VIR_ERR_XML_INVALID_SCHEMA/s),
    });
    expect(await client.domainDefineXml(wrong, { validate: false })).toMatchObject({ name: "defined" });
  });

  it("metadata: set, get, replace, remove", async () => {
    const ref = await client.domainDefineXml(definition("defined"));
    const get = () => client.domainGetMetadata(ref, metadataUri);
    expect(await get()).toBeUndefined();
    for (const value of ["1", "2"]) {
      const xml = `<owner generation='${value}'/>`;
      await client.domainSetMetadata(ref, { uri: metadataUri, key: "hyperlab", xml }, nothingLive);
      expect(await get()).toContain(`generation="${value}"`);
    }
    await client.domainSetMetadata(ref, { uri: metadataUri, xml: undefined }, nothingLive);
    expect(await get()).toBeUndefined();
  });

  it("CPUs, memory, pinning, autostart and devices of the definition", async () => {
    const ref = await client.domainDefineXml(definition("defined"));
    await client.domainSetVcpus(ref, 3, { ...nothingLive, maximum: true });
    await client.domainSetVcpus(ref, 2, nothingLive);
    await client.domainSetMemory(ref, 128 * 1024, { ...nothingLive, maximum: true });
    await client.domainSetMemory(ref, 96 * 1024, nothingLive);
    await client.domainPinVcpu(ref, 0, [0], nothingLive);
    await client.domainPinEmulator(ref, [0], nothingLive);
    await client.domainSetAutostart(ref, true);
    const rng =
      "<rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='ua-r'/></rng>";
    await client.domainAttachDevice(ref, rng, nothingLive);
    const xml = await client.domainGetXmlDesc(ref, { inactive: true });
    expect(xml).toMatch(/<vcpu placement='static' current='2'>3<\/vcpu>/);
    expect(xml).toContain("<memory unit='KiB'>131072</memory>");
    expect(xml).toContain("<currentMemory unit='KiB'>98304</currentMemory>");
    expect(xml).toContain("<vcpupin vcpu='0' cpuset='0'/>");
    expect(xml).toContain("<emulatorpin cpuset='0'/>");
    expect(xml).toContain("/dev/urandom");
    expect(await client.domainGetAutostart(ref)).toBe(true);
    await client.domainDetachDevice(ref, rng, nothingLive);
    expect(await client.domainGetXmlDesc(ref, { inactive: true })).not.toContain("/dev/urandom");
  });

  it("a change must say what it applies to", async () => {
    const ref = await client.domainDefineXml(definition("defined"));
    await expect(client.domainSetMemory(ref, 1024, {})).rejects.toThrow("live, config or both");
  });

  it("text that the protocol cannot carry is refused before it is sent", async () => {
    await expect(client.domainLookupByName("a\0b")).rejects.toThrow(
      "domainLookupByName on domain a\0b cannot be sent: text must not contain a NUL character",
    );
    await expect(client.domainLookupByUuid("nonsense")).rejects.toThrow("is not a UUID");
  });
});

describe("a guest that runs (TCG, without an operating system)", () => {
  const name = "running";
  let ref: DomainRef;

  beforeEach(async () => {
    const defined = await client.domainDefineXml(definition(name));
    ref = await client.domainCreate(defined, { paused: true });
  });
  afterEach(() => remove(name));

  it("power states", async () => {
    expect(ref.id).toBeGreaterThan(0);
    expect(await client.domainGetState(ref)).toMatchObject({ state: "paused", reason: "user" });
    await client.domainResume(ref);
    expect(await client.domainGetState(ref)).toMatchObject({ state: "running", reason: "unpaused" });
    await client.domainSuspend(ref);
    await client.domainReset(ref);
    expect(await client.domainGetInfo(ref)).toMatchObject({
      state: "paused",
      vcpus: 1,
      maxMemoryKiB: 65_536,
    });
    await client.domainResume(ref);
    await client.domainShutdown(ref, { mode: "acpi" });
    await client.domainDestroy(ref);
    expect(await client.domainGetState(ref)).toMatchObject({ state: "shutoff", reason: "destroyed" });
    expect(await client.domainList({ active: true })).toEqual([]);
  });

  it("live changes of memory and CPUs", async () => {
    await client.domainSetMemory(ref, 48 * 1024, { live: true });
    await expect(client.domainSetMemory(ref, 128 * 1024, { live: true })).rejects.toBeInstanceOf(
      LibvirtError,
    );
    await client.domainSetVcpus(ref, 2, { live: true, config: true });
    expect(await client.domainGetXmlDesc(ref)).toContain("<vcpu placement='static'>2</vcpu>");
  });

  it("a disk: attach, resize, errors, detach", async () => {
    const pool = await client.storagePoolDefineXml(
      `<pool type='dir'><name>disks</name><target><path>${daemon.directory}/disks</path></target></pool>`,
    );
    try {
      await client.storagePoolBuild(pool);
      await client.storagePoolCreate(pool);
      const volume = await client.storageVolCreateXml(
        pool,
        "<volume><name>d.qcow2</name><capacity unit='MiB'>8</capacity><target><format type='qcow2'/></target></volume>",
      );
      const disk = `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
        <source file='${volume.key}'/><target dev='vdb' bus='virtio'/></disk>`;
      await client.domainAttachDevice(ref, disk, { live: true });
      expect(await client.domainGetDiskErrors(ref)).toEqual([]);
      await client.domainBlockResize(ref, "vdb", 16 * 1024 * 1024);
      await client.storagePoolRefresh(pool);
      expect((await client.storageVolGetInfo(volume)).capacity).toBe(16 * 1024 * 1024);
      expect(await client.domainGetXmlDesc(ref)).toContain("d.qcow2");
    } finally {
      await client.domainDestroy(ref);
      await client.storagePoolDestroy(pool);
      await client.storagePoolUndefine(pool);
    }
  });

  it("no agent answers: an error of libvirt, not a hang", async () => {
    await expect(client.qemuAgentCommand(ref, '{"execute":"guest-ping"}', 1)).rejects.toMatchObject({
      name: "LibvirtError",
      codeName: expect.stringMatching(/AGENT_UNRESPONSIVE|OPERATION_INVALID/),
      operation: "qemuAgentCommand",
    });
    await expect(client.domainInterfaceAddresses(ref, "agent")).rejects.toBeInstanceOf(LibvirtError);
    expect(await client.domainInterfaceAddresses(ref, "lease")).toEqual([]);
  });
});

describe("the host", () => {
  it("tells its facts", async () => {
    expect(await client.getType()).toBe("QEMU");
    expect(await client.getUri()).toBe("qemu:///system");
    expect(await client.getHostname()).not.toBe("");
    expect(await client.getLibVersion()).toBeGreaterThanOrEqual(8_000_000);
    expect(await client.getVersion()).toBeGreaterThan(1_000_000);
    expect(await client.getCapabilities()).toContain("<capabilities>");
    expect(await client.getDomainCapabilities({ virttype: "qemu", machine: "q35" })).toContain("q35");
    const info = await client.nodeGetInfo();
    expect(info.cpuModel).toBe("x86_64");
    expect(info.cpus).toBeGreaterThan(0);
    expect(info.memoryKiB).toBeGreaterThan(100_000);
    expect((await client.nodeGetMemoryStats()).total).toBeGreaterThan(100_000);
    const pages = await client.nodeGetFreePages({ pageSizesKiB: [4, 2048], startCell: 0, cellCount: 1 });
    expect(pages.map(({ cell, pageSizeKiB }) => [cell, pageSizeKiB])).toEqual([
      [0, 4],
      [0, 2048],
    ]);
  });

  it("lists its devices", async () => {
    const devices = await client.nodeDeviceList();
    const computer = devices.find(({ name }) => name === "computer");
    if (computer === undefined) throw new Error("the host lists no device named computer");
    expect(await client.nodeDeviceGetXmlDesc(computer)).toContain("<name>computer</name>");
    expect((await client.nodeDeviceList({ capability: "system" })).map(({ name }) => name)).toEqual([
      "computer",
    ]);
    await expect(client.nodeDeviceList({ capability: "nonsense" })).rejects.toThrow(
      "no node device capability",
    );
  });
});
