import type { XmlElement } from "./element.ts";

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};

const namePattern = /^[A-Za-z_][A-Za-z0-9_.-]*(:[A-Za-z_][A-Za-z0-9_.-]*)?$/;
const forbidden = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;

/** A value that XML cannot carry. */
export class XmlRenderError extends Error {
  override readonly name = "XmlRenderError";
}

/** The element as text: the same element always gives the same text, two spaces of indent. */
export function renderXml(root: XmlElement): string {
  return `${lines(root, "").join("\n")}\n`;
}

/** As `renderXml`, on one line. */
export function renderXmlLine(root: XmlElement): string {
  const content =
    root.children.length > 0 ? root.children.map(renderXmlLine).join("") : escapeText(root.text, root.name);
  return content === "" ? `<${opening(root)}/>` : `<${opening(root)}>${content}</${root.name}>`;
}

function lines(node: XmlElement, indent: string): string[] {
  if (node.children.length === 0) return [indent + renderXmlLine(node)];
  const inner = node.children.flatMap((childNode) => lines(childNode, `${indent}  `));
  return [`${indent}<${opening(node)}>`, ...inner, `${indent}</${node.name}>`];
}

function opening(node: XmlElement): string {
  const attributes = [...node.attributes].map(
    ([name, value]) => ` ${checkedName(name)}="${escaped(value, name, /[&<>"'\t\n\r]/g)}"`,
  );
  return checkedName(node.name) + attributes.join("");
}

const escapeText = (text: string, where: string) => escaped(text, where, /[&<>\r]/g);

function escaped(text: string, where: string, pattern: RegExp): string {
  const bad = forbidden.exec(text);
  if (bad !== null) {
    const code = (bad[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    throw new XmlRenderError(`${where} holds the character U+${code}, which XML cannot carry; remove it`);
  }
  return text.replace(pattern, (character) => escapes[character] ?? character);
}

function checkedName(name: string): string {
  if (!namePattern.test(name)) throw new XmlRenderError(`${JSON.stringify(name)} is not a name of XML`);
  return name;
}
