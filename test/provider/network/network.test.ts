import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  createLibvirtClient,
  type LibvirtClient,
  type NetworkRef,
} from "../../../providers/libvirt/client/index.ts";
import { networkDefinition } from "../../../providers/libvirt/host.ts";
import { parseNetwork } from "../../../providers/libvirt/resources/network/index.ts";
import { clearHost, ProviderRun } from "../../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { urnOf, wireError } from "../../support/plugin-client.ts";

const owner = "owner-of-network-tests";
const urn = urnOf("libvirt:index:Network", "lab");
let host: OwnLibvirtd;

beforeAll(async () => {
  host = await startOwnLibvirtd();
});
afterAll(async () => {
  await host.stop();
});

const nat = {
  name: "netlab",
  mode: "nat",
  bridge: "netlab0",
  domain: "hpc.local",
  address: "10.50.0.1/24",
  dhcpRange: { start: "10.50.0.100", end: "10.50.0.199" },
  dnsForwarders: ["192.0.2.53"],
  dnsHosts: [{ address: "10.50.0.2", hostnames: ["storage", "storage.hpc.local"] }],
};
const reservation = "<host mac='52:54:00:00:00:11' name='node-1' ip='10.50.0.11'/>";
const record = "<host ip='10.50.0.11'><hostname>node-1</hostname></host>";

// The QEMU driver makes bridges and DHCP servers, in a network namespace of the tests; the test driver runs domains.
describe.each(["qemu", "test"] as const)("a network of the %s driver", (driver) => {
  let uri = "";
  let libvirt: LibvirtClient;
  let run: ProviderRun;

  beforeAll(() => {
    uri = driver === "qemu" ? host.qemuUri : host.testUri;
    libvirt = createLibvirtClient(uri);
  });
  afterAll(() => libvirt.close());
  beforeEach(async () => {
    run = await ProviderRun.start({ uri, owner });
    // The test driver forgets everything with its last connection; the run of the test holds one of its own.
    await libvirt.networkList();
  });
  afterEach(async () => {
    await run.stop();
    await clearHost(uri, "net");
  });

  async function find(name = "netlab"): Promise<NetworkRef> {
    const found = await libvirt.networkLookupByName(name);
    if (found === undefined) throw new Error(`the network ${name} is missing`);
    return found;
  }
  const facts = async (live = false) =>
    parseNetwork(
      live ? await libvirt.networkGetXmlDesc(await find()) : await networkDefinition(libvirt, await find()),
    );
  async function withRun<T>(name: string, work: (other: ProviderRun) => Promise<T>): Promise<T> {
    const other = await ProviderRun.start({ uri, owner: name });
    try {
      return await work(other);
    } finally {
      await other.stop();
    }
  }

  it.each([
    ["nat", nat],
    ["route", { name: "netroute", mode: "route", bridge: "netroute0", address: "10.51.0.1/24" }],
    [
      "isolated",
      {
        name: "netalone",
        mode: "isolated",
        bridge: "netalone0",
        address: "10.52.0.1/16",
        autostart: false,
        dhcpRange: { start: "10.52.1.0", end: "10.52.2.255" },
      },
    ],
    ["bridge", { name: "nethost", mode: "bridge", bridge: "br0" }],
  ])("is made with mode %s, read as declared, and removed", async (_mode, inputs) => {
    const network = await run.create("Network", "lab", inputs);
    const found = await find(inputs.name);
    expect(found.uuid).toBe(network.state.uuid);
    expect(await libvirt.networkIsActive(found)).toBe(true);
    await withRun(owner, async (again) => {
      const read = await again.read(network);
      expect(read?.state).toEqual(network.state);
      expect(read?.inputs).toEqual(network.inputs);
      expect((await again.update(network, inputs)).diff.changes).toBe("none");
    });
    await run.delete(network);
    expect(await libvirt.networkLookupByName(inputs.name)).toBeUndefined();
    await run.delete(network);
  });

  it("changes live what libvirt can change, and leaves the entries of domains alone", async () => {
    const network = await run.create("Network", "lab", nat);
    const found = await find();
    const both = { live: true, config: true };
    await libvirt.networkUpdate(found, "add-last", "ip-dhcp-host", -1, reservation, both);
    await libvirt.networkUpdate(found, "add-last", "dns-host", -1, record, both);
    const read = await withRun(owner, (again) => again.read(network));
    expect(read?.inputs).toEqual(network.inputs);
    const news = {
      ...nat,
      autostart: false,
      dhcpRange: { start: "10.50.0.120", end: "10.50.0.150" },
      dnsHosts: [
        { address: "10.50.0.2", hostnames: ["storage"] },
        { address: "10.50.0.3", hostnames: ["mirror"] },
      ],
    };
    const preview = await run.preview(network, news);
    expect(preview.diff.replaces).toEqual([]);
    await run.plugin.engine.waitForLine("netlab: live: dhcpRange.start 10.50.0.100 → 10.50.0.120");
    const { recorded } = await run.update(network, news);
    expect(recorded.state).toEqual(network.state);
    for (const live of [true, false]) {
      const now = await facts(live);
      expect(now.ranges).toEqual([news.dhcpRange]);
      expect(now.dnsHosts).toEqual([
        { address: "10.50.0.11", hostnames: ["node-1"] },
        { address: "10.50.0.2", hostnames: ["storage"] },
        { address: "10.50.0.3", hostnames: ["mirror"] },
      ]);
      expect(now.reservations).toHaveLength(1);
    }
    expect(await libvirt.networkGetAutostart(found)).toBe(false);
    await withRun(owner, async (again) =>
      expect((await again.read(recorded))?.inputs).toEqual(recorded.inputs),
    );
    const without = await run.update(recorded, { ...news, dnsHosts: [] });
    expect((await facts()).dnsHosts).toEqual([{ address: "10.50.0.11", hostnames: ["node-1"] }]);
    expect(without.diff.changes).toBe("some");
    await run.delete(without.recorded);
  });

  it("of somebody else is refused, and can be imported, changed and left in place", async () => {
    await withRun("another-owner", (other) => other.create("Network", "lab", nat));
    const refusal = await wireError(run.create("Network", "lab", nat));
    expect(refusal.message).toContain('a network "netlab" exists already');
    expect(refusal.message).toContain("belongs to another stack");
    const imported = await run.import("Network", "lab", "netlab");
    expect(imported.inputs).toEqual(nat);
    const { recorded } = await run.update(imported, { ...nat, dnsHosts: [] });
    expect((await facts()).dnsHosts).toEqual([]);
    await run.delete(recorded);
    expect(await libvirt.networkLookupByName("netlab")).toBeDefined();
  });

  it("without a mark is refused", async () => {
    await libvirt.networkDefineXml("<network><name>netlab</name><bridge name='netx0'/></network>");
    expect((await wireError(run.create("Network", "lab", nat))).message).toContain(
      "it was not made by hyperlab",
    );
  });

  it("has outputs that the preview knows", async () => {
    const foreseen = await run.client.create(urn, nat, { preview: true });
    const network = await run.create("Network", "lab", nat);
    expect(foreseen.id).toBe(network.id);
    expect(foreseen.outputs.uuid).toBe(network.state.uuid);
  });

  it("that was stopped by hand is drift, which the update mends", async () => {
    const network = await run.create("Network", "lab", nat);
    await libvirt.networkDestroy(await find());
    const read = await run.read(network);
    expect(read?.state).toMatchObject({ stopped: true });
    if (read === undefined) throw new Error("the network was not read");
    const { recorded, diff } = await run.update(read, network.inputs);
    expect(diff.detailed).toEqual({ stopped: "delete" });
    expect(recorded.state).toEqual(network.state);
    expect(await libvirt.networkIsActive(await find())).toBe(true);
  });

  it("is gone when libvirt says so, or when another took its name; not when libvirt cannot be asked", async () => {
    const network = await run.create("Network", "lab", nat);
    await clearHost(uri, "netlab");
    await withRun(owner, async (again) => expect(await again.read(network)).toBeUndefined());
    await libvirt.networkDefineXml("<network><name>netlab</name><bridge name='netx0'/></network>");
    await withRun(owner, async (again) => expect(await again.read(network)).toBeUndefined());
    await run.delete(network);
    expect(await libvirt.networkLookupByName("netlab")).toBeDefined();
    const away = await ProviderRun.start({ uri: `qemu+unix:///system?socket=${host.directory}/none`, owner });
    try {
      expect((await wireError(away.read(network))).message).toContain("Nothing was removed from the state");
    } finally {
      await away.stop();
    }
  });
});

// The test driver does not take a new definition of a running network, not even at its next start.
describe("a network that gets a new definition", () => {
  let libvirt: LibvirtClient;
  let run: ProviderRun;

  beforeEach(async () => {
    libvirt = createLibvirtClient(host.qemuUri);
    run = await ProviderRun.start({ uri: host.qemuUri, owner });
  });
  afterEach(async () => {
    await run.stop();
    await libvirt.close();
    await clearHost(host.qemuUri, "net");
  });

  async function find(): Promise<NetworkRef> {
    const found = await libvirt.networkLookupByName("netlab");
    if (found === undefined) throw new Error("the network is missing");
    return found;
  }
  const facts = async (live = false) =>
    parseNetwork(await libvirt.networkGetXmlDesc(await find(), { inactive: !live }));

  it("restarts for the rest, keeping its UUID and the entries of domains", async () => {
    const network = await run.create("Network", "lab", nat);
    const both = { live: true, config: true };
    await libvirt.networkUpdate(await find(), "add-last", "ip-dhcp-host", -1, reservation, both);
    await libvirt.networkUpdate(await find(), "add-last", "dns-host", -1, record, both);
    const mac = (await facts()).mac;
    const { dnsForwarders: _none, ...rest } = nat;
    const news = { ...rest, domain: "lab.local", address: "10.50.0.254/24" };
    const { recorded, diff } = await run.update(network, news);
    expect(diff.replaces).toEqual([]);
    const now = await facts(true);
    expect(now).toMatchObject({
      domain: "lab.local",
      address: "10.50.0.254/24",
      mac,
      uuid: network.state.uuid,
    });
    expect(now.reservations).toHaveLength(1);
    expect(now.dnsHosts.map((entry) => entry.address).sort()).toEqual(["10.50.0.11", "10.50.0.2"]);
    expect((await run.read(recorded))?.inputs).toEqual(recorded.inputs);
    await run.delete(recorded);
  });

  it("is taken over after a create that was killed, with a new generation", async () => {
    const first = await run.create("Network", "lab", nat);
    const second = await run.create("Network", "lab", nat);
    expect(second.state.uuid).toBe(first.state.uuid);
    expect(second.state.generation).not.toBe(first.state.generation);
    const other = await wireError(run.create("Network", "lab", { ...nat, domain: "other.local" }));
    expect(other.message).toContain("made it from other inputs (domain)");
    const stale = await wireError(run.delete(first));
    expect(stale.message).toContain("does not carry the mark");
    await run.delete(second);
  });

  it("of a stack whose state was lost is adopted as it is now, with the entries of domains", async () => {
    const made = await run.create("Network", "lab", nat);
    const news = { ...nat, dnsHosts: [{ address: "10.50.0.2", hostnames: ["storage"] }] };
    await run.update(made, news);
    const found = await find();
    await libvirt.networkUpdate(found, "add-last", "ip-dhcp-host", -1, reservation, {
      live: true,
      config: true,
    });
    await run.stop();
    run = await ProviderRun.start({ uri: host.qemuUri, owner });
    const older = await wireError(
      run.client.create(made.urn, { ...news, domain: "x.local" }, { preview: true }),
    );
    expect(older.message).toContain("made it from other inputs (domain); declare them as they are");
    await run.client.create(made.urn, news, { preview: true });
    await run.plugin.engine.waitForLine("netlab: adopt, it stays as it is");
    const adopted = await run.create("Network", "lab", news);
    expect(adopted.state.uuid).toBe(made.state.uuid);
    expect((await find()).uuid).toBe(found.uuid);
    for (const live of [true, false]) expect((await facts(live)).reservations).toHaveLength(1);
    expect((await run.read(adopted))?.inputs).toEqual(adopted.inputs);
    await run.delete(adopted);
  });
});

describe("subnets and bridges that are taken", () => {
  let run: ProviderRun;
  beforeEach(async () => {
    run = await ProviderRun.start({ uri: host.qemuUri, owner });
  });
  afterEach(async () => {
    await run.stop();
    await clearHost(host.qemuUri, "net");
  });

  it("are named, and nothing is left", async () => {
    await run.create("Network", "lab", nat);
    const collision = await wireError(
      run.create("Network", "two", {
        name: "nettwo",
        mode: "nat",
        bridge: "nettwo0",
        address: "10.50.0.9/24",
      }),
    );
    expect(collision.message).toContain('the subnet 10.50.0.0/24 of network "nettwo" is already in use');
    expect(collision.message).toContain("Choose another subnet");
    const bridge = await wireError(
      run.create("Network", "two", {
        name: "nettwo",
        mode: "nat",
        bridge: "netlab0",
        address: "10.60.0.1/24",
      }),
    );
    expect(bridge.message).toContain('the bridge "netlab0" of network "nettwo" exists already');
    const libvirt = createLibvirtClient(host.qemuUri);
    try {
      expect(await libvirt.networkLookupByName("nettwo")).toBeUndefined();
    } finally {
      await libvirt.close();
    }
  });

  it("put the former network back when a change meets them", async () => {
    await run.create("Network", "one", {
      name: "netone",
      mode: "nat",
      bridge: "netone0",
      address: "10.61.0.1/24",
    });
    const network = await run.create("Network", "lab", nat);
    const { dhcpRange: _range, dnsHosts: _hosts, ...rest } = nat;
    const failure = await wireError(run.update(network, { ...rest, address: "10.61.0.9/24" }));
    expect(failure.message).toContain("the subnet 10.61.0.0/24");
    const read = await withFresh((again) => again.read(network));
    expect(read).toEqual(network);
  });

  async function withFresh<T>(work: (other: ProviderRun) => Promise<T>): Promise<T> {
    const other = await ProviderRun.start({ uri: host.qemuUri, owner });
    try {
      return await work(other);
    } finally {
      await other.stop();
    }
  }
});

describe("a network with running guests", () => {
  let libvirt: LibvirtClient;
  let run: ProviderRun;
  beforeEach(async () => {
    libvirt = createLibvirtClient(host.testUri);
    run = await ProviderRun.start({ uri: host.testUri, owner });
    await libvirt.networkList();
  });
  afterEach(async () => {
    await run.stop();
    await clearHost(host.testUri, "net");
    await libvirt.close();
  });

  it("is not stopped, from the preview on; live changes pass", async () => {
    const network = await run.create("Network", "lab", nat);
    const guest =
      await libvirt.domainDefineXml(`<domain type='test'><name>netguest</name><memory>65536</memory><vcpu>1</vcpu>
      <os><type>hvm</type></os><devices><interface type='network'><source network='netlab'/></interface></devices></domain>`);
    await libvirt.domainCreate(guest);
    const preview = await wireError(run.preview(network, { ...nat, domain: "lab.local" }));
    expect(preview.message).toContain(
      'the network "netlab" cannot be restarted while running domains are attached to it: netguest. Stop them first',
    );
    const replaced = await wireError(run.preview(network, { ...nat, name: "netother" }));
    expect(replaced.message).toContain("cannot be replaced");
    expect((await wireError(run.delete(network))).message).toContain(
      "cannot be deleted while running domains",
    );
    const live = await run.update(network, { ...nat, dnsHosts: [] });
    expect(live.diff.changes).toBe("some");
    await libvirt.domainDestroy(guest);
    const again = await ProviderRun.start({ uri: host.testUri, owner });
    try {
      const { diff } = await again.update(live.recorded, { ...nat, dnsHosts: [], domain: "lab.local" });
      expect(diff.changes).toBe("some");
    } finally {
      await again.stop();
    }
  });
});

describe("wrong inputs", () => {
  let run: ProviderRun;
  beforeAll(async () => {
    run = await ProviderRun.start({ uri: host.testUri, owner });
  });
  afterAll(() => run.stop());

  it.each([
    [{ ...nat, bridge: "a-name-that-is-too-long" }, "bridge: "],
    [{ name: "n", mode: "nat", bridge: "b" }, "address: is required for mode nat"],
    [{ ...nat, mode: "bridge" }, "address: is not possible for mode bridge"],
    [{ ...nat, address: "10.50.0.1" }, 'address: "10.50.0.1" is not an IPv4 address with prefix'],
    [{ ...nat, address: "10.50.0.0/24" }, "is not an address for a host"],
    [{ ...nat, address: "10.50.0.1/31" }, "prefix /31 is not usable"],
    [
      { ...nat, dhcpRange: { start: "10.51.0.1", end: "10.50.0.9" } },
      'dhcpRange.start: "10.51.0.1" is not an address for a host in 10.50.0.0/24',
    ],
    [{ ...nat, dhcpRange: { start: "10.50.0.9", end: "10.50.0.5" } }, "dhcpRange: ends before it starts"],
    [{ ...nat, dhcpRange: { start: "10.50.0.1", end: "10.50.0.5" } }, "includes the host's own address"],
    [{ ...nat, domain: "no spaces" }, "domain: "],
    [{ ...nat, dnsForwarders: ["x"] }, "dnsForwarders[0]: "],
    [{ ...nat, dnsHosts: [{ address: "x", hostnames: ["a b"] }] }, "dnsHosts[0].hostnames[0]: "],
    [{ ...nat, dnsHosts: [{ address: "10.50.0.7", hostnames: ["a", "a"] }] }, "is there twice"],
  ])("are refused before anything happens (%#)", async (inputs, reason) => {
    await expect(run.create("Network", "lab", inputs)).rejects.toThrow(reason);
  });
});
