import { element, type XmlElement } from "../../../xml/index.ts";
import {
  type Definition,
  type DiskDefinition,
  type HostDeviceDefinition,
  type InterfaceDefinition,
  rootTarget,
} from "../definition.ts";
import { parsePciAddress, pciAttributes } from "../pci.ts";
import type { DiskSource } from "./render.ts";

/** Ports beyond those in use, for devices that are attached while the guest runs. */
const sparePorts = 6;
const fewestPorts = 12;

/** True for machine types with PCI Express, whose devices each need a root port. */
export function hasRootPorts(machine: string): boolean {
  return /^(pc-)?q35/.test(machine);
}

/** The `<devices>` of a domain. */
export function renderDevices(definition: Definition, sources: ReadonlyMap<string, DiskSource>): XmlElement {
  const root: DiskDefinition | undefined = definition.rootDisk && {
    pool: definition.rootDisk.pool,
    volume: "",
    target: rootTarget,
    readOnly: false,
    device: "disk",
  };
  return element("devices", {}, [
    root !== undefined && renderDisk(root, sources.get(rootTarget), true),
    ...definition.disks.map((disk) => renderDisk(disk, sources.get(disk.target), false)),
    ...rootPorts(definition),
    element("controller", { type: "usb", model: "none" }),
    ...definition.interfaces.map(renderInterface),
    ...definition.filesystems.map((filesystem) =>
      element("filesystem", { type: "mount", accessmode: "passthrough" }, [
        element("driver", { type: "virtiofs", queue: filesystem.queueSize }),
        element("source", { dir: filesystem.hostPath }),
        element("target", { dir: filesystem.tag }),
        filesystem.readOnly && element("readonly"),
      ]),
    ),
    ...definition.hostDevices.map(renderHostDevice),
    ...(definition.console ? consoleDevices() : []),
    definition.guestAgent &&
      element("channel", { type: "unix" }, [
        element("target", { type: "virtio", name: "org.qemu.guest_agent.0" }),
      ]),
    definition.tpm !== undefined &&
      element("tpm", { model: definition.tpm.model }, [
        element("backend", { type: "emulator", version: definition.tpm.version }),
      ]),
    ...(definition.display ? displayDevices() : []),
    definition.rng &&
      element("rng", { model: "virtio" }, [element("backend", { model: "random" }, "/dev/urandom")]),
    // Passed-through devices pin the whole memory: a balloon could give nothing back.
    element("memballoon", { model: definition.hostDevices.length > 0 ? "none" : "virtio" }),
    // Lets a guest that panics say so, instead of hanging for ever.
    definition.arch === "x86_64" && element("panic", { model: "isa" }),
  ]);
}

/** One disk. @throws Error where the source is not known: a mistake of the caller. */
export function renderDisk(disk: DiskDefinition, source: DiskSource | undefined, boot: boolean): XmlElement {
  if (source === undefined) throw new Error(`no source is known for disk ${disk.target}`);
  const cdrom = disk.device === "cdrom";
  return element("disk", { type: "file", device: disk.device }, [
    element("driver", { name: "qemu", type: source.format, discard: cdrom ? undefined : "unmap" }),
    element("source", { file: source.path }),
    element("target", { dev: disk.target, bus: cdrom ? "sata" : "virtio" }),
    disk.readOnly && element("readonly"),
    disk.serial !== undefined && element("serial", {}, disk.serial),
    boot && element("boot", { order: 1 }),
  ]);
}

/** One interface. */
export function renderInterface(nic: InterfaceDefinition): XmlElement {
  const source = nic.network === undefined ? { bridge: nic.bridge } : { network: nic.network };
  return element("interface", { type: nic.network === undefined ? "bridge" : "network" }, [
    element("mac", { address: nic.mac }),
    element("source", source),
    element("model", { type: nic.model }),
    renderFilter(nic),
  ]);
}

/** The filter of an interface, if it has one. */
export function renderFilter({ filter, filterAddress }: InterfaceDefinition): XmlElement | undefined {
  if (filter === undefined) return undefined;
  return element("filterref", { filter }, [
    filterAddress !== undefined && element("parameter", { name: "IP", value: filterAddress }),
  ]);
}

function renderHostDevice(device: HostDeviceDefinition): XmlElement {
  const source = parsePciAddress(device.address);
  const guest = device.guestAddress === undefined ? undefined : parsePciAddress(device.guestAddress);
  return element("hostdev", { mode: "subsystem", type: "pci", managed: device.managed }, [
    element("driver", { name: "vfio" }),
    source !== undefined && element("source", {}, [element("address", pciAttributes(source))]),
    device.romBar !== undefined && element("rom", { bar: device.romBar ? "on" : "off" }),
    guest !== undefined &&
      element("address", {
        type: "pci",
        ...pciAttributes(guest),
        multifunction: device.multifunction ? "on" : undefined,
      }),
  ]);
}

function consoleDevices(): XmlElement[] {
  return [
    element("serial", { type: "pty" }, [element("target", { port: 0 })]),
    element("console", { type: "pty" }, [element("target", { type: "serial", port: 0 })]),
  ];
}

function displayDevices(): XmlElement[] {
  return [
    element("graphics", { type: "vnc", autoport: true, listen: "127.0.0.1" }, [
      element("listen", { type: "address", address: "127.0.0.1" }),
    ]),
    element("video", {}, [element("model", { type: "vga" })]),
  ];
}

/** Enough ports for every device, those that are attached later, and every bus that an address names. */
function rootPorts(definition: Definition): XmlElement[] {
  if (!hasRootPorts(definition.machine)) return [];
  const used =
    (definition.rootDisk === undefined ? 0 : 1) +
    definition.disks.filter((disk) => disk.device === "disk").length +
    definition.interfaces.length +
    definition.filesystems.length +
    definition.hostDevices.length +
    (definition.guestAgent ? 1 : 0) +
    (definition.rng ? 1 : 0) +
    (definition.hostDevices.length > 0 ? 0 : 1);
  const buses = definition.hostDevices.map((device) =>
    device.guestAddress === undefined ? 0 : (parsePciAddress(device.guestAddress)?.bus ?? 0),
  );
  const count = Math.max(fewestPorts, used + sparePorts, ...buses);
  return [
    element("controller", { type: "pci", index: 0, model: "pcie-root" }),
    ...Array.from({ length: count }, (_, index) =>
      element("controller", { type: "pci", index: index + 1, model: "pcie-root-port" }),
    ),
  ];
}
