import { readdirSync } from "node:fs";
import { networkInterfaces } from "node:os";

/** Names of this machine's network interfaces, also of those without an address: a bridge for machines alone has none. */
export function interfacesHere(): string[] {
  return [...new Set([...readdirSync("/sys/class/net"), ...Object.keys(networkInterfaces())])];
}
