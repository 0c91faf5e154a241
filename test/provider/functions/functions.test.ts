import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import {
  hasRunningKvm,
  parseCapabilities,
  parseDomainCapabilities,
} from "../../../providers/libvirt/functions/capabilities.ts";
import { versionText } from "../../../providers/libvirt/functions/host.ts";
import { clearHost, ProviderRun } from "../../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { wireError } from "../../support/plugin-client.ts";

const owner = "owner-of-function-tests";
let host: OwnLibvirtd;

beforeAll(async () => {
  host = await startOwnLibvirtd();
});
afterAll(() => host.stop());

describe("getHost", () => {
  it("tells the facts of a QEMU host", async () => {
    const run = await ProviderRun.start({ uri: host.qemuUri, owner });
    try {
      const { outputs } = await run.client.invoke("libvirt:index:getHost", {});
      expect(outputs).toMatchObject({
        uri: host.qemuUri,
        driver: "QEMU",
        libvirtVersion: expect.stringMatching(/^\d+\.\d+\.\d+$/),
        hypervisorVersion: expect.stringMatching(/^\d+\.\d+\.\d+$/),
        arch: expect.stringMatching(/^[a-z0-9_]+$/),
        cpus: expect.any(Number),
        memoryMiB: expect.any(Number),
        freeMemoryMiB: expect.any(Number),
        uefi: expect.any(Boolean),
      });
      expect(Number(outputs.freeMemoryMiB)).toBeLessThanOrEqual(Number(outputs.memoryMiB));
      // No guest runs with it, so nothing proves it.
      expect(outputs.kvm).not.toBe(true);
    } finally {
      await run.stop();
    }
  });

  it("leaves out what the test driver does not know", async () => {
    const run = await ProviderRun.start({ uri: host.testUri, owner });
    try {
      const { outputs } = await run.client.invoke("libvirt:index:getHost", {});
      expect(outputs).toMatchObject({ driver: expect.stringMatching(/^test$/i), cpus: 16 });
      expect(outputs).not.toHaveProperty("uefi");
      expect(outputs).not.toHaveProperty("kvm");
    } finally {
      await run.stop();
    }
  });

  it("says which host cannot be reached", async () => {
    const run = await ProviderRun.start({ uri: `qemu+unix:///system?socket=${host.directory}/none`, owner });
    try {
      const failure = await wireError(run.client.invoke("libvirt:index:getHost", {}));
      expect(failure.message).toContain("getHost failed: ");
      expect(failure.message).toContain(`${host.directory}/none`);
    } finally {
      await run.stop();
    }
  });
});

describe("getDomainAddresses", () => {
  let libvirt: LibvirtClient;
  let run: ProviderRun;
  beforeEach(async () => {
    libvirt = createLibvirtClient(host.testUri);
    run = await ProviderRun.start({ uri: host.testUri, owner });
    await libvirt.domainList();
  });
  afterEach(async () => {
    await run.stop();
    await clearHost(host.testUri, "fun");
    await libvirt.close();
  });

  const domain = (
    name: string,
    mac: string,
  ) => `<domain type='test'><name>${name}</name><memory>65536</memory><vcpu>1</vcpu>
    <os><type>hvm</type></os><devices><interface type='network'><mac address='${mac}'/><source network='funlab'/></interface></devices></domain>`;

  it("finds reservations, of all domains or of some", async () => {
    await libvirt.networkDefineXml(`<network><name>funlab</name><bridge name='funlab0'/><ip address='10.70.0.1' netmask='255.255.255.0'>
      <dhcp><range start='10.70.0.100' end='10.70.0.200'/><host mac='52:54:00:00:00:01' ip='10.70.0.11'/></dhcp></ip></network>`);
    await libvirt.domainDefineXml(domain("fun-2", "52:54:00:00:00:02"));
    const first = await libvirt.domainDefineXml(domain("fun-1", "52:54:00:00:00:01"));
    await libvirt.domainCreate(first);
    const { outputs } = await run.client.invoke("libvirt:index:getDomainAddresses", {
      names: ["fun-1", "fun-2", "none"],
    });
    expect(outputs.domains).toEqual([
      {
        name: "fun-1",
        uuid: first.uuid,
        running: true,
        interfaces: [{ mac: "52:54:00:00:00:01", network: "funlab", addresses: ["10.70.0.11"] }],
      },
      {
        name: "fun-2",
        uuid: expect.any(String),
        running: false,
        interfaces: [{ mac: "52:54:00:00:00:02", network: "funlab", addresses: [] }],
      },
    ]);
    const all = await run.client.invoke("libvirt:index:getDomainAddresses", {});
    expect(all.outputs.domains).toHaveLength(3);
  });
});

describe("capabilities", () => {
  it("are read from the right places", () => {
    expect(
      parseCapabilities(
        "<capabilities><host><cpu><arch>x86_64</arch><model>EPYC</model></cpu></host></capabilities>",
      ),
    ).toEqual({
      arch: "x86_64",
      cpuModel: "EPYC",
    });
    const os = (inner: string) =>
      parseDomainCapabilities(`<domainCapabilities><os>${inner}</os></domainCapabilities>`);
    expect(os("<enum name='firmware'><value>efi</value></enum>")).toEqual({ uefi: true });
    expect(os("<enum name='firmware'/>")).toEqual({ uefi: false });
    expect(os("")).toEqual({ uefi: undefined });
    expect(versionText(9_000_000)).toBe("9.0.0");
    expect(versionText(11_003_012)).toBe("11.3.12");
  });

  it("count hardware virtualisation as proven by a running guest alone", () => {
    const ref = { name: "a", uuid: "u", id: 1 };
    const guest = (type: string) => ({
      ref,
      state: "running" as const,
      reason: "booted",
      autostart: false,
      xml: "",
      liveXml: `<domain type='${type}' id='1'>`,
    });
    expect(hasRunningKvm([guest("kvm")])).toBe(true);
    expect(hasRunningKvm([guest("qemu")])).toBe(false);
    expect(hasRunningKvm([{ ...guest("kvm"), state: "shutoff", liveXml: undefined }])).toBe(false);
  });
});
