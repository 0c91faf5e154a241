import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  at,
  attribute,
  childrenOf,
  element,
  parseXml,
  renderXml,
  renderXmlLine,
  type XmlElement,
  XmlParseError,
  XmlRenderError,
} from "../../../providers/libvirt/xml/index.ts";

const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}(:[a-z][a-z0-9]{0,4})?$/);
const text = fc
  .string({ unit: "binary", maxLength: 20 })
  .map((value) => value.replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, ""));

const tree: fc.Arbitrary<XmlElement> = fc.letrec<{ node: XmlElement }>((tie) => ({
  node: fc
    .tuple(
      name,
      fc.dictionary(name, text, { maxKeys: 4 }),
      fc.oneof({ maxDepth: 4 }, text, fc.array(tie("node"), { maxLength: 4 })),
    )
    .map(([tag, attributes, content]) => element(tag, attributes, content)),
})).node;

describe("XML", () => {
  it("comes back from its own text", () => {
    fc.assert(
      fc.property(tree, (root) => {
        expect(parseXml(renderXmlLine(root))).toEqual(root);
        expect(parseXml(renderXml(root))).toEqual(root);
      }),
    );
  });

  it("is rendered with escapes, switches as yes and no, and without empties", () => {
    const root = element("a", { x: '1<2 & "3"', on: true, off: false, none: undefined }, [
      element("b", {}, "x > y"),
      undefined,
      false,
      element("c"),
    ]);
    expect(renderXml(root)).toBe(
      '<a x="1&lt;2 &amp; &quot;3&quot;" on="yes" off="no">\n  <b>x &gt; y</b>\n  <c/>\n</a>\n',
    );
  });

  it("refuses what XML cannot carry, naming the place", () => {
    expect(() => renderXml(element("title", {}, "bell \u0007"))).toThrow(
      "title holds the character U+0007, which XML cannot carry; remove it",
    );
    expect(() => renderXml(element("a b"))).toThrow(XmlRenderError);
    expect(() => renderXml(element("a", { lone: "\ud800" }))).toThrow("U+D800");
  });

  it("reads comments, character data, and references by number", () => {
    const root = parseXml(
      "<?xml version='1.0'?><!-- c --><a k='&#10;&#x41;'><b><![CDATA[<&amp;]]></b>\n <b>&lt;</b></a>",
    );
    expect(attribute(root, "k")).toBe("\nA");
    expect(childrenOf(root, "b").map((node) => node.text)).toEqual(["<&amp;", "<"]);
    expect(at(root, "b", "none")).toBeUndefined();
  });

  it.each([
    ['<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type"],
    ["<!doctype a><a/>", "document type"],
    ["<a>&unknown;</a>", "&unknown;"],
    ["<a>&constructor;</a>", "&constructor;"],
    ["<a>&#0;</a>", "&#0;"],
    ["<a>&#xD800;</a>", "&#xD800;"],
    ["<a>&#x110000;</a>", "&#x110000;"],
    ["<a>R&D</a>", "not well-formed"],
    ["<a/><b/>", "root"],
    ["<a><b></a>", "not well-formed"],
    ["", "not well-formed"],
    ["text", "not well-formed"],
  ])("refuses %s", (document, reason) => {
    expect(() => parseXml(document)).toThrow(XmlParseError);
    expect(() => parseXml(document)).toThrow(reason);
  });

  it("answers any text with an element or its own error", () => {
    const pieces = fc.constantFrom(
      "<",
      ">",
      "/",
      "a",
      "=",
      '"',
      "'",
      "&",
      ";",
      "<![CDATA[",
      "]]>",
      "<!--",
      "-->",
      " ",
      "<?",
      "?>",
      "__proto__",
      "\n",
    );
    const any = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(pieces, { maxLength: 30 }).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(any, (document) => {
        try {
          expect(typeof parseXml(document).name).toBe("string");
        } catch (error) {
          expect(error).toBeInstanceOf(XmlParseError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("does not change objects for everybody", () => {
    expect(() => parseXml('<a><__proto__ polluted="1"/></a>')).not.toThrow(TypeError);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });
});
