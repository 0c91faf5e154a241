import { XMLParser, XMLValidator } from "fast-xml-parser";
import type { XmlElement } from "./element.ts";

/** Text that is not XML as libvirt writes it. */
export class XmlParseError extends Error {
  override readonly name = "XmlParseError";
}

const attributesKey = ":@";
const textKey = "#text";
const cdataKey = "#cdata";
const commentKey = "#comment";

// The parser expands nothing: references are opened below, where only the five names and character numbers are known.
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: "",
  textNodeName: textKey,
  cdataPropName: cdataKey,
  commentPropName: commentKey,
  processEntities: false,
  htmlEntities: false,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  ignorePiTags: true,
  ignoreDeclaration: true,
  jPath: false,
});

/**
 * Parses one document. Document types and entities of their own are refused, whatever they hold.
 * @throws XmlParseError with the reason, never with the document.
 */
export function parseXml(text: string): XmlElement {
  if (/<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)/i.test(text)) {
    throw new XmlParseError(
      "the XML declares a document type or entities, which libvirt never does; refused",
    );
  }
  const verdict = XMLValidator.validate(text, { allowBooleanAttributes: false });
  if (verdict !== true)
    throw new XmlParseError(`not well-formed XML: ${verdict.err.msg}, line ${verdict.err.line}`);
  const roots = convertAll(parseOrdered(text)).children;
  const [root] = roots;
  if (root === undefined || roots.length > 1)
    throw new XmlParseError("the XML has not exactly one root element");
  return root;
}

function parseOrdered(text: string): unknown {
  try {
    return parser.parse(text);
  } catch (error) {
    throw new XmlParseError(
      `not well-formed XML: ${error instanceof Error ? error.message : "unknown reason"}`,
    );
  }
}

/** One item of the parser's ordered result: its attributes, and one member that is the element or its text. */
function convertAll(items: unknown): { children: XmlElement[]; text: string } {
  const children: XmlElement[] = [];
  let text = "";
  if (!Array.isArray(items)) return { children, text };
  for (const item of items) {
    if (!isRecord(item)) continue;
    for (const [name, content] of Object.entries(item)) {
      if (name === attributesKey || name === commentKey) continue;
      if (name === textKey) text += decode(String(content));
      else if (name === cdataKey) text += cdataText(content);
      else children.push(convert(name, content, item[attributesKey]));
    }
  }
  return { children, text };
}

function convert(name: string, content: unknown, attributes: unknown): XmlElement {
  const entries = isRecord(attributes) ? Object.entries(attributes) : [];
  const { children, text } = convertAll(content);
  return {
    name,
    attributes: new Map(entries.map(([key, value]) => [key, decode(String(value))])),
    children,
    text: children.length > 0 ? text.trim() : text,
  };
}

function cdataText(content: unknown): string {
  if (!Array.isArray(content)) return "";
  return content.map((item) => (isRecord(item) ? String(item[textKey] ?? "") : "")).join("");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decode(text: string): string {
  // Nearly all values hold no reference.
  if (!text.includes("&")) return text;
  return text.replace(/&([^;&<\s]{0,32};?)/g, (whole, body: string) => {
    const name = body.endsWith(";") ? body.slice(0, -1) : undefined;
    const character = name === undefined ? undefined : (namedCharacter(name) ?? numbered(name));
    if (character === undefined)
      throw new XmlParseError(`the XML holds the reference ${whole}, which is not known`);
    return character;
  });
}

function namedCharacter(name: string): string | undefined {
  return Object.hasOwn(named, name) ? named[name] : undefined;
}

function numbered(name: string): string | undefined {
  const match = /^#(?:x([0-9a-f]{1,6})|([0-9]{1,7}))$/i.exec(name);
  if (match === null) return undefined;
  const code = match[1] === undefined ? Number.parseInt(match[2] ?? "", 10) : Number.parseInt(match[1], 16);
  const valid = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return valid ? String.fromCodePoint(code) : undefined;
}
