/** An IPv4 network as numbers: the first address and the length of the prefix. */
export interface Subnet {
  base: number;
  prefix: number;
}

/** Reads `10.50.0.0/24`; an address with host bits stands for its network. Undefined for anything else. */
export function parseSubnet(text: string): Subnet | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  if (!match) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, prefix = 0] = match.slice(1).map(Number);
  if (Math.max(a, b, c, d) > 255 || prefix > 32) return undefined;
  return subnet(((a << 24) | (b << 16) | (c << 8) | d) >>> 0, prefix);
}

export function subnet(address: number, prefix: number): Subnet {
  const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
  return { base: (address & mask) >>> 0, prefix };
}

/** Whether two networks have an address in common: the larger contains the smaller, or they are apart. */
export function overlap(a: Subnet, b: Subnet): boolean {
  const prefix = Math.min(a.prefix, b.prefix);
  return subnet(a.base, prefix).base === subnet(b.base, prefix).base;
}

export function formatSubnet({ base, prefix }: Subnet): string {
  return `${base >>> 24}.${(base >>> 16) & 255}.${(base >>> 8) & 255}.${base & 255}/${prefix}`;
}

export interface Route {
  device: string;
  subnet: Subnet;
}

/** Routes of /proc/net/route without the default route; lines that are not routes are left out. */
export function parseRoutes(text: string): Route[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [device, destination, , , , , , mask] = fields;
    if (!device || !/^[0-9A-F]{8}$/i.test(destination ?? "") || !/^[0-9A-F]{8}$/i.test(mask ?? "")) return [];
    const prefix = prefixOf(littleEndian(mask ?? ""));
    if (prefix === undefined || prefix === 0) return [];
    return [{ device, subnet: subnet(littleEndian(destination ?? ""), prefix) }];
  });
}

function littleEndian(hex: string): number {
  return Buffer.from(hex, "hex").readUInt32LE();
}

/** Length of a contiguous mask; undefined for another one. */
function prefixOf(mask: number): number | undefined {
  const bits = mask.toString(2).padStart(32, "0");
  const ones = bits.indexOf("0") === -1 ? 32 : bits.indexOf("0");
  return bits.slice(ones).includes("1") ? undefined : ones;
}
