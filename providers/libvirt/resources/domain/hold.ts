import { attribute, child, element, renderXmlLine, type XmlElement } from "../../xml/index.ts";

/** Namespace of a hold in a domain's metadata: an element of its own, so that writing one never touches the other. */
export const holdNamespace = "https://hyperlab.dev/xmlns/libvirt/hold/1";
/** Prefix used for the namespace. */
export const holdPrefix = "hyperlab-hold";

/**
 * Somebody stopped a machine for a time. While this is in the domain's metadata its power state is theirs: no update
 * starts or stops it.
 */
export interface Hold {
  /** ISO time. */
  readonly since: string;
  /** Who, as USER@HOST. */
  readonly by: string;
  /** Why; empty where nobody said. */
  readonly reason: string;
}

/** The element for a definition. */
export function holdElement(hold: Hold): XmlElement {
  return element(`${holdPrefix}:hold`, { [`xmlns:${holdPrefix}`]: holdNamespace, ...attributesOf(hold) });
}

/** The element for libvirt's metadata functions, which add the namespace. */
export const holdMetadata = (hold: Hold): string => renderXmlLine(element("hold", attributesOf(hold)));

const attributesOf = ({ since, by, reason }: Hold) => ({ power: "off", since, by, reason });

/** The hold in a domain's parsed XML; undefined without one. */
export function holdOf(domain: XmlElement): Hold | undefined {
  const found = child(domain, "metadata")?.children.find(isHold);
  if (found === undefined) return undefined;
  return {
    since: attribute(found, "since") ?? "",
    by: attribute(found, "by") ?? "",
    reason: attribute(found, "reason") ?? "",
  };
}

function isHold(node: XmlElement): boolean {
  const [prefix, local] = node.name.includes(":") ? node.name.split(":") : [undefined, node.name];
  const declaration = prefix === undefined ? "xmlns" : `xmlns:${prefix}`;
  return local === "hold" && attribute(node, declaration) === holdNamespace;
}

/** `held off since TIME by WHO: WHY`. */
export function holdText({ since, by, reason }: Hold): string {
  return `held off since ${since} by ${by}${reason === "" ? "" : `: ${reason}`}`;
}
