import { at, attribute, child, childrenOf, textAt, type XmlElement } from "../../../xml/index.ts";
import {
  compact,
  type Definition,
  type DiskDefinition,
  type FilesystemDefinition,
  type HostDeviceDefinition,
  type InterfaceDefinition,
  rootTarget,
} from "../definition.ts";
import { formatPciAddress } from "../pci.ts";
import { type Unmanaged, wholeNumber } from "./parse-values.ts";

/** A volume by the names of its pool and itself. */
export interface VolumePlace {
  readonly pool: string;
  readonly volume: string;
}

export interface DeviceContext {
  readonly volumeAt: (path: string) => VolumePlace | undefined;
  /** Volumes that the mark lists as the domain's own. */
  readonly owned: readonly VolumePlace[];
  readonly declared: Definition | undefined;
  /** Collects what cannot be said. */
  readonly unmanaged: Unmanaged[];
}

type Devices = Pick<
  Definition,
  "disks" | "interfaces" | "hostDevices" | "filesystems" | "rng" | "console" | "display" | "guestAgent"
> & { tpm: Definition["tpm"] | undefined; rootVolume: VolumePlace | undefined };

/** Devices that libvirt adds by itself, or that belong to others that are read. */
const silent = new Set("emulator controller input audio watchdog console memballoon panic".split(" "));
const agentName = "org.qemu.guest_agent.0";

/** Reads the `<devices>` of a domain. */
export function parseDevices(devices: XmlElement | undefined, context: DeviceContext): Devices {
  const disks: DiskDefinition[] = [];
  const interfaces: InterfaceDefinition[] = [];
  const hostDevices: HostDeviceDefinition[] = [];
  const filesystems: FilesystemDefinition[] = [];
  const seen = { rng: false, console: false, graphics: false, agent: false };
  let rootVolume: VolumePlace | undefined;
  let tpm: Definition["tpm"] | undefined;
  const give = (what: string, critical: boolean) => context.unmanaged.push({ what, critical });

  for (const device of devices?.children ?? []) {
    if (device.name === "disk") {
      const disk = parseDisk(device, context);
      if (typeof disk === "string") give(disk, child(device, "source") !== undefined);
      else if (isRoot(disk, context)) rootVolume = { pool: disk.pool, volume: disk.volume };
      else disks.push(disk);
    } else if (device.name === "interface") {
      const nic = parseInterface(device);
      if (typeof nic === "string") give(nic, true);
      else {
        interfaces.push(nic);
        for (const what of unsaidParameters(device)) give(what, false);
      }
    } else if (device.name === "hostdev") {
      const hostDevice = parseHostDevice(device, context.declared);
      if (typeof hostDevice === "string") give(hostDevice, true);
      else hostDevices.push(hostDevice);
    } else if (device.name === "filesystem") {
      const filesystem = parseFilesystem(device);
      if (typeof filesystem === "string") give(filesystem, true);
      else filesystems.push(filesystem);
    } else if (device.name === "tpm") tpm = parseTpm(device);
    else if (device.name === "rng") seen.rng = true;
    else if (device.name === "serial") seen.console = true;
    else if (device.name === "graphics" && attribute(device, "type") === "vnc") seen.graphics = true;
    else if (device.name === "channel" && attribute(child(device, "target"), "name") === agentName) {
      seen.agent = true;
    } else if (device.name !== "video" && !silent.has(device.name)) give(describe(device), false);
  }
  return {
    disks: disks.sort((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0)),
    interfaces,
    hostDevices,
    filesystems,
    tpm,
    rng: seen.rng,
    console: seen.console,
    display: seen.graphics,
    guestAgent: seen.agent,
    rootVolume,
  };
}

function describe(device: XmlElement): string {
  const type = attribute(device, "type") ?? attribute(device, "model");
  return type === undefined ? device.name : `${device.name} (${type})`;
}

function isRoot(disk: DiskDefinition, context: DeviceContext): boolean {
  return (
    disk.target === rootTarget &&
    context.owned.some((owned) => owned.pool === disk.pool && owned.volume === disk.volume)
  );
}

/** The disk, or what it is where we cannot say it. */
function parseDisk(disk: XmlElement, context: DeviceContext): DiskDefinition | string {
  const target = child(disk, "target");
  const dev = attribute(target, "dev") ?? "";
  const bus = attribute(target, "bus") ?? "";
  const device = attribute(disk, "device") ?? "disk";
  const source = child(disk, "source");
  if (source === undefined) return `empty drive ${dev}`;
  const place = placeOf(attribute(disk, "type"), source, context);
  if (place === undefined)
    return `disk ${dev} (${attribute(source, "file") ?? attribute(source, "dev") ?? "not a file"}, in no pool)`;
  const kind =
    device === "disk" && bus === "virtio"
      ? "disk"
      : device === "cdrom" && bus === "sata"
        ? "cdrom"
        : undefined;
  if (kind === undefined) return `disk ${dev} (${device} on bus ${bus})`;
  return compact<DiskDefinition>({
    ...place,
    target: dev,
    serial: textAt(disk, "serial") || undefined,
    readOnly: kind === "cdrom" || child(disk, "readonly") !== undefined,
    device: kind,
  });
}

function placeOf(
  type: string | undefined,
  source: XmlElement,
  context: DeviceContext,
): VolumePlace | undefined {
  if (type === "volume") {
    const pool = attribute(source, "pool");
    const volume = attribute(source, "volume");
    return pool === undefined || volume === undefined ? undefined : { pool, volume };
  }
  const file = attribute(source, "file");
  return type !== "file" || file === undefined ? undefined : context.volumeAt(file);
}

function parseInterface(nic: XmlElement): InterfaceDefinition | string {
  const type = attribute(nic, "type");
  const mac = attribute(child(nic, "mac"), "address")?.toLowerCase() ?? "";
  const source = child(nic, "source");
  const network = type === "network" ? attribute(source, "network") : undefined;
  const bridge = type === "bridge" ? attribute(source, "bridge") : undefined;
  if ((network === undefined && bridge === undefined) || mac === "")
    return `interface ${mac} (${type ?? "no type"})`;
  return compact<InterfaceDefinition>({
    network,
    bridge,
    mac,
    model: attribute(child(nic, "model"), "type") ?? "virtio",
    filter: attribute(child(nic, "filterref"), "filter"),
    filterAddress: attribute(filterParameter(nic, "IP"), "value"),
  });
}

function filterParameter(nic: XmlElement, name: string): XmlElement | undefined {
  const parameters = childrenOf(child(nic, "filterref"), "parameter");
  return parameters.find((parameter) => attribute(parameter, "name") === name);
}

/** What of a filter cannot be said: values of further variables. */
function unsaidParameters(nic: XmlElement): string[] {
  const known = filterParameter(nic, "IP");
  return childrenOf(child(nic, "filterref"), "parameter")
    .filter((parameter) => parameter !== known)
    .map((parameter) => `filter parameter ${attribute(parameter, "name") ?? ""}`);
}

/** The address in one of libvirt's address elements. */
function addressOf(of: XmlElement | undefined): string | undefined {
  if (of === undefined) return undefined;
  const part = (name: string) => Number(attribute(of, name) ?? "0x0");
  const [domain, bus, slot, fn] = [part("domain"), part("bus"), part("slot"), part("function")];
  const inRange = domain >= 0 && domain <= 0xffff && bus >= 0 && bus <= 0xff && slot >= 0 && slot <= 0x1f;
  if (!inRange || !(fn >= 0 && fn <= 7)) return undefined;
  return formatPciAddress({ domain, bus, slot, function: fn });
}

function parseHostDevice(
  device: XmlElement,
  declared: Definition | undefined,
): HostDeviceDefinition | string {
  const address = addressOf(at(device, "source", "address"));
  if (
    attribute(device, "mode") !== "subsystem" ||
    attribute(device, "type") !== "pci" ||
    address === undefined
  ) {
    return `host device (${attribute(device, "type") ?? "no type"})`;
  }
  // libvirt gives every device an address; it is a property of ours only where it is declared, or nothing is.
  const known = declared?.hostDevices.find((candidate) => candidate.address === address);
  const free = known !== undefined && known.guestAddress === undefined;
  const guest = child(device, "address");
  const bar = attribute(child(device, "rom"), "bar");
  return compact<HostDeviceDefinition>({
    address,
    guestAddress: free ? undefined : addressOf(guest),
    multifunction: !free && attribute(guest, "multifunction") === "on",
    managed: attribute(device, "managed") === "yes",
    romBar: bar === undefined ? undefined : bar === "on",
  });
}

function parseFilesystem(filesystem: XmlElement): FilesystemDefinition | string {
  const tag = attribute(child(filesystem, "target"), "dir");
  const hostPath = attribute(child(filesystem, "source"), "dir");
  const driver = child(filesystem, "driver");
  if (attribute(driver, "type") !== "virtiofs" || tag === undefined || hostPath === undefined) {
    return `file system ${tag ?? ""} (${attribute(driver, "type") ?? "9p"})`;
  }
  const queue = attribute(driver, "queue");
  return compact<FilesystemDefinition>({
    tag,
    hostPath,
    readOnly: child(filesystem, "readonly") !== undefined,
    queueSize: queue === undefined ? undefined : wholeNumber(queue, "virtiofs queue"),
  });
}

function parseTpm(tpm: XmlElement): { model: string; version: string } {
  return {
    model: attribute(tpm, "model") ?? "tpm-tis",
    version: attribute(child(tpm, "backend"), "version") ?? "2.0",
  };
}

/** The device elements of a domain, by kind. */
export function devicesOf(domain: XmlElement): readonly XmlElement[] {
  return child(domain, "devices")?.children ?? [];
}

/** Disks of a domain by target. */
export function diskElement(domain: XmlElement, target: string): XmlElement | undefined {
  return childrenOf(child(domain, "devices"), "disk").find(
    (disk) => attribute(child(disk, "target"), "dev") === target,
  );
}
