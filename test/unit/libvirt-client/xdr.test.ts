import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maximumString, XdrError, XdrReader, XdrWriter } from "../../../providers/libvirt/client/xdr.ts";

function written(write: (writer: XdrWriter) => void): Buffer {
  const writer = new XdrWriter(4);
  write(writer);
  return Buffer.from(writer.bytes());
}

/** Writes, reads back, and expects that nothing is left over. */
function roundTrip<T>(write: (writer: XdrWriter) => void, read: (reader: XdrReader) => T): T {
  const bytes = written(write);
  expect(bytes.length % 4).toBe(0);
  const reader = new XdrReader(bytes);
  const value = read(reader);
  reader.end();
  return value;
}

const text = fc.string({ unit: "binary" }).filter((value) => !value.includes("\0"));

describe("round trips", () => {
  it("keeps integers", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.maxSafeNat(),
        fc.boolean(),
        (int, uint, hyper, uhyper, size, bool) => {
          const values = roundTrip(
            (writer) => {
              writer.int(int);
              writer.uint(uint);
              writer.hyper(hyper);
              writer.uhyper(uhyper);
              writer.size(size);
              writer.bool(bool);
            },
            (reader) => [
              reader.int(),
              reader.uint(),
              reader.hyper(),
              reader.uhyper(),
              reader.size(),
              reader.bool(),
            ],
          );
          expect(values).toEqual([int, uint, hyper, uhyper, size, bool]);
        },
      ),
    );
  });

  it("keeps text, bytes, lists and what is absent", () => {
    fc.assert(
      fc.property(
        text,
        fc.uint8Array(),
        fc.array(text),
        fc.option(text, { nil: undefined }),
        (a, b, c, d) => {
          const values = roundTrip(
            (writer) => {
              writer.string(a);
              writer.opaque(b, 1_000);
              writer.array(c, 1_000, (to, value) => to.string(value));
              writer.optional(d, (to, value) => to.string(value));
            },
            (reader) => [
              reader.string(),
              new Uint8Array(reader.opaque(1_000)),
              reader.array(1_000, (from) => from.string()),
              reader.optional((from) => from.string()),
            ],
          );
          expect(values).toEqual([a, b, c, d]);
        },
      ),
    );
  });
});

describe("the layout of RFC 4506", () => {
  it("is big-endian, counted and padded to four bytes", () => {
    const bytes = written((writer) => {
      writer.int(-2);
      writer.string("sillyprog");
      writer.hyper(-1n);
    });
    expect(bytes.toString("hex")).toBe(
      `fffffffe${"00000009"}${Buffer.from("sillyprog").toString("hex")}000000${"f".repeat(16)}`,
    );
  });
});

describe("writing refuses", () => {
  it.each<[string, (writer: XdrWriter) => void]>([
    ["2147483648 is not a signed 32-bit integer", (writer) => writer.int(2 ** 31)],
    ["1.5 is not a signed 32-bit integer", (writer) => writer.int(1.5)],
    ["NaN is not an unsigned 32-bit integer", (writer) => writer.uint(Number.NaN)],
    ["-1 is not an unsigned 32-bit integer", (writer) => writer.uint(-1)],
    ["is not a signed 64-bit integer", (writer) => writer.hyper(2n ** 63n)],
    ["is not an unsigned 64-bit integer", (writer) => writer.uhyper(-1n)],
    ["is not a size", (writer) => writer.size(2 ** 53)],
    ["text must not contain a NUL character", (writer) => writer.string("a\0b")],
    ["is longer than the 3 that libvirt accepts", (writer) => writer.string("four", 3)],
    ["2 entries are more than the 1", (writer) => writer.array([1, 2], 1, (to, value) => to.int(value))],
    ["5 bytes are more than the 4", (writer) => writer.opaque(new Uint8Array(5), 4)],
  ])("%s", (message, write) => {
    expect(() => written(write)).toThrow(message);
    expect(() => written(write)).toThrow(XdrError);
  });

  it("text longer than the protocol's limit, counted in bytes", () => {
    const long = "ü".repeat(maximumString / 2);
    expect(written((writer) => writer.string(long)).length).toBe(maximumString + 4);
    expect(() => written((writer) => writer.string(`${long}x`))).toThrow("is longer than");
  });
});

describe("reading refuses", () => {
  const reader = (hex: string) => new XdrReader(Buffer.from(hex.replaceAll(" ", ""), "hex"));

  it.each<[string, () => unknown]>([
    ["cut off: an integer needs 4 bytes, 3 are left", () => reader("000000").int()],
    ["cut off: 8 bytes needs 8 bytes, 4 are left", () => reader("00000008 61626364").string()],
    ["cut off: padding needs 3 bytes, 0 are left", () => reader("00000001 61").string()],
    ["padding must be zero", () => reader("00000001 61000001").string()],
    ["text of 4294967295 bytes is longer than the allowed 4194304", () => reader("ffffffff").string()],
    ["9 bytes are more than the allowed 8", () => reader("00000009").opaque(8)],
    ["a truth value must be 0 or 1, not 2", () => reader("00000002").bool()],
    ["a truth value must be 0 or 1, not 7", () => reader("00000007").optional((from) => from.int())],
    ["is too large for a size", () => reader("0020000000000000").size()],
    ["17 entries are more than the allowed 16", () => reader("00000011").array(16, (from) => from.int())],
    [
      "16 entries do not fit into the 4 bytes that are left",
      () => reader("00000010 00000000").array(16, (from) => from.int()),
    ],
    ["4 unexpected bytes at the end", () => reader("00000000").end()],
  ])("%s", (message, read) => {
    expect(read).toThrow(message);
    expect(read).toThrow(XdrError);
  });

  it("shows bytes that are not UTF-8 as replacement characters", () => {
    expect(reader("00000002 61ff0000").string()).toBe("a\ufffd");
  });
});
