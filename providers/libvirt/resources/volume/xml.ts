import { at, attribute, element, parseXml, renderXml, textAt } from "../../xml/index.ts";

/** A volume to be made. */
export interface NewVolume {
  readonly name: string;
  readonly format: "qcow2" | "raw";
  readonly capacityBytes: number;
}

/** The volume as libvirt's XML: sparse, and readable by root and the hypervisor only. */
export function renderVolume(volume: NewVolume): string {
  return renderXml(
    element("volume", {}, [
      element("name", {}, volume.name),
      element("capacity", { unit: "bytes" }, volume.capacityBytes),
      element("allocation", { unit: "bytes" }, 0),
      element("target", {}, [
        element("format", { type: volume.format }),
        element("permissions", {}, [element("mode", {}, "0600")]),
        volume.format === "qcow2" && element("compat", {}, "1.1"),
      ]),
    ]),
  );
}

/** A volume as the host has it. */
export interface VolumeFacts {
  readonly name: string;
  readonly path: string;
  readonly format: string;
  readonly capacityBytes: number;
  /** Path of the file that this one is an overlay of. */
  readonly backing: string | undefined;
}

/** Reads libvirt's normalised XML. */
export function parseVolume(xml: string): VolumeFacts {
  const root = parseXml(xml);
  const backing = textAt(root, "backingStore", "path");
  return {
    name: textAt(root, "name") ?? "",
    path: textAt(root, "target", "path") ?? "",
    format: attribute(at(root, "target", "format"), "type") ?? "raw",
    capacityBytes: Number(textAt(root, "capacity") ?? 0),
    backing: backing === "" ? undefined : backing,
  };
}

const mebibyte = 1024 * 1024;

/** Bytes as MiB, rounded up: the smallest declared size that is not a shrink. */
export const toMiB = (bytes: number): number => Math.ceil(bytes / mebibyte);

/** MiB as bytes. */
export const fromMiB = (size: number): number => size * mebibyte;
