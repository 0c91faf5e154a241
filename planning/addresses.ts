import { formatIpv4, isHost, type Subnet } from "./ipv4.ts";

/** Addresses from start to end, both included. */
export interface AddressRange {
  start: number;
  end: number;
}

/**
 * Plans the addresses of machines with `ip: DHCP`.
 *
 * The address of number n is the (n-1)th of the range. Where somebody else has it (a static address, the gateway), n
 * takes the last free address of the range. Numbers are served in order and holes are served as well, so that the
 * address of n depends on the range, the static addresses and the numbers below n, and never on whether
 * another machine exists: adding or removing one moves nobody.
 *
 * @param highest Highest number of the cluster.
 * @param taken Static addresses and the gateway.
 * @returns By number from 1; undefined where the range is too small.
 */
export function planAddresses(
  subnet: Subnet,
  range: AddressRange,
  highest: number,
  taken: ReadonlySet<number>,
): (number | undefined)[] {
  const used = new Set(taken);
  const free = (address: number) =>
    address >= range.start && address <= range.end && isHost(subnet, address) && !used.has(address);
  const planned: (number | undefined)[] = [];
  let last = range.end;
  for (let number = 1; number <= highest; number++) {
    let address: number | undefined = range.start + number - 1;
    if (!free(address)) {
      while (last >= range.start && !free(last)) last--;
      address = last >= range.start ? last : undefined;
    }
    if (address !== undefined) used.add(address);
    planned.push(address);
  }
  return planned;
}

/** A range for people. */
export const formatRange = (range: AddressRange): string =>
  `${formatIpv4(range.start)} to ${formatIpv4(range.end)}`;
