/** An XML element. Text between child elements is not kept apart: libvirt never mixes text and elements. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

type AttributeValue = string | number | boolean | undefined;
type Child = XmlElement | undefined | false;

/**
 * Makes an element. Attributes that are undefined and children that are undefined or false are left out; booleans are
 * written as libvirt does, `yes` and `no`.
 */
export function element(
  name: string,
  attributes: Readonly<Record<string, AttributeValue>> = {},
  content: readonly Child[] | string | number = [],
): XmlElement {
  const written = Object.entries(attributes).flatMap(([key, value]): [string, string][] => {
    if (value === undefined) return [];
    return [[key, typeof value === "boolean" ? (value ? "yes" : "no") : String(value)]];
  });
  const isText = typeof content === "string" || typeof content === "number";
  return {
    name,
    attributes: new Map(written),
    children: isText ? [] : content.filter((child) => child !== undefined && child !== false),
    text: isText ? String(content) : "",
  };
}

/** The first child of that name. */
export function child(parent: XmlElement | undefined, name: string): XmlElement | undefined {
  return parent?.children.find((candidate) => candidate.name === name);
}

/** All children of that name. */
export function childrenOf(parent: XmlElement | undefined, name: string): readonly XmlElement[] {
  return parent?.children.filter((candidate) => candidate.name === name) ?? [];
}

/** The element at the end of a path of first children. */
export function at(parent: XmlElement | undefined, ...path: readonly string[]): XmlElement | undefined {
  return path.reduce<XmlElement | undefined>((node, name) => child(node, name), parent);
}

/** The attribute's value. */
export function attribute(node: XmlElement | undefined, name: string): string | undefined {
  return node?.attributes.get(name);
}

/** The text of the element at the end of a path, undefined where it is missing. */
export function textAt(parent: XmlElement | undefined, ...path: readonly string[]): string | undefined {
  return at(parent, ...path)?.text;
}
