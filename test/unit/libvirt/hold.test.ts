import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  findHold,
  type Hold,
  holdElement,
  holdKey,
  holdNamespace,
  markElement,
  parseHold,
  renderHold,
} from "../../../providers/libvirt/ownership/index.ts";
import { element, parseXml, renderXmlLine } from "../../../providers/libvirt/xml/index.ts";

const hold: Hold = {
  power: "off",
  by: "ada@host",
  since: "2026-01-02T03:04:05.000Z",
  reason: "new memory modules",
  kind: "evacuation",
};

/** As the element keeps it: one line without characters that XML forbids. */
const word = fc
  .string({ unit: "grapheme" })
  .map((text) => text.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFFFE\uFFFF]/gu, "").trim());
const plain = fc.record({
  power: fc.constantFrom("off" as const, "running" as const),
  by: word,
  since: fc
    .date({ noInvalidDate: true, min: new Date(0), max: new Date("2200-01-01") })
    .map((date) => date.toISOString()),
  reason: word,
  kind: fc.constantFrom("manual" as const, "evacuation" as const),
});
const holds: fc.Arbitrary<Hold> = fc
  .tuple(plain, fc.boolean(), fc.option(plain, { nil: undefined }))
  .map(([outer, autostart, replaced]) => ({
    ...outer,
    ...(autostart ? { autostart } : {}),
    ...(replaced === undefined ? {} : { replaced }),
  }));

describe("a hold", () => {
  it("is read as it was written, through libvirt's functions and in a definition", () => {
    fc.assert(
      fc.property(holds, (written) => {
        expect(parseHold(renderHold(written))).toEqual(written);
        expect(parseHold(renderXmlLine(holdElement(written)))).toEqual(written);
        const metadata = element("metadata", {}, [element("other", {}), holdElement(written)]);
        expect(findHold(parseXml(renderXmlLine(metadata)))).toEqual(written);
      }),
    );
  });

  it("is read whatever prefix its namespace has", () => {
    const attributes = `power="off" by="a" since="${hold.since}" reason="r" kind="manual"`;
    for (const text of [
      `<hold xmlns="${holdNamespace}" ${attributes}/>`,
      `<x:hold xmlns:x="${holdNamespace}" ${attributes}/>`,
      `<${holdKey}:hold xmlns:${holdKey}="${holdNamespace}" ${attributes}/>`,
    ]) {
      expect(parseHold(text)?.kind).toBe("manual");
      expect(findHold(parseXml(`<metadata>${text}</metadata>`))?.kind).toBe("manual");
    }
  });

  it("keeps what a person typed on one line", () => {
    expect(parseHold(renderHold({ ...hold, reason: "two\nlines\u0000<&>\"'" }))?.reason).toBe(
      "two lines <&>\"'",
    );
  });

  it("is nothing where a part is missing or unknown", () => {
    const text = renderHold(hold);
    for (const part of ["power", "by", "since", "reason", "kind"]) {
      expect(parseHold(text.replace(new RegExp(` ${part}="[^"]*"`), "")), part).toBeUndefined();
    }
    expect(parseHold(text.replace('power="off"', 'power="asleep"'))).toBeUndefined();
    expect(parseHold(text.replace(hold.since, "yesterday"))).toBeUndefined();
  });

  it("is not taken for the mark of the owner, nor a mark for a hold", () => {
    const mark = markElement({ owner: "o", urn: "u", inputHash: "i", generation: "g" });
    expect(findHold(element("metadata", {}, [mark]))).toBeUndefined();
    expect(parseHold(renderXmlLine(mark))).toBeUndefined();
  });
});
