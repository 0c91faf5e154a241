import { type Hold, holdElement, recoveryElement } from "../../../ownership/index.ts";
import { element, type XmlElement } from "../../../xml/index.ts";
import type { CpuDefinition, Definition } from "../definition.ts";
import { type DomainMark, domainMarkElement } from "../mark.ts";
import { renderDevices } from "./render-devices.ts";

/** A volume as QEMU opens it. */
export interface DiskSource {
  readonly path: string;
  readonly format: "qcow2" | "raw";
}

/** What the definition does not say: decided when the domain is made, or found on the host. */
export interface RenderContext {
  readonly uuid: string;
  /** Sources by target, for every disk and the root disk. */
  readonly sources: ReadonlyMap<string, DiskSource>;
  /** Absent for an imported domain. */
  readonly mark?: DomainMark;
  /** Somebody stopped the machine for a time. */
  readonly hold?: Hold;
  /** Machine type that the host chose for the declared alias before; keeps the machine stable when QEMU is upgraded. */
  readonly resolvedMachine?: string;
  /** Set for libvirt's test driver, which knows only a type of its own. */
  readonly testDriver?: boolean;
}

const mib = (tag: string, value: number) => element(tag, { unit: "MiB" }, value);

function metadataOf({ recoveryRecord }: Definition, { hold, mark }: RenderContext): XmlElement | undefined {
  const parts = [
    mark === undefined ? undefined : domainMarkElement(mark, "definition"),
    hold === undefined ? undefined : holdElement(hold),
    recoveryRecord === undefined ? undefined : recoveryElement(recoveryRecord),
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : element("metadata", {}, parts);
}

/** libvirt's XML of a domain. The same definition and context always give the same element. */
export function renderDomain(definition: Definition, context: RenderContext): XmlElement {
  return element("domain", { type: context.testDriver === true ? "test" : definition.type }, [
    element("name", {}, definition.name),
    element("uuid", {}, context.uuid),
    definition.title !== undefined && element("title", {}, definition.title),
    definition.description !== undefined && element("description", {}, definition.description),
    metadataOf(definition, context),
    mib("memory", definition.maxMemoryMiB),
    mib("currentMemory", definition.memoryMiB),
    memoryBacking(definition),
    element("vcpu", { placement: "static", current: definition.vcpus }, definition.maxVcpus),
    cpuTune(definition),
    definition.numaTune !== undefined &&
      element("numatune", {}, [
        element("memory", { mode: definition.numaTune.mode, nodeset: definition.numaTune.nodeset }),
      ]),
    definition.smbiosSerial !== undefined &&
      element("sysinfo", { type: "smbios" }, [
        element("system", {}, [element("entry", { name: "serial" }, definition.smbiosSerial)]),
      ]),
    renderOs(definition, context.resolvedMachine),
    element("features", {}, [element("acpi"), element("apic")]),
    renderCpu(definition.cpu),
    element("clock", { offset: "utc" }),
    element("on_poweroff", {}, "destroy"),
    element("on_reboot", {}, "restart"),
    // A crashed guest ends as shut off with the reason "crashed": visible, and startable again.
    element("on_crash", {}, "destroy"),
    renderDevices(definition, context.sources),
  ]);
}

function memoryBacking({ memoryBacking: backing }: Definition): XmlElement | undefined {
  if (backing === undefined) return undefined;
  return element("memoryBacking", {}, [
    backing.hugepageKiB !== undefined &&
      element("hugepages", {}, [element("page", { size: backing.hugepageKiB, unit: "KiB" })]),
    backing.locked && element("locked"),
    backing.source !== undefined && element("source", { type: backing.source }),
    backing.access !== undefined && element("access", { mode: backing.access }),
  ]);
}

function cpuTune(definition: Definition): XmlElement | undefined {
  if (definition.cpuPins.length === 0 && definition.emulatorPin === undefined) return undefined;
  return element("cputune", {}, [
    ...definition.cpuPins.map((pin) => element("vcpupin", { vcpu: pin.vcpu, cpuset: pin.cpuset })),
    definition.emulatorPin !== undefined && element("emulatorpin", { cpuset: definition.emulatorPin }),
  ]);
}

function renderOs(definition: Definition, resolvedMachine: string | undefined): XmlElement {
  const { firmware } = definition;
  const efi = firmware.type === "efi";
  return element("os", { firmware: efi ? "efi" : undefined }, [
    element("type", { arch: definition.arch, machine: resolvedMachine ?? definition.machine }, "hvm"),
    efi &&
      element("firmware", {}, [
        element("feature", { enabled: firmware.enrolledKeys, name: "enrolled-keys" }),
        element("feature", { enabled: firmware.secureBoot, name: "secure-boot" }),
      ]),
    definition.smbiosSerial !== undefined && element("smbios", { mode: "sysinfo" }),
  ]);
}

function renderCpu(cpu: CpuDefinition): XmlElement {
  const custom = cpu.mode === "custom";
  return element(
    "cpu",
    {
      mode: cpu.mode,
      match: custom ? "exact" : undefined,
      check: custom ? "partial" : undefined,
      // Guests that see the host's CPU as it is cannot be moved to another one in any case.
      migratable: cpu.mode === "host-passthrough" ? "off" : undefined,
    },
    [
      custom && element("model", { fallback: "forbid" }, cpu.model ?? ""),
      cpu.topology !== undefined && element("topology", { ...cpu.topology }),
      ...cpu.features.map((feature) => element("feature", { policy: feature.policy, name: feature.name })),
      cpu.numaCells.length > 0 &&
        element(
          "numa",
          {},
          cpu.numaCells.map((cell, id) =>
            element("cell", { id, cpus: cell.cpus, memory: cell.memoryMiB, unit: "MiB" }),
          ),
        ),
    ],
  );
}
