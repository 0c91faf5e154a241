import { findMark, type Mark, markElement, markNamespace, markPrefix } from "../../ownership/index.ts";
import { attribute, child, element, textAt, type XmlElement } from "../../xml/index.ts";

/**
 * What is still to be done after a step that may have been cut off. Kept on the host, beside the mark, because a killed
 * run leaves no other trace. `boot`: a new root disk has not proved itself; `ready`: the machine was started and has not
 * said that it is ready.
 */
export type Pending = "boot" | "ready";

/** The mark of a domain: whose it is, and what the XML itself cannot say. */
export interface DomainMark extends Mark {
  readonly pending?: Pending;
  /** Definition to go back to while a new root disk has not proved itself. */
  readonly previous?: string;
  /** What the machine was last restarted for. */
  readonly restartTrigger?: string;
  /** How long the first boot of its root disk took, from start to ready; absent where that was not measured. */
  readonly bootSeconds?: number;
}

const detailsName = "domain";

/** The metadata element: in a definition with its namespace, for libvirt's metadata functions without. */
export function domainMarkElement(mark: DomainMark, form: "definition" | "function"): XmlElement {
  const owned = markElement(mark);
  const previous = mark.previous === undefined ? undefined : element(prefixed("previous"), {}, mark.previous);
  const details = element(
    prefixed(detailsName),
    { pending: mark.pending, restartTrigger: mark.restartTrigger, bootSeconds: mark.bootSeconds },
    [previous],
  );
  const idle = details.attributes.size === 0 && previous === undefined;
  const whole = idle ? owned : { ...owned, children: [...owned.children, details] };
  return form === "definition" ? whole : withoutNamespace(whole);
}

const prefixed = (name: string) => `${markPrefix}:${name}`;

function withoutNamespace(node: XmlElement): XmlElement {
  return {
    ...node,
    name: node.name.replace(/^.*:/, ""),
    attributes: new Map([...node.attributes].filter(([name]) => !name.startsWith("xmlns"))),
    children: node.children.map(withoutNamespace),
  };
}

/** The mark of a domain from its parsed XML; undefined for a domain that is not provably made by hyperlab. */
export function domainMarkOf(domain: XmlElement): DomainMark | undefined {
  const metadata = child(domain, "metadata");
  const mark = findMark(metadata);
  if (mark === undefined) return undefined;
  const details = detailsOf(metadata);
  const pending = attribute(details, "pending");
  const previous = textAt(details, prefixed("previous"));
  const restartTrigger = attribute(details, "restartTrigger");
  const bootSeconds = attribute(details, "bootSeconds");
  return {
    ...mark,
    ...(pending === "boot" || pending === "ready" ? { pending } : {}),
    ...(previous === undefined ? {} : { previous }),
    ...(restartTrigger === undefined ? {} : { restartTrigger }),
    ...(bootSeconds === undefined || !/^\d{1,9}$/.test(bootSeconds)
      ? {}
      : { bootSeconds: Number(bootSeconds) }),
  };
}

function detailsOf(metadata: XmlElement | undefined): XmlElement | undefined {
  const owned = metadata?.children.find((node) => attribute(node, `xmlns:${markPrefix}`) === markNamespace);
  return child(owned, prefixed(detailsName));
}
