import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { affectFlags, cpuMap, nameInXml } from "../../../providers/libvirt/client/domain-functions.ts";
import { errorCodeName, errorDomainName } from "../../../providers/libvirt/client/error-names.ts";
import {
  isNotFound,
  LibvirtConnectionError,
  LibvirtError,
} from "../../../providers/libvirt/client/errors.ts";
import * as names from "../../../providers/libvirt/client/names.ts";
import { agentCommand, domain } from "../../../providers/libvirt/client/procedures/domain.ts";
import * as events from "../../../providers/libvirt/client/procedures/events.ts";
import { host } from "../../../providers/libvirt/client/procedures/host.ts";
import { network } from "../../../providers/libvirt/client/procedures/network.ts";
import { storagePool, storageVol } from "../../../providers/libvirt/client/procedures/storage.ts";
import { uuidFromBytes, uuidToBytes } from "../../../providers/libvirt/client/uuid.ts";
import * as wire from "../../../providers/libvirt/client/wire.ts";
import { XdrError, XdrReader, XdrWriter } from "../../../providers/libvirt/client/xdr.ts";

const text = fc.string().filter((value) => !value.includes("\0"));
const uuid = fc.uuid();
const domainRef = fc.record({ name: text, uuid, id: fc.integer({ min: -1, max: 2 ** 31 - 1 }) });
const tables = {
  host,
  domain,
  network,
  storagePool,
  storageVol,
  events: events.events,
  agent: { agentCommand },
};

function bytesOf<T>(write: (writer: XdrWriter, value: T) => void, value: T): Buffer {
  const writer = new XdrWriter();
  write(writer, value);
  return writer.bytes();
}

describe("references", () => {
  it("survive the wire", () => {
    fc.assert(
      fc.property(domainRef, fc.record({ pool: text, name: text, key: text }), (ref, vol) => {
        expect(wire.readDomain(new XdrReader(bytesOf(wire.writeDomain, ref)))).toEqual(ref);
        expect(wire.readNamed(new XdrReader(bytesOf(wire.writeNamed, ref)))).toEqual({
          name: ref.name,
          uuid: ref.uuid,
        });
        expect(wire.readVol(new XdrReader(bytesOf(wire.writeVol, vol)))).toEqual(vol);
      }),
    );
  });

  it("take UUIDs in any usual form and nothing else", () => {
    const bytes = uuidToBytes("6695EB01F6A4830479AA97F2502E193F");
    expect(uuidFromBytes(bytes)).toBe("6695eb01-f6a4-8304-79aa-97f2502e193f");
    for (const wrong of ["", "6695eb01", `${uuidFromBytes(bytes)}0`, "g".repeat(32)]) {
      expect(() => uuidToBytes(wrong)).toThrow("is not a UUID");
    }
  });
});

describe("the table of procedures", () => {
  const entries = Object.entries(tables).flatMap(([table, procedures]) =>
    Object.entries(procedures).map(([name, procedure]) => ({ name: `${table}.${name}`, procedure })),
  );

  it("names no procedure twice", () => {
    const numbers = entries.map(({ procedure }) => `${procedure.program} ${procedure.number}`);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it.each(entries)("answers any bytes of $name with a value or an XdrError", ({ procedure }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          procedure.decode(new XdrReader(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(XdrError);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("decodes errors and events only if they are whole", () => {
    const readers = [
      wire.readError,
      events.readLifecycle,
      events.readReboot,
      events.readIoError,
      events.readAgentLifecycle,
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...readers), (bytes, read) => {
        try {
          read(new XdrReader(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(XdrError);
        }
      }),
    );
  });

  it("reads what the daemon sends for a DHCP lease", () => {
    const writer = new XdrWriter();
    for (const word of ["br0"]) writer.string(word);
    writer.hyper(1_700_000_000n);
    writer.int(0);
    writer.optional("52:54:00:00:00:01", (to, value) => to.string(value));
    writer.optional(undefined, (to: XdrWriter, value: string) => to.string(value));
    writer.string("10.0.0.2");
    writer.uint(24);
    writer.optional("node-1", (to, value) => to.string(value));
    writer.optional(undefined, (to: XdrWriter, value: string) => to.string(value));
    expect(wire.readLease(new XdrReader(writer.bytes()))).toEqual({
      interface: "br0",
      expiry: 1_700_000_000,
      family: "ipv4",
      mac: "52:54:00:00:00:01",
      iaid: "",
      address: "10.0.0.2",
      prefix: 24,
      hostname: "node-1",
      clientId: "",
    });
  });
});

describe("errors", () => {
  const noDomain = new LibvirtError({
    code: 42,
    domain: 10,
    level: 2,
    text: "Domain not found",
    operation: "domainCreate",
    target: "domain node-1",
  });

  it("carry libvirt's own text and code, and what was called on what", () => {
    expect(noDomain).toMatchObject({
      code: 42,
      codeName: "VIR_ERR_NO_DOMAIN",
      domain: "VIR_FROM_QEMU",
      level: "error",
      text: "Domain not found",
    });
    expect(noDomain.message).toBe(
      "libvirt refused domainCreate on domain node-1: Domain not found (VIR_ERR_NO_DOMAIN, code 42)",
    );
  });

  it("tell absence from a transport that failed", () => {
    const lost = new LibvirtConnectionError("x", { kind: "lost", outcome: "unknown", uri: "u" });
    expect([noDomain, lost, new Error("no domain")].map(isNotFound)).toEqual([true, false, false]);
  });

  it.each([
    [1, "VIR_ERR_INTERNAL_ERROR"],
    [43, "VIR_ERR_NO_NETWORK"],
    [49, "VIR_ERR_NO_STORAGE_POOL"],
    [50, "VIR_ERR_NO_STORAGE_VOL"],
    [80, "VIR_ERR_NO_DOMAIN_METADATA"],
    [86, "VIR_ERR_AGENT_UNRESPONSIVE"],
    [111, "VIR_ERR_NO_NETWORK_METADATA"],
    [4711, "VIR_ERR_4711"],
  ])("name code %i %s", (code, name) => {
    expect(errorCodeName(code)).toBe(name);
  });

  it("name the domains", () => {
    expect([10, 12, 18, 999].map(errorDomainName)).toEqual([
      "VIR_FROM_QEMU",
      "VIR_FROM_TEST",
      "VIR_FROM_STORAGE",
      "VIR_FROM_999",
    ]);
  });
});

describe("words for numbers", () => {
  it("for states and reasons", () => {
    expect(names.domainStateInfo(3, 5)).toEqual({ state: "paused", reason: "ioerror", reasonCode: 5 });
    expect(names.domainStateInfo(5, 3)).toEqual({ state: "shutoff", reason: "crashed", reasonCode: 3 });
    expect(names.domainStateInfo(1, 99)).toEqual({ state: "running", reason: "reason-99", reasonCode: 99 });
  });

  it("for events", () => {
    const ref = { name: "a", uuid: "0", id: 1 };
    expect(names.lifecycleEvent({ domain: ref, event: 5, detail: 1 })).toMatchObject({
      event: "stopped",
      detail: "destroyed",
    });
    expect(names.lifecycleEvent({ domain: ref, event: 77, detail: 1 }).event).toBe("unknown");
    expect(names.agentEvent({ domain: ref, state: 1, reason: 2 })).toMatchObject({
      state: "connected",
      reason: "channel",
    });
    const io = { domain: ref, path: "/p", device: "d", reason: "enospc" };
    expect(names.ioErrorEvent({ ...io, action: 1 }).action).toBe("pause");
  });

  it("for device capabilities", () => {
    expect(["system", "pci", "mdev", "nonsense"].map(names.deviceCapabilityFlag)).toEqual([
      1,
      2,
      1 << 14,
      undefined,
    ]);
  });
});

describe("arguments", () => {
  it("say what a change applies to", () => {
    expect(affectFlags({ live: true, config: true })).toBe(3);
    expect(() => affectFlags({})).toThrow("live, config or both");
  });

  it("turn host CPUs into bits", () => {
    expect(cpuMap([0, 3, 9])).toEqual(new Uint8Array([0b1001, 0b10]));
    expect(() => cpuMap([-1])).toThrow("is not the number of a host CPU");
    expect(() => cpuMap([1.5])).toThrow("is not the number of a host CPU");
  });

  it("find the name in a definition", () => {
    expect(nameInXml("domain", "<domain><name>n1</name></domain>")).toBe("domain n1");
    expect(nameInXml("domain", "<domain/>")).toBe("a new domain");
  });
});
