import { attribute, element, parseXml, renderXml, textAt } from "../../xml/index.ts";
import type { PoolInputs } from "../inputs.ts";

/** The pool as libvirt's XML. */
export function renderPool(inputs: PoolInputs, uuid: string): string {
  return renderXml(
    element("pool", { type: inputs.type ?? "dir" }, [
      element("name", {}, inputs.name),
      element("uuid", {}, uuid),
      element("target", {}, [element("path", {}, inputs.path)]),
    ]),
  );
}

/** A pool as the host has it. */
export interface PoolFacts {
  readonly type: string;
  readonly name: string;
  readonly uuid: string;
  readonly path: string;
}

/** Reads libvirt's normalised XML. */
export function parsePool(xml: string): PoolFacts {
  const root = parseXml(xml);
  return {
    type: attribute(root, "type") ?? "",
    name: textAt(root, "name") ?? "",
    uuid: textAt(root, "uuid") ?? "",
    path: textAt(root, "target", "path") ?? "",
  };
}
