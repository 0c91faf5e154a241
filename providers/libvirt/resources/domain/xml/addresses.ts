import { at, attribute, child, childrenOf, type XmlElement } from "../../../xml/index.ts";

/**
 * Puts the guest's device addresses of the present definition into a new one. Without it libvirt would number the
 * devices anew, and a guest's network interface would change its name because a disk was added.
 *
 * Devices are recognised by what identifies them (target, MAC, tag). Addresses that the new definition declares win.
 */
export function keepAddresses(next: XmlElement, current: XmlElement): XmlElement {
  if (machineFamily(next) !== machineFamily(current)) return next;
  const present = new Map<string, XmlElement>();
  for (const device of devicesOf(current)) {
    const key = keyOf(device);
    const address = pciAddressElement(device);
    if (key !== undefined && address !== undefined) present.set(key, address);
  }
  const declared = new Set(devicesOf(next).flatMap((device) => placeOf(pciAddressElement(device))));
  const devices = mergeControllers(devicesOf(next), current).map((device) => {
    const key = keyOf(device);
    const address = key === undefined ? undefined : present.get(key);
    if (address === undefined || child(device, "address") !== undefined) return device;
    if (placeOf(address).some((place) => declared.has(place))) return device;
    return { ...device, children: [...device.children, address] };
  });
  return {
    ...next,
    children: next.children.map((part) => (part.name === "devices" ? { ...part, children: devices } : part)),
  };
}

const devicesOf = (domain: XmlElement) => child(domain, "devices")?.children ?? [];

function machineFamily(domain: XmlElement): string {
  const type = at(domain, "os", "type");
  const machine = attribute(type, "machine") ?? "";
  return `${attribute(type, "arch")} ${machine.replace(/^pc-/, "").replace(/-[0-9].*$/, "")}`;
}

function pciAddressElement(device: XmlElement): XmlElement | undefined {
  return childrenOf(device, "address").find((address) => attribute(address, "type") === "pci");
}

/** Bus and slot: the functions of one slot belong together. */
function placeOf(address: XmlElement | undefined): string[] {
  if (address === undefined) return [];
  const part = (name: string) => Number(attribute(address, name) ?? "0");
  return [`${part("domain")}:${part("bus")}:${part("slot")}`];
}

/** What identifies a device across definitions; undefined for devices without an address of their own. */
function keyOf(device: XmlElement): string | undefined {
  const of = (part: string, name: string) => attribute(child(device, part), name);
  switch (device.name) {
    case "disk":
      return `disk ${of("target", "dev")} ${of("target", "bus")}`;
    case "interface":
      return `interface ${of("mac", "address")}`;
    case "filesystem":
      return `filesystem ${of("target", "dir")}`;
    case "hostdev":
      return `hostdev ${placeOf(at(device, "source", "address"))} ${attribute(at(device, "source", "address"), "function")}`;
    case "rng":
    case "memballoon":
    case "video":
      return device.name;
    default:
      return undefined;
  }
}

/** The new controllers, in the form that they have now; and the ones that libvirt added and devices sit on. */
function mergeControllers(next: readonly XmlElement[], current: XmlElement): XmlElement[] {
  const keyed = (device: XmlElement) => `${attribute(device, "type")} ${attribute(device, "index")}`;
  const old = new Map(childrenOf(child(current, "devices"), "controller").map((one) => [keyed(one), one]));
  const named = new Set<string>();
  const replaced = next.map((device) => {
    if (device.name !== "controller") return device;
    named.add(keyed(device));
    const same = old.get(keyed(device));
    return same !== undefined && attribute(same, "model") === attribute(device, "model") ? same : device;
  });
  const agent = next.some((device) => device.name === "channel");
  const added = [...old.values()].filter((one) => {
    const type = attribute(one, "type");
    const wanted = type === "pci" || (type === "virtio-serial" && agent);
    return wanted && !named.has(keyed(one));
  });
  return [...replaced, ...added];
}
