import { attribute, childrenOf, element, parseXml, renderXmlLine, type XmlElement } from "../xml/index.ts";
import { declaredNamespace, localName } from "./namespace.ts";

/** Namespace of the element that holds a machine. It stands beside the mark of the owner and apart from it. */
export const holdNamespace = "https://hyperlab.dev/xmlns/libvirt/hold/1";
/** Key (prefix) of that namespace for libvirt's metadata functions. */
export const holdKey = "hyperlab-hold";
const holdName = "hold";

/** Somebody wants a machine on or off for a time, whatever its definition says. */
export interface Hold {
  /** What the machine is to be until the hold is taken away. */
  readonly power: "off" | "running";
  /** Who wants it. */
  readonly by: string;
  /** Since when: ISO 8601, UTC. */
  readonly since: string;
  /** Why, in one line for people. */
  readonly reason: string;
  /** `manual`: one machine, by hand; `evacuation`: its host was emptied, and the machine ran before. */
  readonly kind: "manual" | "evacuation";
  /** The machine starts with its host and for the time of the hold does not: to be switched on again afterwards. */
  readonly autostart?: boolean;
  /** The hold that this one stands in for, to be put back afterwards. */
  readonly replaced?: Hold;
}

/** The hold as an element for `<metadata>` of a definition. */
export function holdElement(hold: Hold): XmlElement {
  return holdNode(hold, `${holdKey}:`, { [`xmlns:${holdKey}`]: holdNamespace });
}

/** The text for libvirt's metadata functions, which add the namespace (`holdNamespace`, `holdKey`) themselves. */
export function renderHold(hold: Hold): string {
  return renderXmlLine(holdNode(hold, "", {}));
}

function holdNode(hold: Hold, prefix: string, namespace: Record<string, string>): XmlElement {
  return element(
    `${prefix}${holdName}`,
    {
      ...namespace,
      power: hold.power,
      by: oneLine(hold.by),
      since: hold.since,
      reason: oneLine(hold.reason),
      kind: hold.kind,
      autostart: hold.autostart === true ? true : undefined,
    },
    hold.replaced === undefined ? [] : [holdNode(hold.replaced, prefix, {})],
  );
}

/** What a person typed as one line that XML can keep: it forbids most control characters, and people type them. */
export const oneLine = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFFFE\uFFFF]+/gu, " ").trim();

/**
 * The hold from the text that libvirt's metadata functions give for `holdNamespace`, or from an element of a definition.
 * Undefined for one that lacks a part: nothing is held on a guess.
 */
export function parseHold(xml: string): Hold | undefined {
  const node = parseXml(xml);
  const declared = declaredNamespace(node);
  return declared === undefined || declared === holdNamespace ? readHold(node) : undefined;
}

/** The hold among the children of a domain's `<metadata>` element. */
export function findHold(metadata: XmlElement | undefined): Hold | undefined {
  const found = metadata?.children.find((node) => declaredNamespace(node) === holdNamespace);
  return found === undefined ? undefined : readHold(found);
}

function readHold(node: XmlElement): Hold | undefined {
  const [power, by, since] = [attribute(node, "power"), attribute(node, "by"), attribute(node, "since")];
  const [reason, kind] = [attribute(node, "reason"), attribute(node, "kind")];
  const known = (power === "off" || power === "running") && (kind === "manual" || kind === "evacuation");
  if (localName(node) !== holdName || !known || by === undefined || reason === undefined) return undefined;
  if (since === undefined || Number.isNaN(Date.parse(since))) return undefined;
  const inner = childrenOf(node, node.name)[0];
  const replaced = inner === undefined ? undefined : readHold(inner);
  return {
    power,
    by,
    since,
    reason,
    kind,
    ...(attribute(node, "autostart") === "yes" ? { autostart: true } : {}),
    ...(replaced === undefined ? {} : { replaced }),
  };
}
