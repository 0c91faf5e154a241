/** PCI addresses `dddd:bb:ss.f`. */
export interface PciAddress {
  readonly domain: number;
  readonly bus: number;
  readonly slot: number;
  readonly function: number;
}

/** Undefined where the text is not an address. */
export function parsePciAddress(text: string): PciAddress | undefined {
  const match = /^([0-9a-f]{4}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/.exec(text);
  if (match === null) return undefined;
  const [domain, bus, slot, fn] = match.slice(1).map((part) => Number.parseInt(part, 16));
  if (domain === undefined || bus === undefined || slot === undefined || fn === undefined) return undefined;
  return { domain, bus, slot, function: fn };
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");

export function formatPciAddress(address: PciAddress): string {
  return `${hex(address.domain, 4)}:${hex(address.bus, 2)}:${hex(address.slot, 2)}.${address.function}`;
}

/** The attributes of libvirt's address element. */
export function pciAttributes(address: PciAddress): Record<string, string> {
  return {
    domain: `0x${hex(address.domain, 4)}`,
    bus: `0x${hex(address.bus, 2)}`,
    slot: `0x${hex(address.slot, 2)}`,
    function: `0x${address.function.toString(16)}`,
  };
}
