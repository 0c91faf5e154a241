/** IPv4 arithmetic on unsigned 32-bit numbers. */

/** @returns The address as a number, or undefined where the text is no IPv4 address. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

/** Dotted form of an address. */
export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** An IPv4 network: its first and last address and the length of its prefix. */
export interface Subnet {
  /** First address: the network's own. */
  network: number;
  /** Last address: broadcast. */
  broadcast: number;
  prefix: number;
}

/** @returns The subnet with host bits cleared, or undefined where the text is no IPv4 network. */
export function parseSubnet(text: string): Subnet | undefined {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(text);
  const address = parseIpv4(match?.[1] ?? "");
  const prefix = Number(match?.[2] ?? Number.NaN);
  if (address === undefined || Number.isNaN(prefix) || prefix > 32) return undefined;
  return subnetOf(address, prefix);
}

/** The subnet of that prefix length which holds the address. */
export function subnetOf(address: number, prefix: number): Subnet {
  const size = 2 ** (32 - prefix);
  const network = Math.floor(address / size) * size;
  return { network, broadcast: network + size - 1, prefix };
}

/** Prefix form, for example `10.50.0.0/24`. */
export const formatSubnet = (subnet: Subnet): string => `${formatIpv4(subnet.network)}/${subnet.prefix}`;

/** Whether the address is one that a host of the subnet can have. */
export function isHost(subnet: Subnet, address: number): boolean {
  return address > subnet.network && address < subnet.broadcast;
}

/** Whether two subnets have an address in common. */
export function overlap(a: Subnet, b: Subnet): boolean {
  return a.network <= b.broadcast && b.network <= a.broadcast;
}
