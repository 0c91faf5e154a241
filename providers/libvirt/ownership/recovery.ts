import { element, renderXmlLine, type XmlElement } from "../xml/index.ts";
import { declaredNamespace, localName } from "./namespace.ts";

/** Namespace of the element that holds a machine's recovery record. It stands beside the mark of the owner and apart from it. */
export const recoveryNamespace = "https://hyperlab.dev/xmlns/libvirt/recovery/1";
/** Key (prefix) of that namespace for libvirt's metadata functions. */
export const recoveryKey = "hyperlab-recovery";
const recordName = "record";

/** The record as an element for `<metadata>` of a definition. */
export function recoveryElement(record: string): XmlElement {
  return element(`${recoveryKey}:${recordName}`, { [`xmlns:${recoveryKey}`]: recoveryNamespace }, record);
}

/** The text for libvirt's metadata functions, which add the namespace (`recoveryNamespace`, `recoveryKey`) themselves. */
export const renderRecovery = (record: string): string => renderXmlLine(element(recordName, {}, record));

/** The record among the children of a domain's `<metadata>` element; undefined without one. */
export function findRecovery(metadata: XmlElement | undefined): string | undefined {
  const found = metadata?.children.find(
    (node) => localName(node) === recordName && declaredNamespace(node) === recoveryNamespace,
  );
  return found?.text.trim() || undefined;
}
