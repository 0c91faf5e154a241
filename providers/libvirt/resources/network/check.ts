import type { CheckFailure } from "../../../plugin/types.ts";
import { isArray, isObject, type PropertyMap } from "../../../plugin/values.ts";
import { withDefaults } from "../../schema/index.ts";
import { type HostAddress, isHostOf, parseAddress, parseHostAddress, subnetText } from "./ipv4.ts";

const hostname =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
const notForBridge = ["address", "domain", "dhcpRange", "dnsForwarders", "dnsHosts"] as const;

type Fail = (property: string, reason: string) => void;

/** What the field table cannot say: addresses that fit each other, and what an existing bridge cannot have. */
export function checkNetwork(given: PropertyMap): CheckFailure[] {
  const inputs = withDefaults("Network", given);
  const failures: CheckFailure[] = [];
  const fail: Fail = (property, reason) => failures.push({ property, reason });
  if (inputs.mode === "bridge") {
    for (const property of notForBridge) {
      if (inputs[property] !== undefined) {
        fail(
          property,
          "is not possible for mode bridge: libvirt does not manage an existing bridge of the host",
        );
      }
    }
    return failures;
  }
  const subnet = checkAddress(inputs, fail);
  if (subnet !== undefined) checkRange(inputs, subnet, fail);
  if (typeof inputs.domain === "string" && !hostname.test(inputs.domain)) {
    fail("domain", `"${inputs.domain}" is not a domain name; write for example hpc.local`);
  }
  checkForwarders(inputs, fail);
  checkDnsHosts(inputs, fail);
  return failures;
}

function checkAddress(inputs: PropertyMap, fail: Fail): HostAddress | undefined {
  const { address, mode } = inputs;
  if (address === undefined) {
    if (typeof mode === "string")
      fail("address", `is required for mode ${mode}; write for example 10.50.0.1/24`);
    return undefined;
  }
  if (typeof address !== "string") return undefined;
  const subnet = parseHostAddress(address);
  if (subnet === undefined) {
    fail("address", `"${address}" is not an IPv4 address with prefix; write for example 10.50.0.1/24`);
    return undefined;
  }
  if (subnet.prefix < 8 || subnet.prefix > 30) {
    fail("address", `prefix /${subnet.prefix} is not usable; write one from /8 to /30`);
    return undefined;
  }
  if (!isHostOf(subnet, subnet.address)) {
    fail(
      "address",
      `"${address}" is not an address for a host; write for example the first one of ${subnetText(subnet)}`,
    );
    return undefined;
  }
  return subnet;
}

function checkRange(inputs: PropertyMap, subnet: HostAddress, fail: Fail): void {
  const range = inputs.dhcpRange;
  if (!isObject(range)) return;
  const read = (name: "start" | "end"): number | undefined => {
    const value = range[name];
    if (typeof value !== "string") return undefined;
    const address = parseAddress(value);
    if (address !== undefined && isHostOf(subnet, address)) return address;
    fail(`dhcpRange.${name}`, `"${value}" is not an address for a host in ${subnetText(subnet)}`);
    return undefined;
  };
  const start = read("start");
  const end = read("end");
  if (start === undefined || end === undefined) return;
  if (start > end) fail("dhcpRange", "ends before it starts");
  if (start <= subnet.address && subnet.address <= end) {
    fail("dhcpRange", "includes the host's own address; leave it out of the range");
  }
}

function checkForwarders(inputs: PropertyMap, fail: Fail): void {
  if (!isArray(inputs.dnsForwarders)) return;
  for (const [index, forwarder] of inputs.dnsForwarders.entries()) {
    if (typeof forwarder === "string" && parseAddress(forwarder) === undefined) {
      fail(`dnsForwarders[${index}]`, `"${forwarder}" is not an IPv4 address`);
    }
  }
}

function checkDnsHosts(inputs: PropertyMap, fail: Fail): void {
  if (!isArray(inputs.dnsHosts)) return;
  const seen = new Set<string>();
  for (const [index, host] of inputs.dnsHosts.entries()) {
    if (!isObject(host)) continue;
    const path = `dnsHosts[${index}]`;
    const { address, hostnames } = host;
    if (typeof address === "string" && parseAddress(address) === undefined) {
      fail(`${path}.address`, `"${address}" is not an IPv4 address`);
    }
    if (hostnames === undefined) fail(`${path}.hostnames`, "needs at least one name");
    if (!isArray(hostnames)) continue;
    for (const [position, name] of hostnames.entries()) {
      if (typeof name !== "string") continue;
      if (!hostname.test(name)) fail(`${path}.hostnames[${position}]`, `"${name}" is not a host name`);
      else if (seen.has(name))
        fail(`${path}.hostnames[${position}]`, `"${name}" is there twice; a name has one record`);
      seen.add(name);
    }
  }
}
