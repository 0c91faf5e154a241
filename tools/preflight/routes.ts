import { readFileSync } from "node:fs";
import { parseSubnet, type Subnet, subnetOf } from "../../planning/ipv4.ts";
import { findProgram } from "../process/find-program.ts";
import { run } from "../process/run.ts";

/** A network that this machine reaches through a device. */
export interface Route {
  device: string;
  subnet: Subnet;
}

/** Shorter prefixes are default routes: a VPN that takes everything puts two halves (/1) in the place of one. */
const LEAST_PREFIX = 2;
/** Kinds of routes that lead nowhere else: the machine's own addresses, and what is said to everybody. */
const LOCAL_KINDS = ["local", "broadcast", "multicast", "anycast"];

/**
 * Reads `ip -4 -o route show table all`: VPNs keep their routes in tables of their own. Default routes, routes without
 * a device and lines that are no routes are left out.
 */
export function parseIpRoutes(text: string): Route[] {
  return text.split("\n").flatMap((line) => {
    const match = /^(?:([a-z]+) )?([\d.]+)(\/\d+)?\s(.*)$/.exec(line);
    const [, kind, address, prefix = "/32", rest = ""] = match ?? [];
    const device = /\bdev (\S+)/.exec(rest)?.[1];
    if (address === undefined || device === undefined || LOCAL_KINDS.includes(kind ?? "")) return [];
    return routeOf(device, parseSubnet(`${address}${prefix}`));
  });
}

/** Reads /proc/net/route, the kernel's main table, with the same omissions. */
export function parseProcRoutes(text: string): Route[] {
  return text.split("\n").flatMap((line) => {
    const [device, destination, , , , , , mask] = line.trim().split(/\s+/);
    if (!device || !/^[0-9A-F]{8}$/i.test(destination ?? "") || !/^[0-9A-F]{8}$/i.test(mask ?? "")) return [];
    const prefix = prefixOf(littleEndian(mask ?? ""));
    return prefix === undefined ? [] : routeOf(device, subnetOf(littleEndian(destination ?? ""), prefix));
  });
}

function routeOf(device: string, subnet: Subnet | undefined): Route[] {
  return subnet === undefined || subnet.prefix < LEAST_PREFIX ? [] : [{ device, subnet }];
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

/**
 * Routes of this machine: of every table where `ip` is installed, else of the main table.
 * @throws Error where neither can be read.
 */
export async function readRoutes(): Promise<Route[]> {
  const ip = findProgram("ip");
  if (ip !== undefined) {
    const result = await run(ip, ["-4", "-o", "route", "show", "table", "all"], { timeoutMs: 10_000 });
    if (result.code === 0) return parseIpRoutes(result.stdout);
  }
  return parseProcRoutes(readFileSync("/proc/net/route", "utf8"));
}
