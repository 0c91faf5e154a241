import { createHash, randomBytes } from "node:crypto";
import { attribute, childrenOf, element, parseXml, type XmlElement } from "../xml/index.ts";
import { canonicalJson } from "./canonical.ts";
import { declaredNamespace, localName } from "./namespace.ts";

/** Namespace of our metadata element in domains and networks. */
export const markNamespace = "https://hyperlab.dev/xmlns/libvirt/1";
/** Prefix used for the namespace. */
export const markPrefix = "hyperlab";
const markName = `${markPrefix}:owned`;

/** A volume that belongs to the marked object and goes with it. */
export interface MarkedDisk {
  readonly pool: string;
  readonly volume: string;
}

/** What our metadata element says about a domain or network. */
export interface Mark {
  /** Owner id of the stack. */
  readonly owner: string;
  /** URN of the resource. */
  readonly urn: string;
  /** `inputHash` of the inputs that the object was made from or last changed to. */
  readonly inputHash: string;
  /** Random id of this very object. */
  readonly generation: string;
  /** Volumes that are deleted with the object. */
  readonly disks?: readonly MarkedDisk[];
}

/** The mark as an element for `<metadata>`. */
export function markElement(mark: Mark): XmlElement {
  const disks = (mark.disks ?? []).map((disk) =>
    element(`${markPrefix}:disk`, { pool: disk.pool, volume: disk.volume }),
  );
  return element(
    markName,
    {
      [`xmlns:${markPrefix}`]: markNamespace,
      owner: mark.owner,
      urn: mark.urn,
      inputHash: mark.inputHash,
      generation: mark.generation,
    },
    disks,
  );
}

/**
 * The mark among the children of an object's `<metadata>` element. Undefined without one, and for one that lacks a
 * part: such an object is not provably ours.
 */
export function findMark(metadata: XmlElement | undefined): Mark | undefined {
  const found = metadata?.children.find(isMark);
  return found === undefined ? undefined : readMark(found);
}

/** The mark from the text of the metadata element itself, as libvirt's metadata functions give it. */
export function parseMark(text: string): Mark | undefined {
  const root = parseXml(text);
  return isMark(root) ? readMark(root) : undefined;
}

const isMark = (node: XmlElement): boolean =>
  localName(node) === "owned" && declaredNamespace(node) === markNamespace;

function readMark(node: XmlElement): Mark | undefined {
  const owner = attribute(node, "owner");
  const urn = attribute(node, "urn");
  const inputHash = attribute(node, "inputHash");
  const generation = attribute(node, "generation");
  if (owner === undefined || urn === undefined || inputHash === undefined || generation === undefined) {
    return undefined;
  }
  const prefix = node.name.includes(":") ? `${node.name.split(":")[0]}:` : "";
  const disks = childrenOf(node, `${prefix}disk`).flatMap((disk) => {
    const pool = attribute(disk, "pool");
    const volume = attribute(disk, "volume");
    return pool === undefined || volume === undefined ? [] : [{ pool, volume }];
  });
  return { owner, urn, inputHash, generation, ...(disks.length > 0 ? { disks } : {}) };
}

/** A generation for a new object: 16 random hex digits. */
export function newGeneration(): string {
  return randomBytes(8).toString("hex");
}

/** Hash of inputs: independent of the order of members and of members that are absent. 32 hex digits. */
export function inputHash(inputs: object): string {
  return createHash("sha256").update(canonicalJson(inputs)).digest("hex").slice(0, 32);
}
