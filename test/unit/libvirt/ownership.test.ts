import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  findMark,
  inputHash,
  isOurs,
  judgeForCreate,
  type Mark,
  markElement,
  newGeneration,
  ownedUuid,
  parseMark,
  uuidV5,
} from "../../../providers/libvirt/ownership/index.ts";
import { element, parseXml, renderXmlLine } from "../../../providers/libvirt/xml/index.ts";

const owner = "0f6c1f0e-6d0a-4f0c-9f53-0a3c5f5b7e11";
const urn = "urn:pulumi:dev::hyperlab::libvirt:index:Network::lab";
const mark: Mark = { owner, urn, inputHash: "ab12", generation: "cd34" };

describe("UUIDs by name", () => {
  it("agree with the published example", () => {
    expect(uuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "python.org")).toBe(
      "886313e1-3b8a-5372-9b90-0c9aee199e5d",
    );
  });

  it("are stable, differ by owner and resource, and take any owner id", () => {
    expect(ownedUuid(owner, urn)).toBe(ownedUuid(owner, urn));
    expect(ownedUuid(owner, urn)).not.toBe(ownedUuid(owner, `${urn}2`));
    expect(ownedUuid("stack-one", urn)).not.toBe(ownedUuid("stack-two", urn));
    expect(ownedUuid("stack-one", urn)).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });
});

describe("the mark", () => {
  const marks = fc.record(
    {
      owner: fc.string(),
      urn: fc.string(),
      inputHash: fc.string(),
      generation: fc.string(),
      disks: fc.array(fc.record({ pool: fc.string(), volume: fc.string() }), { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: ["owner", "urn", "inputHash", "generation"] },
  );

  it("comes back from the metadata", () => {
    fc.assert(
      fc.property(marks, (value) => {
        expect(parseMark(renderXmlLine(markElement(value)))).toEqual(value);
        const metadata = element("metadata", {}, [
          element("other:thing", { "xmlns:other": "urn:x" }),
          markElement(value),
        ]);
        expect(findMark(parseXml(renderXmlLine(metadata)))).toEqual(value);
      }),
    );
  });

  it("is found under another prefix, and only in our namespace", () => {
    const xml = renderXmlLine(markElement({ ...mark, disks: [{ pool: "p", volume: "v" }] }));
    expect(parseMark(xml.replaceAll("hyperlab:", "x:").replace("xmlns:hyperlab", "xmlns:x"))?.disks).toEqual([
      { pool: "p", volume: "v" },
    ]);
    expect(parseMark(xml.replace("https://hyperlab.dev/xmlns/libvirt/1", "urn:other"))).toBeUndefined();
    expect(parseMark(xml.replace(" generation=", " x="))).toBeUndefined();
    expect(findMark(undefined)).toBeUndefined();
  });

  it("decides who may be adopted", () => {
    const wanted = { owner, urn, inputHash: "ab12" };
    expect(judgeForCreate(mark, wanted)).toEqual({ verdict: "adopt" });
    expect(judgeForCreate(undefined, wanted)).toMatchObject({
      verdict: "refuse",
      reason: "it was not made by hyperlab",
    });
    expect(judgeForCreate({ ...mark, owner: "x" }, wanted)).toMatchObject({
      reason: "it belongs to another stack",
    });
    expect(judgeForCreate({ ...mark, urn: "u2" }, wanted)).toMatchObject({
      reason: expect.stringContaining("u2"),
    });
    expect(judgeForCreate({ ...mark, inputHash: "x" }, wanted)).toMatchObject({ verdict: "refuse" });
  });

  it("decides who may be changed or deleted", () => {
    expect(isOurs(mark, { owner, generation: "cd34" })).toBe(true);
    expect(isOurs(mark, { owner, generation: "later" })).toBe(false);
    expect(isOurs(mark, { owner: "x", generation: "cd34" })).toBe(false);
    expect(isOurs(undefined, { owner, generation: "cd34" })).toBe(false);
  });

  it("has random generations and a hash that knows no order", () => {
    expect(newGeneration()).not.toBe(newGeneration());
    expect(inputHash({ a: 1, b: { c: [1, 2], d: undefined } })).toBe(inputHash({ b: { c: [1, 2] }, a: 1 }));
    expect(inputHash({ a: [1, 2] })).not.toBe(inputHash({ a: [2, 1] }));
  });
});
