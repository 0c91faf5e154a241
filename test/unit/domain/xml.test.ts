import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalCpuset,
  formatCpuset,
  parseCpuset,
} from "../../../providers/libvirt/resources/domain/cpuset.ts";
import { type Definition, definitionOf } from "../../../providers/libvirt/resources/domain/definition.ts";
import type { DomainMark } from "../../../providers/libvirt/resources/domain/mark.ts";
import { toProperties } from "../../../providers/libvirt/resources/domain/properties.ts";
import { toInputs } from "../../../providers/libvirt/resources/domain/to-inputs.ts";
import { keepAddresses } from "../../../providers/libvirt/resources/domain/xml/addresses.ts";
import { DomainXmlError, parseDomain } from "../../../providers/libvirt/resources/domain/xml/parse.ts";
import { type DiskSource, renderDomain } from "../../../providers/libvirt/resources/domain/xml/render.ts";
import {
  at,
  attribute,
  childrenOf,
  parseXml,
  renderXml,
  type XmlElement,
} from "../../../providers/libvirt/xml/index.ts";
import { domainInputs } from "./generators.ts";

const uuid = "11111111-2222-5333-8444-555555555555";
const mark: DomainMark = {
  owner: "owner-1234",
  urn: "urn:pulumi:dev::lab::libvirt:index:Domain::n",
  inputHash: "abc",
  generation: "0123456789abcdef",
  disks: [{ pool: "lab", volume: "n-root-0123456789abcdef.qcow2" }],
};

function sourcesOf(definition: Definition): Map<string, DiskSource> {
  const disks = definition.disks.map((disk): [string, DiskSource] => [
    disk.target,
    { path: `/pools/${disk.pool}/${disk.volume}`, format: "raw" },
  ]);
  return new Map([...disks, ["vda", { path: `/pools/lab/${mark.disks?.[0]?.volume}`, format: "qcow2" }]]);
}

function volumeAt(path: string) {
  const match = /^\/pools\/([^/]+)\/(.+)$/.exec(path);
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { pool: match[1], volume: match[2] };
}

const render = (definition: Definition, over: Partial<DomainMark> = {}) =>
  renderXml(renderDomain(definition, { uuid, sources: sourcesOf(definition), mark: { ...mark, ...over } }));

/** What the domain's own XML can carry. */
function inXml(definition: Definition): Definition {
  const { rootDisk: _rootDisk, ...rest } = definition;
  return {
    ...rest,
    interfaces: rest.interfaces.map(({ address: _address, hostname: _hostname, ...nic }) => nic),
  };
}

describe("render and parse", () => {
  it("are inverse", () => {
    fc.assert(
      fc.property(domainInputs, (inputs) => {
        const definition = definitionOf(inputs);
        const parsed = parseDomain(render(definition), { volumeAt, declared: definition });
        expect(parsed.definition).toEqual(inXml(definition));
        expect(parsed.uuid).toBe(uuid);
        expect(parsed.mark).toEqual(mark);
        expect(parsed.unmanaged).toEqual([]);
        expect(parsed.rootVolume).toEqual(inputs.rootDisk === undefined ? undefined : mark.disks?.[0]);
      }),
    );
  });

  it("are deterministic", () => {
    fc.assert(
      fc.property(domainInputs, (inputs) => {
        const definition = definitionOf(inputs);
        const reordered = definitionOf({ ...inputs, disks: [...(inputs.disks ?? [])].reverse() });
        expect(render(reordered)).toBe(render(definition));
      }),
    );
  });

  it("keep the mark's details", () => {
    const definition = definitionOf({ name: "n", vcpus: 1, memoryMiB: 64 });
    const details = { pending: "boot", previous: "<domain a='1'>\n  <x/>&amp;\n</domain>\n" } as const;
    expect(parseDomain(render(definition, details), { volumeAt }).mark).toEqual({ ...mark, ...details });
  });

  it("never ask emulation for the host's CPU", () => {
    for (const mode of ["host-passthrough", "host-model"] as const) {
      const definition = definitionOf({ name: "n", vcpus: 1, memoryMiB: 64, type: "qemu", cpu: { mode } });
      expect(definition.cpu.mode).toBe("maximum");
    }
  });

  it("write a machine as people expect it", () => {
    const definition = definitionOf({
      name: "lab-compute-01",
      title: "compute node",
      vcpus: 2,
      memoryMiB: 2048,
      cpu: { mode: "host-passthrough", topology: { sockets: 1, cores: 2, threads: 1 } },
      firmware: { type: "efi" },
      smbiosSerial: "ds=nocloud;h=lab-compute-01;i=1",
      rootDisk: { pool: "lab", image: "debian", sizeMiB: 10240 },
      disks: [{ pool: "lab", volume: "seed", target: "sda", device: "cdrom" }],
      interfaces: [{ network: "lab", mac: "52:54:00:00:00:01", address: "10.50.0.11" }],
    });
    expect(render(definition)).toMatchSnapshot();
  });
});

describe("parseDomain", () => {
  it("gives a domain or a clear error for any text", () => {
    const parts = fc.constantFrom(
      "<domain type='kvm'>",
      "<domain type='xen'>",
      "</domain>",
      "<name>x</name>",
      "<uuid>u</uuid>",
      "<memory>12</memory>",
      "<memory unit='parsec'>12</memory>",
      "<vcpu current='x'>2</vcpu>",
      "<os><type arch='x86_64'>hvm</type></os>",
      "<cpu mode='custom'/>",
      "<devices>",
      "</devices>",
      "<disk type='file'><source file='/pools/a/b'/><target dev='vdb' bus='virtio'/></disk>",
      "<disk/>",
      "<interface/>",
      "<hostdev mode='subsystem' type='pci'><source><address bus='0xzz'/></source></hostdev>",
      "<filesystem><driver type='virtiofs' queue='-1'/><source dir='/'/><target dir='t'/></filesystem>",
      "<metadata><hyperlab:owned xmlns:hyperlab='https://hyperlab.dev/xmlns/libvirt/1'/></metadata>",
      "&bad;",
    );
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(parts).map((list) => list.join("")),
      fc
        .array(parts)
        .map(
          (list) =>
            `<domain type='kvm'><name>x</name><uuid>u</uuid><memory>1024</memory><os><type>hvm</type></os><devices>${list.join("")}</devices></domain>`,
        ),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          parseDomain(text, { volumeAt });
        } catch (error) {
          expect(error).toBeInstanceOf(DomainXmlError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("names what our inputs cannot say, and whether the guest depends on it", () => {
    const text = `<domain type='kvm'><name>x</name><uuid>u</uuid><memory unit='GiB'>1</memory><vcpu>1</vcpu>
      <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
      <features><acpi/><hyperv/></features>
      <devices>
        <disk type='file' device='disk'><source file='/elsewhere/a.img'/><target dev='vdb' bus='virtio'/></disk>
        <disk type='file' device='disk'><source file='/pools/p/b.img'/><target dev='sdb' bus='scsi'/></disk>
        <disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>
        <sound model='ich9'/>
        <graphics type='spice'/>
      </devices></domain>`;
    expect(parseDomain(text, { volumeAt }).unmanaged).toEqual([
      { what: "feature hyperv", critical: false },
      { what: "disk vdb (/elsewhere/a.img, in no pool)", critical: true },
      { what: "disk sdb (disk on bus scsi)", critical: true },
      { what: "empty drive sda", critical: false },
      { what: "sound (ich9)", critical: false },
      { what: "graphics (spice)", critical: false },
    ]);
  });

  it("keeps a machine's alias where the host resolved it", () => {
    const declared = definitionOf({ name: "n", vcpus: 1, memoryMiB: 64 });
    const on = (machine: string) =>
      parseDomain(render(declared).replace('machine="q35"', `machine="${machine}"`), { volumeAt, declared })
        .definition.machine;
    expect(on("pc-q35-7.2")).toBe("q35");
    expect(on("pc-i440fx-7.2")).toBe("pc-i440fx-7.2");
  });
});

describe("toInputs", () => {
  it("gives back what was declared where the host is as declared", () => {
    fc.assert(
      fc.property(domainInputs, (inputs) => {
        const declared = toProperties(inputs);
        expect(toInputs(definitionOf(inputs), declared)).toEqual(declared);
      }),
    );
  });

  it("writes inputs for an import that mean the same", () => {
    fc.assert(
      fc.property(domainInputs, (inputs) => {
        const definition = definitionOf(inputs);
        const imported = toInputs(definition, undefined);
        expect(toInputs(definition, imported)).toEqual(imported);
      }),
    );
  });

  it("shows only what differs", () => {
    const declared = toProperties({
      name: "n",
      vcpus: 2,
      memoryMiB: 64,
      emulatorPin: "0,1",
      quiesce: { hook: "never" },
    });
    const actual = definitionOf({ name: "n", vcpus: 2, maxVcpus: 4, memoryMiB: 64, tpm: {} });
    expect(toInputs(actual, declared)).toEqual({
      name: "n",
      vcpus: 2,
      maxVcpus: 4,
      memoryMiB: 64,
      tpm: { model: "tpm-crb", version: "2.0" },
      quiesce: { hook: "never" },
    });
  });
});

describe("toInputs of a machine whose disks were changed by hand", () => {
  const declared = toProperties({
    name: "n",
    vcpus: 1,
    memoryMiB: 64,
    disks: [
      { pool: "lab", volume: "data", target: "vdb" },
      { pool: "lab", volume: "seed-a", target: "vdz", seed: true },
    ],
  });
  const disksOf = (seed: { volume: string; readOnly: boolean }) => {
    const disks = [
      { pool: "lab", volume: "other", target: "vdb" },
      { pool: "lab", target: "vdz", ...seed },
    ];
    return toInputs(definitionOf({ name: "n", vcpus: 1, memoryMiB: 64, disks }), declared).disks;
  };

  it("says still which of them is the seed", () => {
    expect(disksOf({ volume: "seed-b", readOnly: true })).toEqual([
      { pool: "lab", volume: "other", target: "vdb", readOnly: false, device: "disk" },
      { pool: "lab", volume: "seed-b", target: "vdz", readOnly: true, device: "disk", seed: true },
    ]);
  });

  it("says that the seed can be written, which no declared seed can", () => {
    expect(disksOf({ volume: "seed-a", readOnly: false })).toContainEqual({
      pool: "lab",
      volume: "seed-a",
      target: "vdz",
      readOnly: false,
      device: "disk",
    });
  });
});

describe("keepAddresses", () => {
  const addressed = (of: Definition, bus: number): XmlElement => {
    const domain = parseXml(render(of));
    let next = bus;
    const devices = domain.children.map((part) =>
      part.name !== "devices"
        ? part
        : {
            ...part,
            children: part.children.map((device) =>
              ["disk", "interface", "rng", "memballoon"].includes(device.name) &&
              attribute(device, "device") !== "cdrom"
                ? {
                    ...device,
                    children: [
                      ...device.children,
                      {
                        name: "address",
                        attributes: new Map([
                          ["type", "pci"],
                          ["domain", "0x0000"],
                          ["bus", `0x${(next++).toString(16).padStart(2, "0")}`],
                          ["slot", "0x00"],
                          ["function", "0x0"],
                        ]),
                        children: [],
                        text: "",
                      },
                    ],
                  }
                : device,
            ),
          },
    );
    return { ...domain, children: devices };
  };
  const busOf = (domain: XmlElement, device: string, index = 0) =>
    attribute(childrenOf(childrenOf(at(domain, "devices"), device)[index], "address")[0], "bus");
  const inputs = {
    name: "n",
    vcpus: 1,
    memoryMiB: 64,
    rootDisk: { pool: "lab", image: "i", sizeMiB: 1 },
    interfaces: [{ network: "lab", mac: "52:54:00:00:00:01" }],
  };

  it("keeps the interface's place when a disk is added", () => {
    const current = addressed(definitionOf(inputs), 1);
    const next = definitionOf({ ...inputs, disks: [{ pool: "lab", volume: "d", target: "vdb" }] });
    const kept = keepAddresses(parseXml(render(next)), current);
    expect(busOf(kept, "interface")).toBe(busOf(current, "interface"));
    expect(busOf(kept, "disk")).toBe(busOf(current, "disk"));
    expect(busOf(kept, "disk", 1)).toBeUndefined();
  });

  it("gives a declared address precedence", () => {
    const current = addressed(definitionOf(inputs), 1);
    const next = definitionOf({
      ...inputs,
      hostDevices: [{ address: "0000:41:00.0", guestAddress: "0000:02:00.0" }],
    });
    const kept = keepAddresses(parseXml(render(next)), current);
    expect(busOf(current, "interface")).toBe("0x02");
    expect(busOf(kept, "interface")).toBeUndefined();
    expect(busOf(kept, "hostdev")).toBe("0x02");
  });

  it("keeps nothing for another kind of machine", () => {
    const current = addressed(definitionOf(inputs), 1);
    const kept = keepAddresses(parseXml(render(definitionOf({ ...inputs, machine: "pc" }))), current);
    expect(busOf(kept, "interface")).toBeUndefined();
  });
});

describe("sets of CPUs", () => {
  it("have one form", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1 }), (numbers) => {
        const sorted = [...new Set(numbers)].sort((a, b) => a - b);
        expect(parseCpuset(formatCpuset(numbers))).toEqual(sorted);
        expect(canonicalCpuset(numbers.join(","))).toBe(formatCpuset(numbers));
      }),
    );
    expect(canonicalCpuset("0-3,^2,8")).toBe("0-1,3,8");
  });

  it("refuse everything else", () => {
    for (const text of ["", "a", "3-1", "0-", "^1", "1,,2", "0-99999", "-1", "^0-3"]) {
      expect(parseCpuset(text)).toBeUndefined();
    }
  });
});
