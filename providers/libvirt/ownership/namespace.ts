import { attribute, type XmlElement } from "../xml/index.ts";

/** Name of an element without its prefix. */
export const localName = ({ name }: XmlElement): string => name.slice(name.indexOf(":") + 1);

/** Namespace that an element declares for its own prefix, or for itself where it has none; undefined where it does not. */
export function declaredNamespace(node: XmlElement): string | undefined {
  const colon = node.name.indexOf(":");
  return attribute(node, colon < 0 ? "xmlns" : `xmlns:${node.name.slice(0, colon)}`);
}
