import type { CpuMode, DomainInputs, HostDeviceInputs } from "../inputs.ts";
import { canonicalCpuset } from "./cpuset.ts";

/** Guest device of the root overlay. */
export const rootTarget = "vda";

export interface CpuDefinition {
  readonly mode: CpuMode;
  readonly model?: string;
  /** By name. */
  readonly features: readonly { readonly name: string; readonly policy: string }[];
  readonly topology?: {
    readonly sockets: number;
    readonly dies: number;
    readonly cores: number;
    readonly threads: number;
  };
  readonly numaCells: readonly { readonly cpus: string; readonly memoryMiB: number }[];
}

export interface MemoryBackingDefinition {
  readonly hugepageKiB?: number;
  readonly source?: "anonymous" | "memfd" | "file";
  readonly access?: "private" | "shared";
  readonly locked: boolean;
}

export interface DiskDefinition {
  readonly pool: string;
  readonly volume: string;
  readonly target: string;
  readonly serial?: string;
  readonly readOnly: boolean;
  readonly device: "disk" | "cdrom";
}

export interface InterfaceDefinition {
  readonly network?: string;
  readonly bridge?: string;
  readonly mac: string;
  readonly model: string;
  /** From the network's DHCP, not from the domain's XML. */
  readonly address?: string;
  /** Only with an address. */
  readonly hostname?: string;
  readonly filter?: string;
  readonly filterAddress?: string;
}

export interface HostDeviceDefinition {
  readonly address: string;
  readonly guestAddress?: string;
  readonly multifunction: boolean;
  readonly managed: boolean;
  readonly romBar?: boolean;
}

export interface FilesystemDefinition {
  readonly tag: string;
  readonly hostPath: string;
  readonly readOnly: boolean;
  readonly queueSize?: number;
}

/**
 * What libvirt holds of a domain, complete and in one form: every default is filled in, lists are in a stable order.
 * Two inputs mean the same exactly when their definitions are equal. Waits and permits are not part of it.
 */
export interface Definition {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly type: "kvm" | "qemu";
  readonly arch: string;
  readonly machine: string;
  readonly vcpus: number;
  readonly maxVcpus: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
  readonly cpu: CpuDefinition;
  readonly cpuPins: readonly { readonly vcpu: number; readonly cpuset: string }[];
  readonly emulatorPin?: string;
  readonly numaTune?: { readonly mode: string; readonly nodeset: string };
  readonly memoryBacking?: MemoryBackingDefinition;
  readonly firmware: {
    readonly type: "bios" | "efi";
    readonly secureBoot: boolean;
    readonly enrolledKeys: boolean;
  };
  readonly smbiosSerial?: string;
  readonly rootDisk?: { readonly pool: string; readonly image: string; readonly sizeMiB: number };
  readonly disks: readonly DiskDefinition[];
  readonly interfaces: readonly InterfaceDefinition[];
  readonly hostDevices: readonly HostDeviceDefinition[];
  readonly filesystems: readonly FilesystemDefinition[];
  readonly tpm?: { readonly model: string; readonly version: string };
  readonly rng: boolean;
  readonly console: boolean;
  readonly display: boolean;
  readonly guestAgent: boolean;
  readonly autostart: boolean;
  /** What the machine was last restarted for; in the mark, not in the definition proper. */
  readonly restartTrigger?: string;
  /** For whoever rebuilds the state of the stack; in an element of its own beside the mark. */
  readonly recoveryRecord?: string;
}

/** Drops members that are undefined: an absent member and an undefined one mean the same. */
export function compact<T extends object>(value: { readonly [K in keyof T]: T[K] | undefined }): T;
export function compact(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}

const emptyToAbsent = (text: string | undefined) => (text === "" ? undefined : text);

const byKey =
  <T>(key: (item: T) => string) =>
  (a: T, b: T) =>
    key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;

/** The definition that the inputs ask for. The inputs must have passed the checks. */
export function definitionOf(inputs: DomainInputs): Definition {
  const type = inputs.type ?? "kvm";
  return compact<Definition>({
    name: inputs.name,
    title: emptyToAbsent(inputs.title),
    description: emptyToAbsent(inputs.description),
    type,
    arch: inputs.arch ?? "x86_64",
    machine: inputs.machine ?? "q35",
    vcpus: inputs.vcpus,
    maxVcpus: inputs.maxVcpus ?? inputs.vcpus,
    memoryMiB: inputs.memoryMiB,
    maxMemoryMiB: inputs.maxMemoryMiB ?? inputs.memoryMiB,
    cpu: cpuOf(inputs, type),
    cpuPins: (inputs.cpuPins ?? [])
      .map((pin) => ({ vcpu: pin.vcpu, cpuset: canonicalCpuset(pin.cpuset) }))
      .sort((a, b) => a.vcpu - b.vcpu),
    emulatorPin: inputs.emulatorPin === undefined ? undefined : canonicalCpuset(inputs.emulatorPin),
    numaTune:
      inputs.numaTune === undefined
        ? undefined
        : { mode: inputs.numaTune.mode, nodeset: canonicalCpuset(inputs.numaTune.nodeset) },
    memoryBacking: memoryBackingOf(inputs),
    firmware: firmwareOf(inputs),
    smbiosSerial: emptyToAbsent(inputs.smbiosSerial),
    rootDisk:
      inputs.rootDisk === undefined
        ? undefined
        : {
            pool: inputs.rootDisk.pool,
            image: inputs.rootDisk.image,
            sizeMiB: inputs.rootDisk.sizeMiB,
          },
    ...devicesOf(inputs),
    rng: inputs.rng ?? true,
    console: inputs.console ?? true,
    display: inputs.display ?? false,
    guestAgent: inputs.guestAgent ?? true,
    autostart: inputs.autostart ?? false,
    restartTrigger: emptyToAbsent(inputs.restartTrigger),
    recoveryRecord: emptyToAbsent(inputs.recoveryRecord),
  });
}

function cpuOf(inputs: DomainInputs, type: "kvm" | "qemu"): CpuDefinition {
  const cpu = inputs.cpu ?? { mode: "host-passthrough" as const };
  // Emulation has no host CPU to pass through: such a definition is accepted and fails at start.
  const emulated = type === "qemu" && (cpu.mode === "host-passthrough" || cpu.mode === "host-model");
  const topology = cpu.topology;
  return compact<CpuDefinition>({
    mode: emulated ? "maximum" : cpu.mode,
    model: cpu.mode === "custom" ? cpu.model : undefined,
    features: (cpu.features ?? [])
      .map(({ name, policy }) => ({ name, policy }))
      .sort(byKey((feature) => feature.name)),
    topology:
      topology === undefined
        ? undefined
        : {
            sockets: topology.sockets,
            dies: topology.dies ?? 1,
            cores: topology.cores,
            threads: topology.threads,
          },
    numaCells: (cpu.numaCells ?? []).map((cell) => ({
      cpus: canonicalCpuset(cell.cpus),
      memoryMiB: cell.memoryMiB,
    })),
  });
}

function memoryBackingOf(inputs: DomainInputs): MemoryBackingDefinition | undefined {
  const shared = (inputs.filesystems ?? []).length > 0;
  const declared = inputs.memoryBacking;
  const backing = compact<MemoryBackingDefinition>({
    hugepageKiB: declared?.hugepageKiB,
    source: declared?.source ?? (shared && declared?.hugepageKiB === undefined ? "memfd" : undefined),
    access: declared?.access ?? (shared ? "shared" : undefined),
    locked: declared?.locked ?? false,
  });
  return Object.keys(backing).length === 1 && !backing.locked ? undefined : backing;
}

function firmwareOf(inputs: DomainInputs): Definition["firmware"] {
  const efi = inputs.firmware?.type === "efi";
  return {
    type: efi ? "efi" : "bios",
    secureBoot: efi && (inputs.firmware?.secureBoot ?? false),
    enrolledKeys: efi && (inputs.firmware?.enrolledKeys ?? false),
  };
}

function devicesOf(inputs: DomainInputs): Pick<
  Definition,
  "disks" | "interfaces" | "hostDevices" | "filesystems"
> & {
  tpm: Definition["tpm"] | undefined;
} {
  return {
    disks: (inputs.disks ?? [])
      .map((disk) => {
        const device = disk.device ?? "disk";
        return compact<DiskDefinition>({
          pool: disk.pool,
          volume: disk.volume,
          target: disk.target,
          serial: emptyToAbsent(disk.serial),
          readOnly: device === "cdrom" || (disk.seed ?? false) || (disk.readOnly ?? false),
          device,
        });
      })
      .sort(byKey((disk) => disk.target)),
    interfaces: (inputs.interfaces ?? []).map((nic) =>
      compact<InterfaceDefinition>({
        network: nic.network,
        bridge: nic.bridge,
        mac: nic.mac,
        model: nic.model ?? "virtio",
        address: nic.address,
        hostname: nic.address === undefined ? undefined : (nic.hostname ?? inputs.name),
        filter: nic.filter,
        filterAddress: nic.filterAddress,
      }),
    ),
    hostDevices: (inputs.hostDevices ?? []).map(hostDeviceOf),
    filesystems: (inputs.filesystems ?? []).map((filesystem) =>
      compact<FilesystemDefinition>({
        tag: filesystem.tag,
        hostPath: filesystem.hostPath,
        readOnly: filesystem.readOnly ?? false,
        queueSize: filesystem.queueSize,
      }),
    ),
    tpm:
      inputs.tpm === undefined
        ? undefined
        : { model: inputs.tpm.model ?? "tpm-crb", version: inputs.tpm.version ?? "2.0" },
  };
}

function hostDeviceOf(device: HostDeviceInputs): HostDeviceDefinition {
  return compact<HostDeviceDefinition>({
    address: device.address,
    guestAddress: device.guestAddress,
    multifunction: device.multifunction ?? false,
    managed: device.managed ?? false,
    romBar: device.romBar,
  });
}
