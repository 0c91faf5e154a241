/** Each row of the effects tables of Pool, Volume and Network: what a change of the field does on a real host. */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { type Effect, effectsOf, type ResourceName } from "../../../providers/libvirt/schema/index.ts";
import type { PropertyMap } from "../../../providers/plugin/values.ts";
import { clearHost, ProviderRun } from "../../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";

const owner = "owner-of-effect-tests";
let host: OwnLibvirtd;
let libvirt: LibvirtClient;
let run: ProviderRun;
let path = "";
let image = "";

beforeAll(async () => {
  host = await startOwnLibvirtd();
  libvirt = createLibvirtClient(host.qemuUri);
  path = join(host.directory, "xpool");
  image = join(host.directory, "image.qcow2");
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", image, "4M"]);
});
afterAll(async () => {
  await libvirt.close();
  await host.stop();
});
beforeEach(async () => {
  run = await ProviderRun.start({ uri: host.qemuUri, owner });
});
afterEach(async () => {
  await run.stop();
  await clearHost(host.qemuUri, "x");
  rmSync(path, { recursive: true, force: true });
});

interface Change {
  /** Row of the table. */
  readonly row: string;
  readonly from?: PropertyMap;
  readonly to: PropertyMap;
  readonly effect: Effect;
}

/** Interface number of the network's bridge: another one after a restart. */
function bridgeNumber(bridge: string): string {
  const daemon = readFileSync(join(host.directory, "libvirtd.pid"), "utf8").trim();
  const line = execFileSync("nsenter", ["--net", "--target", daemon, "ip", "-o", "link", "show", bridge], {
    encoding: "utf8",
  });
  return line.split(":")[0] ?? "";
}

/** Fails unless the changes name every row of the table and nothing else. */
function coversTable(resource: ResourceName, changes: readonly Change[]): void {
  const rows = effectsOf(resource).map((row) => row.path);
  expect([...new Set(changes.map((change) => change.row))].sort()).toEqual([...rows].sort());
}

/** Makes the resource, changes it, and checks that exactly the effect happened. */
async function checkChange(resource: "Pool" | "Volume" | "Network", base: PropertyMap, change: Change) {
  const from = { ...base, ...change.from };
  const to = { ...from, ...change.to };
  const made = await run.create(resource, "subject", from);
  if (change.effect === "forbidden") {
    await expect(run.update(made, to)).rejects.toThrow("is not possible: ");
    return;
  }
  const bridge = typeof from.bridge === "string" && from.mode !== "bridge" ? bridgeNumber(from.bridge) : "";
  const preview = await run.preview(made, to);
  expect(preview.diff.replaces.length > 0, "replaced").toBe(change.effect === "replace");
  expect(preview.diff.changes).toBe(change.effect === "none" ? "none" : "some");
  if (change.effect === "replace") return;
  if (change.effect !== "none") await run.plugin.engine.waitForLine(`: ${change.effect}: `);
  const { recorded } = await run.update(made, to);
  expect(recorded.state.uuid).toBe(made.state.uuid);
  expect(recorded.state.generation).toBe(made.state.generation);
  const again = await ProviderRun.start({ uri: host.qemuUri, owner });
  try {
    const read = await again.read(recorded);
    if (read === undefined) throw new Error("the changed object is gone");
    expect((await again.update(read, to)).diff.changes, "a change left after the update").toBe("none");
  } finally {
    await again.stop();
  }
  if (bridge !== "" && to.bridge === from.bridge && to.mode !== "bridge") {
    expect(bridgeNumber(String(to.bridge)) === bridge, "kept its bridge").toBe(change.effect !== "restart");
  }
}

describe("a pool", () => {
  const changes: readonly Change[] = [
    { row: "name", to: { name: "xother" }, effect: "replace" },
    { row: "type", to: { type: "dir" }, effect: "none" },
    { row: "path", to: { path: "/srv/xother" }, effect: "replace" },
    { row: "adopt", to: { adopt: true }, effect: "none" },
    { row: "autostart", to: { autostart: false }, effect: "live" },
  ];
  it("has a test for each row", () => coversTable("Pool", changes));
  it.each(changes)("changed in $row: $effect", (change) =>
    checkChange("Pool", { name: "xpool", path }, change),
  );
});

describe("a volume", () => {
  const blank = { name: "disk", pool: "xpool", sizeMiB: 8 };
  const source = () => ({ path: image, id: "image-1" });
  const seed = { userData: "a", metaData: "{}", networkConfig: "version: 2" };
  const changes: readonly (Change & { readonly kind?: "source" | "seed" })[] = [
    { row: "name", to: { name: "other" }, effect: "replace" },
    { row: "pool", to: { pool: "xother" }, effect: "replace" },
    { row: "format", to: { format: "raw" }, effect: "replace" },
    { row: "sizeMiB", to: { sizeMiB: 16 }, effect: "live" },
    { row: "sizeMiB", to: { sizeMiB: 4 }, effect: "forbidden" },
    { row: "sizeMiB", kind: "source", to: { sizeMiB: 16 }, effect: "live" },
    { row: "source", kind: "source", to: { source: undefined, sizeMiB: 4 }, effect: "replace" },
    {
      row: "source.path",
      kind: "source",
      to: { source: { path: "/elsewhere", id: "image-1" } },
      effect: "none",
    },
    {
      row: "source.id",
      kind: "source",
      to: { source: { path: "/elsewhere", id: "image-2" } },
      effect: "replace",
    },
    {
      row: "source.sha256",
      kind: "source",
      to: { source: { path: "/elsewhere", sha256: "0".repeat(64) } },
      effect: "replace",
    },
    { row: "seed", kind: "seed", to: { seed: undefined, sizeMiB: 4 }, effect: "replace" },
    { row: "seed.userData", kind: "seed", to: { seed: { ...seed, userData: "b" } }, effect: "replace" },
    { row: "seed.metaData", kind: "seed", to: { seed: { ...seed, metaData: "b" } }, effect: "replace" },
    {
      row: "seed.networkConfig",
      kind: "seed",
      to: { seed: { ...seed, networkConfig: "b" } },
      effect: "replace",
    },
  ];
  it("has a test for each row", () => coversTable("Volume", changes));
  it.each(changes)("changed in $row: $effect", async (change) => {
    await run.create("Pool", "pool", { name: "xpool", path });
    const place = { name: "disk", pool: "xpool" };
    const base =
      change.kind === "source"
        ? { ...place, source: source() }
        : change.kind === "seed"
          ? { ...place, seed }
          : blank;
    await checkChange("Volume", base, change);
  });

  it("grows in a running guest, which sees it at once", async () => {
    await run.create("Pool", "pool", { name: "xpool", path });
    const volume = await run.create("Volume", "subject", blank);
    const guest =
      await libvirt.domainDefineXml(`<domain type='qemu'><name>xguest</name><memory unit='MiB'>32</memory>
      <vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
      <disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='xpool' volume='disk'/><target dev='vda' bus='virtio'/></disk>
      </devices></domain>`);
    await libvirt.domainCreate(guest);
    try {
      const { recorded } = await run.update(volume, { ...blank, sizeMiB: 24 });
      expect(recorded.state).toMatchObject({ capacityMiB: 24 });
      const seen = execFileSync("qemu-img", ["info", "-U", "--output=json", join(path, "disk")], {
        encoding: "utf8",
      });
      expect(JSON.parse(seen)["virtual-size"]).toBe(24 * 1024 * 1024);
    } finally {
      await libvirt.domainDestroy(guest);
    }
  });
});

describe("a network", () => {
  const base = {
    name: "xlab",
    mode: "nat",
    bridge: "xlab0",
    domain: "hpc.local",
    address: "10.80.0.1/24",
    dhcpRange: { start: "10.80.0.100", end: "10.80.0.199" },
    dnsForwarders: ["192.0.2.53"],
    dnsHosts: [{ address: "10.80.0.2", hostnames: ["storage"] }],
  };
  const changes: readonly Change[] = [
    { row: "name", to: { name: "xother" }, effect: "replace" },
    { row: "mode", to: { mode: "route" }, effect: "restart" },
    { row: "mode", to: { mode: "isolated" }, effect: "restart" },
    { row: "bridge", to: { bridge: "xlab1" }, effect: "restart" },
    { row: "domain", to: { domain: "lab.local" }, effect: "restart" },
    { row: "address", to: { address: "10.80.0.254/24" }, effect: "restart" },
    { row: "dhcpRange", to: { dhcpRange: undefined }, effect: "restart" },
    {
      row: "dhcpRange",
      from: { dhcpRange: undefined },
      to: { dhcpRange: base.dhcpRange },
      effect: "restart",
    },
    { row: "dhcpRange.start", to: { dhcpRange: { ...base.dhcpRange, start: "10.80.0.50" } }, effect: "live" },
    { row: "dhcpRange.end", to: { dhcpRange: { ...base.dhcpRange, end: "10.80.0.250" } }, effect: "live" },
    { row: "dnsForwarders", to: { dnsForwarders: ["192.0.2.54"] }, effect: "restart" },
    { row: "dnsHosts", to: { dnsHosts: undefined }, effect: "live" },
    { row: "dnsHosts", from: { dnsHosts: undefined }, to: { dnsHosts: base.dnsHosts }, effect: "live" },
    {
      row: "dnsHosts[].address",
      to: { dnsHosts: [{ address: "10.80.0.3", hostnames: ["storage"] }] },
      effect: "live",
    },
    {
      row: "dnsHosts[].hostnames",
      to: { dnsHosts: [{ address: "10.80.0.2", hostnames: ["nfs", "storage"] }] },
      effect: "live",
    },
    { row: "autostart", to: { autostart: false }, effect: "live" },
  ];
  it("has a test for each row", () => coversTable("Network", changes));
  it.each(changes)("changed in $row: $effect (%#)", (change) => checkChange("Network", base, change));
});

describe("the provider", () => {
  it("has a test for each row of its configuration", () => {
    // Their effects need no host; they are in the tests of the configuration.
    expect(effectsOf("Config").map((row) => row.path)).toEqual([
      "uri",
      "owner",
      "identitySecret",
      "refreshBeforeUpdate",
    ]);
  });
});
