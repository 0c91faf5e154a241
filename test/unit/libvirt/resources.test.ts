import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DomainSnapshot } from "../../../providers/libvirt/context.ts";
import type { NetworkInputs } from "../../../providers/libvirt/resources/inputs.ts";
import { liveChanges, readNetworkInputs } from "../../../providers/libvirt/resources/network/changes.ts";
import { checkNetwork } from "../../../providers/libvirt/resources/network/check.ts";
import { parseNetwork, renderNetwork } from "../../../providers/libvirt/resources/network/index.ts";
import {
  formatAddress,
  parseAddress,
  parseHostAddress,
  subnetText,
} from "../../../providers/libvirt/resources/network/ipv4.ts";
import { attachedDomains } from "../../../providers/libvirt/resources/network/users.ts";
import { parsePool, renderPool } from "../../../providers/libvirt/resources/pool/index.ts";
import { parseVolume, renderVolume } from "../../../providers/libvirt/resources/volume/index.ts";
import {
  judgeVolume,
  markerContent,
  markerIdentity,
  markerName,
  parseMarker,
} from "../../../providers/libvirt/resources/volume/marker.ts";
import { progressText, sizeText } from "../../../providers/libvirt/resources/volume/progress.ts";
import { describeUse, disksOn, overlaysOf } from "../../../providers/libvirt/resources/volume/use.ts";
import { sameTarget } from "../../../providers/libvirt/schema/index.ts";
import type { PropertyMap } from "../../../providers/plugin/values.ts";

const uuid = "0f6c1f0e-6d0a-4f0c-9f53-0a3c5f5b7e11";
const domain = (name: string, devices: string, running = true): DomainSnapshot => {
  const xml = `<domain><name>${name}</name><devices>${devices}</devices></domain>`;
  return {
    ref: { name, uuid, id: running ? 1 : -1 },
    state: running ? "running" : "shutoff",
    reason: running ? "booted" : "shutdown",
    autostart: false,
    xml,
    liveXml: running ? xml : undefined,
  };
};

describe("IPv4", () => {
  it("reads what it writes, and nothing else", () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(formatAddress(parseAddress(text) ?? -1)).toBe(text);
      }),
    );
    for (const text of ["10.0.0", "10.0.0.256", "010.0.0.1", "a.b.c.d", "", "10.0.0.1.2"]) {
      expect(parseAddress(text), text).toBeUndefined();
    }
    expect(parseHostAddress("10.50.3.1/22")).toMatchObject({ prefix: 22, first: parseAddress("10.50.0.0") });
    expect(subnetText(parseHostAddress("255.255.255.254/8") ?? fail())).toBe("255.0.0.0/8");
    for (const text of ["10.0.0.1", "10.0.0.1/33", "10.0.0.1/x", "10.0.0.1/24/2"]) {
      expect(parseHostAddress(text), text).toBeUndefined();
    }
  });
});

function fail(): never {
  throw new Error("a value is missing");
}

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const networkInputs: fc.Arbitrary<NetworkInputs> = fc
  .record(
    {
      name: label,
      mode: fc.constantFrom("nat" as const, "route" as const, "isolated" as const),
      bridge: label,
      domain: label,
      address: fc.integer({ min: 0, max: 255 }).map((octet) => `10.${octet}.0.1/24`),
      dnsForwarders: fc.array(fc.ipV4(), { minLength: 1, maxLength: 2 }),
      dnsHosts: fc.uniqueArray(
        fc.record({ address: fc.ipV4(), hostnames: fc.uniqueArray(label, { minLength: 1, maxLength: 2 }) }),
        {
          selector: (host) => host.address,
          minLength: 1,
          maxLength: 3,
        },
      ),
      range: fc.boolean(),
    },
    { requiredKeys: ["name", "mode", "bridge", "address", "range"] },
  )
  .map(({ range, ...inputs }) => {
    const start = inputs.address.replace(/1\/24$/, "100");
    return range ? { ...inputs, dhcpRange: { start, end: start.replace(/100$/, "199") } } : inputs;
  });

/** Interfaces are no property maps; plain copies are. */
const asMap = (inputs: NetworkInputs): PropertyMap => JSON.parse(JSON.stringify(inputs));
const defined = (inputs: object) =>
  Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== undefined));

describe("networks", () => {
  it("come back from their own XML", () => {
    fc.assert(
      fc.property(networkInputs, (inputs) => {
        const facts = parseNetwork(renderNetwork(inputs, uuid, undefined));
        expect(defined(readNetworkInputs(facts, true, asMap(inputs)))).toEqual(inputs);
        expect(liveChanges(facts, inputs, inputs)).toEqual([]);
      }),
    );
  });

  it("change from any state to the declared one, touching nobody else's records", () => {
    fc.assert(
      fc.property(networkInputs, networkInputs, (a, b) => {
        const facts = parseNetwork(renderNetwork(a, uuid, undefined));
        const foreign = { address: "192.0.2.77", hostnames: ["of-a-domain"] };
        const changes = liveChanges({ ...facts, dnsHosts: [...facts.dnsHosts, foreign] }, a, b);
        expect(changes.some((change) => change.xml.includes("of-a-domain"))).toBe(false);
        const added = changes.filter(
          (change) => change.command === "add-last" && change.section === "dns-host",
        );
        const kept = (b.dnsHosts ?? []).length - added.length;
        expect(kept).toBeGreaterThanOrEqual(0);
        const firstAdd = changes.findIndex(
          (change) => change.section === "dns-host" && change.command !== "delete",
        );
        const lastDelete = changes.findLastIndex(
          (change) => change.section === "dns-host" && change.command === "delete",
        );
        if (firstAdd >= 0) expect(lastDelete).toBeLessThan(firstAdd);
      }),
    );
  });

  it("are read in libvirt's other forms", () => {
    const facts = parseNetwork(
      "<network><name>x</name><uuid>u</uuid><forward dev='eth0'/><ip address='10.0.0.1' netmask='255.255.252.0'/><ip family='ipv6' address='fd00::1' prefix='64'/></network>",
    );
    expect(facts).toMatchObject({ mode: "nat", address: "10.0.0.1/22", ranges: [], mark: undefined });
    expect(
      parseNetwork("<network><ip family='ipv6' address='fd00::1' prefix='64'/></network>").address,
    ).toBeUndefined();
  });

  it("pass the check that their declarations pass", () => {
    fc.assert(
      fc.property(networkInputs, (inputs) => {
        const names = (inputs.dnsHosts ?? []).flatMap((host) => host.hostnames);
        fc.pre(new Set(names).size === names.length);
        expect(checkNetwork(asMap(inputs))).toEqual([]);
      }),
    );
  });

  it("know who is attached, running, by network or by their own bridge", () => {
    const domains = [
      domain("a", "<interface type='network'><source network='lab' bridge='lab0'/></interface>"),
      domain("b", "<interface type='bridge'><source bridge='lab0'/></interface>"),
      domain("c", "<interface type='network'><source network='lab2'/></interface>"),
      domain("d", "<interface type='network'><source network='lab'/></interface>", false),
    ];
    expect(attachedDomains({ name: "lab", bridge: "lab0", mode: "nat" }, domains)).toEqual(["a", "b"]);
    expect(attachedDomains({ name: "lab", bridge: "lab0", mode: "bridge" }, domains)).toEqual(["a"]);
  });
});

describe("volumes", () => {
  it("come back from their own XML", () => {
    const facts = parseVolume(renderVolume({ name: "v", format: "qcow2", capacityBytes: 5 }));
    expect(facts).toMatchObject({ name: "v", format: "qcow2", capacityBytes: 5, backing: undefined });
    expect(parseVolume("<volume><backingStore><path/></backingStore></volume>").backing).toBeUndefined();
  });

  const identity = markerIdentity("owner", "urn");
  const marker = {
    volume: "disk.img",
    identity,
    content: "0123456789abcdef",
    generation: "fedcba9876543210",
  };

  it("have marks that come back from their names", () => {
    expect(parseMarker(markerName(marker))).toEqual(marker);
    expect(parseMarker("disk.img")).toBeUndefined();
    expect(parseMarker("disk.hyperlab-x-y-z")).toBeUndefined();
  });

  it("are told apart: nobody's, ours, ours of other content, somebody else's", () => {
    const judge = (...names: string[]) => judgeVolume(marker, names);
    expect(judge()).toEqual({ verdict: "create" });
    expect(judge(markerName(marker))).toEqual({ verdict: "create" });
    expect(judge("disk.img", markerName(marker))).toEqual({ verdict: "resume" });
    expect(judge("disk.img")).toMatchObject({ verdict: "refuse", reason: "it was not made by hyperlab" });
    expect(judge("disk.img", markerName({ ...marker, content: "f".repeat(16) }))).toMatchObject({
      verdict: "refuse",
    });
    expect(judge("disk.img", markerName({ ...marker, identity: "0".repeat(16) }))).toMatchObject({
      verdict: "refuse",
    });
    expect(judge(markerName({ ...marker, identity: "0".repeat(16) }))).toMatchObject({ verdict: "refuse" });
    expect(judge("other", markerName({ ...marker, volume: "other" }))).toEqual({ verdict: "create" });
  });

  it("have a content that depends on what they hold, not on where it comes from or how large it is", () => {
    const content = (part: object) => markerContent("owner", { name: "n", pool: "p", ...part });
    expect(content({ source: { path: "/a", id: "1" }, sizeMiB: 5 })).toBe(
      content({ source: { path: "/b", id: "1" } }),
    );
    expect(content({ source: { path: "/a", id: "1" } })).not.toBe(
      content({ source: { path: "/a", id: "2" } }),
    );
    expect(content({ seed: { userData: "a", metaData: "" } })).not.toBe(
      content({ seed: { userData: "b", metaData: "" } }),
    );
    expect(markerContent("other", { name: "n", pool: "p" })).not.toBe(content({}));
  });

  it("know what uses them", () => {
    const place = { pool: "lab", name: "disk", path: "/srv/disk" };
    const domains = [
      domain("a", "<disk><source file='/srv/disk'/><target dev='vda'/></disk>"),
      domain("b", "<disk><source pool='lab' volume='disk'/><target dev='vdb'/></disk>", false),
      domain("c", "<disk><source file='/srv/disk2'/><target dev='vda'/></disk>"),
    ];
    const uses = disksOn(place, domains);
    expect(uses.map((use) => [use.domain.ref.name, use.target, use.running])).toEqual([
      ["a", "vda", true],
      ["b", "vdb", false],
    ]);
    const overlay = "<volume><name>o</name><backingStore><path>/srv/disk</path></backingStore></volume>";
    const overlays = overlaysOf(place, [{ ref: { pool: "lab", name: "o", key: "" }, xml: overlay }]);
    expect(describeUse(uses, overlays)).toBe("domain a (running), domain b, volume o");
    expect(describeUse([], [])).toBeUndefined();
    expect(describeUse([], ["1", "2", "3", "4", "5", "6", "7"])).toBe(
      "volume 1, volume 2, volume 3, volume 4, volume 5 and 2 more",
    );
  });

  it("show progress", () => {
    expect(progressText(0, 0, 0)).toBe("uploading 0 bytes of 0 bytes (100 %)");
    expect(progressText(512 * 2 ** 20, 2 * 2 ** 30, 2)).toBe(
      "uploading 512 MiB of 2.0 GiB (25 %, 256 MiB/s)",
    );
    expect(sizeText(1023)).toBe("1023 bytes");
  });
});

describe("pools", () => {
  it("come back from their own XML", () => {
    expect(parsePool(renderPool({ name: "lab", path: "/srv/a&b" }, uuid))).toEqual({
      type: "dir",
      name: "lab",
      uuid,
      path: "/srv/a&b",
    });
  });
});

describe("targets of connection URIs", () => {
  it.each([
    ["qemu:///system", "qemu+unix:///system?socket=/run/x", true],
    ["qemu+ssh://root@Host1/system", "qemu+ssh://ada@host1:2222/system", true],
    ["qemu+ssh://host1/system", "qemu+ssh://host2/system", false],
    ["qemu:///system", "qemu:///session", false],
    ["qemu:///system", "qemu+ssh://host1/system", false],
    ["qemu:///system", "test:///default", false],
    ["nonsense", "nonsense", true],
    ["nonsense", "other", false],
  ])("%s and %s: %s", (a, b, same) => {
    expect(sameTarget(a, b)).toBe(same);
  });
});
