import { findRecovery, type Hold } from "../../../ownership/index.ts";
import {
  at,
  attribute,
  child,
  childrenOf,
  parseXml,
  textAt,
  type XmlElement,
  XmlParseError,
} from "../../../xml/index.ts";
import { canonicalCpuset } from "../cpuset.ts";
import { type CpuDefinition, compact, type Definition, type MemoryBackingDefinition } from "../definition.ts";
import { holdOf } from "../hold.ts";
import { type DomainMark, domainMarkOf } from "../mark.ts";
import { type DeviceContext, parseDevices, type VolumePlace } from "./parse-devices.ts";
import { DomainXmlError, memoryMiB, oneOf, type Unmanaged, wholeNumber } from "./parse-values.ts";

export type { VolumePlace } from "./parse-devices.ts";
export { DomainXmlError, type Unmanaged } from "./parse-values.ts";

/** A domain's XML in our terms. The root disk's image and size, reservations and autostart are not in it. */
export interface ParsedDomain {
  readonly uuid: string;
  /** Without `rootDisk`, addresses of interfaces, and with `autostart` false. */
  readonly definition: Definition;
  readonly mark: DomainMark | undefined;
  /** Somebody stopped the machine for a time. */
  readonly hold: Hold | undefined;
  /** The overlay that the mark lists and the root device uses. */
  readonly rootVolume: VolumePlace | undefined;
  /** What our inputs cannot say and a new definition would drop. */
  readonly unmanaged: readonly Unmanaged[];
  /** The element itself, for what a new definition takes over (device addresses). */
  readonly element: XmlElement;
}

export interface ParseContext {
  /** Volume at a path of the host; undefined for a path in no pool. */
  readonly volumeAt: (path: string) => VolumePlace | undefined;
  /** What is declared: decides between forms that libvirt's XML does not tell apart. */
  readonly declared?: Definition;
}

/**
 * Reads libvirt's XML of a definition.
 * @throws DomainXmlError where it is not a domain's XML, or lacks what every domain has.
 */
export function parseDomain(text: string, context: ParseContext): ParsedDomain {
  const domain = readXml(text);
  if (domain.name !== "domain") throw new DomainXmlError(`the XML is of a ${domain.name}, not of a domain`);
  const uuid = textAt(domain, "uuid")?.trim().toLowerCase();
  if (uuid === undefined) throw new DomainXmlError("the domain's XML has no uuid");
  const mark = domainMarkOf(domain);
  const unmanaged: Unmanaged[] = unmanagedParts(domain);
  const devices = parseDevices(child(domain, "devices"), deviceContext(context, mark, unmanaged));
  const type = oneOf(attribute(domain, "type"), ["kvm", "qemu"], () => {
    const found = attribute(domain, "type") ?? "";
    // The test driver's own type: treated as emulation.
    if (found === "test") return "qemu" as const;
    throw new DomainXmlError(`the domain has type "${found}"; only kvm and qemu are managed`);
  });
  const { rootVolume, ...managedDevices } = devices;
  const definition = compact<Definition>({
    name: required(domain, "name"),
    title: textAt(domain, "title") || undefined,
    description: textAt(domain, "description") || undefined,
    type,
    ...machineOf(domain, context.declared),
    ...sizeOf(domain),
    cpu: cpuOf(child(domain, "cpu"), type),
    ...tuneOf(domain),
    memoryBacking: backingOf(child(domain, "memoryBacking")),
    firmware: firmwareOf(child(domain, "os")),
    smbiosSerial: serialOf(domain),
    ...managedDevices,
    autostart: false,
    restartTrigger: mark?.restartTrigger,
    recoveryRecord: findRecovery(child(domain, "metadata")),
  });
  return { uuid, definition, mark, hold: holdOf(domain), rootVolume, unmanaged, element: domain };
}

function readXml(text: string): XmlElement {
  try {
    return parseXml(text);
  } catch (error) {
    if (error instanceof XmlParseError) throw new DomainXmlError(error.message);
    throw error;
  }
}

function deviceContext(
  context: ParseContext,
  mark: DomainMark | undefined,
  unmanaged: Unmanaged[],
): DeviceContext {
  return {
    volumeAt: context.volumeAt,
    owned: mark?.disks ?? [],
    declared: context.declared,
    unmanaged,
  };
}

function required(domain: XmlElement, name: string): string {
  const text = textAt(domain, name)?.trim();
  if (text === undefined || text === "") throw new DomainXmlError(`the domain's XML has no ${name}`);
  return text;
}

/** An alias such as `q35` is kept where the host resolved it to one of its versions, such as `pc-q35-7.2`. */
export function isAliasOf(alias: string, machine: string): boolean {
  if (alias === machine) return true;
  const family = alias === "pc" ? "i440fx" : alias;
  return machine.startsWith(`pc-${family}-`) || machine.startsWith(`${family}-`);
}

/** The machine type as the host resolved it. */
export function machineTypeOf(domain: XmlElement): string | undefined {
  return attribute(at(domain, "os", "type"), "machine");
}

function machineOf(
  domain: XmlElement,
  declared: Definition | undefined,
): Pick<Definition, "arch" | "machine"> {
  const type = at(domain, "os", "type");
  if (type?.text.trim() !== "hvm") throw new DomainXmlError("the domain is not a full virtual machine (hvm)");
  const machine = machineTypeOf(domain) ?? declared?.machine ?? "q35";
  return {
    arch: attribute(type, "arch") ?? declared?.arch ?? "x86_64",
    machine: declared !== undefined && isAliasOf(declared.machine, machine) ? declared.machine : machine,
  };
}

function sizeOf(domain: XmlElement): Pick<Definition, "vcpus" | "maxVcpus" | "memoryMiB" | "maxMemoryMiB"> {
  const vcpu = child(domain, "vcpu");
  const maxVcpus = wholeNumber(vcpu?.text ?? "1", "vcpu");
  const maxMemoryMiB = memoryMiB(child(domain, "memory"), "memory");
  const current = child(domain, "currentMemory");
  const online = attribute(vcpu, "current");
  return {
    maxVcpus,
    vcpus: online === undefined ? maxVcpus : wholeNumber(online, "vcpu current"),
    maxMemoryMiB,
    memoryMiB: current === undefined ? maxMemoryMiB : memoryMiB(current, "currentMemory"),
  };
}

function cpuOf(cpu: XmlElement | undefined, type: "kvm" | "qemu"): CpuDefinition {
  const fallback = type === "kvm" ? "host-passthrough" : "maximum";
  const mode = oneOf(attribute(cpu, "mode"), ["host-passthrough", "host-model", "maximum", "custom"], () =>
    child(cpu, "model") === undefined ? fallback : "custom",
  );
  const topology = child(cpu, "topology");
  return compact<CpuDefinition>({
    mode,
    model: mode === "custom" ? (textAt(cpu, "model")?.trim() ?? "") : undefined,
    features: childrenOf(cpu, "feature")
      .map((feature) => ({
        name: attribute(feature, "name") ?? "",
        policy: attribute(feature, "policy") ?? "require",
      }))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
    topology:
      topology === undefined
        ? undefined
        : {
            sockets: wholeNumber(attribute(topology, "sockets") ?? "1", "topology sockets"),
            dies: wholeNumber(attribute(topology, "dies") ?? "1", "topology dies"),
            cores: wholeNumber(attribute(topology, "cores") ?? "1", "topology cores"),
            threads: wholeNumber(attribute(topology, "threads") ?? "1", "topology threads"),
          },
    numaCells: childrenOf(child(cpu, "numa"), "cell").map((cell) => ({
      cpus: canonicalCpuset(attribute(cell, "cpus") ?? ""),
      memoryMiB: memoryMiB(cell, "numa cell", "memory"),
    })),
  });
}

function tuneOf(domain: XmlElement): Pick<Definition, "cpuPins"> & {
  emulatorPin: string | undefined;
  numaTune: Definition["numaTune"] | undefined;
} {
  const tune = child(domain, "cputune");
  const emulator = attribute(child(tune, "emulatorpin"), "cpuset");
  const memory = at(domain, "numatune", "memory");
  const nodeset = attribute(memory, "nodeset");
  return {
    cpuPins: childrenOf(tune, "vcpupin")
      .map((pin) => ({
        vcpu: wholeNumber(attribute(pin, "vcpu") ?? "", "vcpupin"),
        cpuset: canonicalCpuset(attribute(pin, "cpuset") ?? ""),
      }))
      .sort((a, b) => a.vcpu - b.vcpu),
    emulatorPin: emulator === undefined ? undefined : canonicalCpuset(emulator),
    numaTune:
      nodeset === undefined
        ? undefined
        : { mode: attribute(memory, "mode") ?? "strict", nodeset: canonicalCpuset(nodeset) },
  };
}

function backingOf(backing: XmlElement | undefined): MemoryBackingDefinition | undefined {
  if (backing === undefined || backing.children.length === 0) return undefined;
  const page = at(backing, "hugepages", "page");
  const found = compact<MemoryBackingDefinition>({
    hugepageKiB: page === undefined ? undefined : wholeNumber(attribute(page, "size") ?? "", "huge page"),
    source: maybeOneOf(attribute(child(backing, "source"), "type"), ["anonymous", "memfd", "file"]),
    access: maybeOneOf(attribute(child(backing, "access"), "mode"), ["private", "shared"]),
    locked: child(backing, "locked") !== undefined,
  });
  return Object.keys(found).length === 1 && !found.locked ? undefined : found;
}

function maybeOneOf<const T extends string>(text: string | undefined, values: readonly T[]): T | undefined {
  return values.find((value) => value === text);
}

function firmwareOf(os: XmlElement | undefined): Definition["firmware"] {
  const loader = child(os, "loader");
  const efi = attribute(os, "firmware") === "efi" || attribute(loader, "type") === "pflash";
  const enabled = (name: string) =>
    childrenOf(child(os, "firmware"), "feature").some(
      (feature) => attribute(feature, "name") === name && attribute(feature, "enabled") === "yes",
    );
  return {
    type: efi ? "efi" : "bios",
    secureBoot: efi && (enabled("secure-boot") || attribute(loader, "secure") === "yes"),
    enrolledKeys: efi && enabled("enrolled-keys"),
  };
}

function serialOf(domain: XmlElement): string | undefined {
  const entries = childrenOf(at(domain, "sysinfo", "system"), "entry");
  return entries.find((entry) => attribute(entry, "name") === "serial")?.text || undefined;
}

/** Parts of a domain that we write ourselves, or that libvirt adds and a new definition gets again. */
const knownParts = new Set(
  (
    "name uuid genid title description metadata memory currentMemory memoryBacking vcpu vcpus cputune numatune " +
    "sysinfo os features cpu clock on_poweroff on_reboot on_crash devices resource seclabel pm"
  ).split(" "),
);
const knownFeatures = new Set("acpi apic pae smm vmport gic".split(" "));

function unmanagedParts(domain: XmlElement): Unmanaged[] {
  const parts = domain.children
    .filter((part) => !knownParts.has(part.name))
    .map((part): Unmanaged => ({ what: part.name, critical: part.name === "qemu:commandline" }));
  const features = (child(domain, "features")?.children ?? [])
    .filter((feature) => !knownFeatures.has(feature.name))
    .map((feature): Unmanaged => ({ what: `feature ${feature.name}`, critical: false }));
  const os = (child(domain, "os")?.children ?? [])
    .filter((part) => ["kernel", "initrd", "cmdline", "init", "dtb"].includes(part.name))
    .map((part): Unmanaged => ({ what: `direct boot (${part.name})`, critical: true }));
  const tune = (child(domain, "cputune")?.children ?? [])
    .filter((part) => part.name !== "vcpupin" && part.name !== "emulatorpin")
    .map((part): Unmanaged => ({ what: `cputune ${part.name}`, critical: false }));
  const nodes = childrenOf(child(domain, "numatune"), "memnode").map(
    (): Unmanaged => ({ what: "numatune memnode", critical: false }),
  );
  return [...parts, ...features, ...os, ...tune, ...nodes];
}
