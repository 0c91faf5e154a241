/** An IPv4 address as a number; undefined for other text. */
export function parseAddress(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1).map(Number);
  if (parts.some((part, index) => part > 255 || String(part) !== match[index + 1])) return undefined;
  return parts.reduce((value, part) => value * 256 + part, 0);
}

/** A number as an IPv4 address. */
export function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** An address with the size of its subnet. */
export interface HostAddress {
  readonly address: number;
  readonly prefix: number;
  /** First and last address of the subnet: the subnet itself and its broadcast. */
  readonly first: number;
  readonly last: number;
}

/** Reads `10.50.0.1/24`; undefined for other text. */
export function parseHostAddress(text: string): HostAddress | undefined {
  const [addressText = "", prefixText = "", ...rest] = text.split("/");
  const address = parseAddress(addressText);
  if (address === undefined || rest.length > 0 || !/^\d{1,2}$/.test(prefixText)) return undefined;
  const prefix = Number(prefixText);
  if (prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  const first = Math.floor(address / size) * size;
  return { address, prefix, first, last: first + size - 1 };
}

/** True for an address that a machine of the subnet can have. */
export function isHostOf(subnet: HostAddress, address: number): boolean {
  return address > subnet.first && address < subnet.last;
}

/** The subnet as `10.50.0.0/24`. */
export function subnetText(subnet: HostAddress): string {
  return `${formatAddress(subnet.first)}/${subnet.prefix}`;
}
