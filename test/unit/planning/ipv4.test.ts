import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIpv4, formatSubnet, isHost, overlap, parseIpv4, parseSubnet } from "../../../planning/ipv4.ts";
import { computeName, fullNodeName, macOf } from "../../../planning/names.ts";

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const prefix = fc.integer({ min: 0, max: 32 });

describe("IPv4", () => {
  it("addresses are read as they are written", () => {
    fc.assert(fc.property(address, (value) => parseIpv4(formatIpv4(value)) === value));
    expect(formatIpv4(0xffffffff)).toBe("255.255.255.255");
  });

  it.each(["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.-4", "1.2.3.4 ", "a.b.c.d", "1..2.3"])(
    "%j is no address",
    (text) => {
      expect(parseIpv4(text)).toBeUndefined();
    },
  );

  it("subnets hold the address that they were written with", () => {
    fc.assert(
      fc.property(address, prefix, (value, bits) => {
        const subnet = parseSubnet(`${formatIpv4(value)}/${bits}`);
        if (subnet === undefined) throw new Error("no subnet");
        expect(subnet.network).toBeLessThanOrEqual(value);
        expect(subnet.broadcast).toBeGreaterThanOrEqual(value);
        expect(subnet.broadcast - subnet.network + 1).toBe(2 ** (32 - bits));
        expect(parseSubnet(formatSubnet(subnet))).toEqual(subnet);
        expect(isHost(subnet, subnet.network)).toBe(false);
        expect(isHost(subnet, subnet.broadcast)).toBe(false);
      }),
    );
    for (const text of ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "/8", "10.0.0.0/x"]) {
      expect(parseSubnet(text)).toBeUndefined();
    }
  });

  it("subnets overlap exactly where one holds the other", () => {
    fc.assert(
      fc.property(address, prefix, address, prefix, (a, aBits, b, bBits) => {
        const one = parseSubnet(`${formatIpv4(a)}/${aBits}`);
        const two = parseSubnet(`${formatIpv4(b)}/${bBits}`);
        if (one === undefined || two === undefined) throw new Error("no subnet");
        const wider = Math.min(aBits, bBits);
        const same =
          parseSubnet(`${formatIpv4(a)}/${wider}`)?.network ===
          parseSubnet(`${formatIpv4(b)}/${wider}`)?.network;
        expect(overlap(one, two)).toBe(same);
        expect(overlap(two, one)).toBe(same);
      }),
    );
  });
});

describe("names", () => {
  it("of compute nodes have two digits at least and never change their width", () => {
    expect([1, 9, 10, 99, 100, 12345].map((number) => computeName("lab", number))).toEqual([
      "lab-compute-01",
      "lab-compute-09",
      "lab-compute-10",
      "lab-compute-99",
      "lab-compute-100",
      "lab-compute-12345",
    ]);
  });

  it("are understood in every form that people write", () => {
    for (const written of [
      "lab-compute-01",
      "compute-01",
      "compute-1",
      "compute01",
      "compute1",
      "lab-compute-1",
    ]) {
      expect(fullNodeName("lab", written)).toBe("lab-compute-01");
    }
    for (const written of ["controller", "lab-controller"])
      expect(fullNodeName("lab", written)).toBe("lab-controller");
    for (const written of ["", "compute", "compute-0", "node-1", "other-controller", "compute-1x"]) {
      expect(fullNodeName("lab", written)).toBeUndefined();
    }
  });

  it("give MAC addresses that are local and unicast", () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        const mac = macOf(name);
        expect(mac).toMatch(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
        expect(Number.parseInt(mac.slice(0, 2), 16) & 0b11).toBe(0b10);
      }),
    );
  });
});
