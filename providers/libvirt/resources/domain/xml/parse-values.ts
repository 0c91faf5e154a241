import { attribute, type XmlElement } from "../../../xml/index.ts";

/** XML that is not a domain as this provider can manage it; the text says which part and why. */
export class DomainXmlError extends Error {
  override readonly name = "DomainXmlError";
}

/** A part of a domain that our inputs cannot say. */
export interface Unmanaged {
  /** For people, for example `sound` or `disk sdb (bus scsi)`. */
  readonly what: string;
  /** The guest depends on it: data, networks, boot. */
  readonly critical: boolean;
}

/** The value if it is one of those, else what `otherwise` gives. */
export function oneOf<const T extends string>(
  text: string | undefined,
  values: readonly T[],
  otherwise: () => T,
): T {
  return values.find((value) => value === text) ?? otherwise();
}

/** @throws DomainXmlError */
export function wholeNumber(text: string, what: string): number {
  const trimmed = text.trim();
  const value = Number(trimmed);
  if (!/^\d{1,15}$/.test(trimmed) || !Number.isSafeInteger(value)) {
    throw new DomainXmlError(
      `the domain's ${what} is ${JSON.stringify(text.slice(0, 40))}, not a whole number`,
    );
  }
  return value;
}

/** Bytes per unit as libvirt knows them; without a unit KiB. */
const units: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  KB: 1e3,
  k: 2 ** 10,
  KiB: 2 ** 10,
  MB: 1e6,
  M: 2 ** 20,
  MiB: 2 ** 20,
  GB: 1e9,
  G: 2 ** 30,
  GiB: 2 ** 30,
  TB: 1e12,
  T: 2 ** 40,
  TiB: 2 ** 40,
};

/**
 * Memory in whole MiB, rounded down, from the element's text or one of its attributes.
 * @throws DomainXmlError
 */
export function memoryMiB(of: XmlElement | undefined, what: string, from?: string): number {
  if (of === undefined) throw new DomainXmlError(`the domain's XML has no ${what}`);
  const unit = attribute(of, "unit") ?? "KiB";
  const bytes = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (bytes === undefined)
    throw new DomainXmlError(`the domain's ${what} has the unknown unit ${unit.slice(0, 20)}`);
  const text = from === undefined ? of.text : (attribute(of, from) ?? "");
  return Math.floor((wholeNumber(text, what) * bytes) / 2 ** 20);
}
