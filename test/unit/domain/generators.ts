import fc from "fast-check";
import type { DomainInputs } from "../../../providers/libvirt/resources/inputs.ts";

/** Inputs of domains that pass the checks and that a QEMU of Debian 12 defines. */

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}[a-z0-9]$/);
const text = fc
  .string({ unit: fc.constantFrom(..."abc ABC019<>&\"'=;:ä€-_./"), minLength: 1, maxLength: 30 })
  .filter((value) => value.trim() === value);
const mac = fc
  .array(fc.integer({ min: 0, max: 255 }), { minLength: 3, maxLength: 3 })
  .map((bytes) => ["52", "54", "00", ...bytes.map((byte) => byte.toString(16).padStart(2, "0"))].join(":"));
const bool = fc.boolean();

function optional<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

/** Mostly an empty list. */
function rarely<T>(list: fc.Arbitrary<T[]>): fc.Arbitrary<T[]> {
  return fc.tuple(fc.nat(3), list).map(([dice, items]) => (dice === 0 ? items : []));
}

/** Without members that are undefined, as inputs have them. */
function dropUndefined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T;
function dropUndefined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}

const topology = fc.record({
  sockets: fc.integer({ min: 1, max: 2 }),
  cores: fc.integer({ min: 1, max: 4 }),
  threads: fc.integer({ min: 1, max: 2 }),
});

const cpu = fc.record({
  mode: fc.constantFrom("host-passthrough", "host-model", "maximum", "custom" as const),
  topology: optional(topology),
  features: optional(
    fc.uniqueArray(
      fc.record({
        name: fc.constantFrom("aes", "avx2", "pcid", "pdpe1gb", "x2apic"),
        policy: fc.constantFrom("require", "disable", "optional" as const),
      }),
      { selector: (feature) => feature.name, minLength: 1, maxLength: 3 },
    ),
  ),
  cells: fc.integer({ min: 0, max: 2 }),
});

const disk = fc.record({
  pool: fc.constant("lab"),
  volume: name,
  target: fc.constantFrom("vdb", "vdc", "vdd", "vdaa"),
  serial: optional(fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/)),
  readOnly: optional(bool),
});

const seed = fc.record({
  pool: fc.constant("lab"),
  volume: name,
  target: fc.constantFrom("vdy", "vdz"),
  seed: optional(bool),
});

const cdrom = fc.record({
  pool: fc.constant("lab"),
  volume: name,
  target: fc.constantFrom("sda", "sdb"),
  device: fc.constant("cdrom" as const),
  seed: optional(bool),
});

const nic = fc.record({
  on: fc.constantFrom({ network: "lab" }, { network: "other" }, { bridge: "br0" }),
  mac,
  host: optional(fc.integer({ min: 2, max: 200 })),
  hostname: optional(name),
  filter: optional(fc.constantFrom("clean-traffic", "no-mac-spoofing")),
  filterAddress: optional(fc.constantFrom("10.50.0.11", "192.0.2.7")),
  model: optional(fc.constantFrom("virtio", "e1000e")),
});

const hostDevice = fc.record({
  address: fc.integer({ min: 1, max: 0x1f }).map((bus) => `0000:${bus.toString(16).padStart(2, "0")}:00.0`),
  guestAddress: fc.boolean(),
  multifunction: bool,
  managed: optional(bool),
  romBar: optional(bool),
});

const filesystem = fc.record({
  tag: name,
  hostPath: name.map((part) => `/srv/${part}`),
  queueSize: optional(fc.constant(1024)),
});

const policies = fc.record({
  stop: optional(fc.record({ timeoutSeconds: fc.integer({ min: 1, max: 1000 }) })),
  quiesce: optional(
    fc.constantFrom({ hook: "ifPresent" as const }, { onTimeout: "kill" as const, timeoutSeconds: 60 }),
  ),
  ready: optional(fc.constant({ wait: "none" as const })),
  rolloutGroup: optional(name),
});

const base = fc.record({
  name,
  title: optional(text),
  recoveryRecord: optional(fc.base64String({ minLength: 4, maxLength: 400 })),
  description: optional(text),
  type: optional(fc.constantFrom("kvm", "qemu" as const)),
  vcpus: fc.integer({ min: 1, max: 8 }),
  spareVcpus: fc.integer({ min: 0, max: 4 }),
  memoryMiB: fc.integer({ min: 64, max: 4096 }),
  spareMemory: fc.constantFrom(0, 0, 256, 1024),
  cpu: optional(cpu),
  pins: fc.integer({ min: 0, max: 2 }),
  emulatorPin: optional(fc.constantFrom("0", "0,1", "0-1")),
  numaTune: optional(
    fc.record({
      mode: fc.constantFrom("strict", "preferred", "interleave" as const),
      nodeset: fc.constant("0"),
    }),
  ),
  memoryBacking: optional(
    fc.constantFrom(
      { hugepageKiB: 2048 },
      { source: "memfd" as const },
      { source: "memfd" as const, access: "shared" as const },
      { locked: true },
      { hugepageKiB: 2048, access: "shared" as const },
    ),
  ),
  firmware: optional(
    fc.constantFrom(
      { type: "bios" as const },
      { type: "efi" as const },
      { type: "efi" as const, secureBoot: true },
      { type: "efi" as const, secureBoot: true, enrolledKeys: true },
    ),
  ),
  smbiosSerial: optional(name.map((host) => `ds=nocloud;h=${host};i=1`)),
  rootDisk: optional(
    fc.record({ pool: fc.constant("lab"), image: name, sizeMiB: fc.integer({ min: 1, max: 9999 }) }),
  ),
  disks: fc.uniqueArray(fc.oneof(disk, seed, cdrom), { selector: (item) => item.target, maxLength: 4 }),
  interfaces: fc.uniqueArray(nic, { selector: (item) => item.mac, maxLength: 3 }),
  hostDevices: rarely(fc.uniqueArray(hostDevice, { selector: (item) => item.address, maxLength: 3 })),
  filesystems: rarely(fc.uniqueArray(filesystem, { selector: (item) => item.tag, maxLength: 2 })),
  tpm: optional(fc.constantFrom({}, { model: "tpm-tis" as const })),
  rng: optional(bool),
  console: optional(bool),
  display: optional(bool),
  guestAgent: optional(bool),
  policies,
});

/** Valid inputs of a domain. */
export const domainInputs: fc.Arbitrary<DomainInputs> = base.map((drawn) => {
  const shape = drawn.cpu?.topology;
  const product = shape === undefined ? undefined : shape.sockets * shape.cores * shape.threads;
  const maxVcpus = product ?? drawn.vcpus + drawn.spareVcpus;
  const vcpus = Math.min(drawn.vcpus, maxVcpus);
  const passthrough = drawn.hostDevices.length > 0;
  const cells = maxVcpus >= 2 && drawn.cpu?.cells === 2 ? 2 : 0;
  // Cells must divide the memory and the CPUs.
  const memoryMiB = cells === 0 ? drawn.memoryMiB : drawn.memoryMiB - (drawn.memoryMiB % 2);
  const spare = passthrough || cells > 0 ? 0 : drawn.spareMemory;
  const half = Math.floor(maxVcpus / 2);
  const numaCells = [
    { cpus: half === 1 ? "0" : `0-${half - 1}`, memoryMiB: memoryMiB / 2 },
    { cpus: half === maxVcpus - 1 ? `${half}` : `${half}-${maxVcpus - 1}`, memoryMiB: memoryMiB / 2 },
  ];
  const shared = drawn.filesystems.length > 0;
  return dropUndefined<DomainInputs>({
    name: drawn.name,
    title: drawn.title,
    recoveryRecord: drawn.recoveryRecord,
    description: drawn.description,
    type: drawn.type,
    arch: undefined,
    machine: undefined,
    vcpus,
    maxVcpus: maxVcpus === vcpus ? undefined : maxVcpus,
    memoryMiB,
    maxMemoryMiB: spare === 0 ? undefined : memoryMiB + spare,
    cpu:
      drawn.cpu === undefined
        ? undefined
        : dropUndefined<NonNullable<DomainInputs["cpu"]>>({
            mode: drawn.cpu.mode,
            model: drawn.cpu.mode === "custom" ? "qemu64" : undefined,
            features: drawn.cpu.features,
            topology: shape,
            numaCells: cells === 2 ? numaCells : undefined,
          }),
    cpuPins: Array.from({ length: Math.min(drawn.pins, maxVcpus) }, (_, vcpu) => ({ vcpu, cpuset: "0,1" })),
    emulatorPin: drawn.emulatorPin,
    numaTune: drawn.numaTune,
    memoryBacking: shared ? undefined : drawn.memoryBacking,
    firmware: drawn.firmware,
    smbiosSerial: drawn.smbiosSerial,
    rootDisk: drawn.rootDisk,
    disks: drawn.disks.map((item) => dropUndefined<NonNullable<DomainInputs["disks"]>[number]>(item)),
    interfaces: drawn.interfaces.map(({ on, ...item }, index) =>
      dropUndefined<NonNullable<DomainInputs["interfaces"]>[number]>({
        ...on,
        network: on.network,
        bridge: on.bridge,
        mac: item.mac,
        model: item.model,
        address:
          on.network === undefined || item.host === undefined ? undefined : `10.50.${index}.${item.host}`,
        hostname: on.network === undefined || item.host === undefined ? undefined : item.hostname,
        filter: item.filter,
        filterAddress: item.filter === undefined ? undefined : item.filterAddress,
      }),
    ),
    hostDevices: drawn.hostDevices.map((item, index) =>
      dropUndefined<NonNullable<DomainInputs["hostDevices"]>[number]>({
        address: item.address,
        guestAddress: item.guestAddress
          ? `0000:${(8 + index).toString(16).padStart(2, "0")}:00.0`
          : undefined,
        multifunction: item.guestAddress ? item.multifunction : undefined,
        managed: item.managed,
        romBar: item.romBar,
      }),
    ),
    filesystems: drawn.filesystems.map((item) =>
      dropUndefined<NonNullable<DomainInputs["filesystems"]>[number]>({ ...item, readOnly: undefined }),
    ),
    tpm: drawn.tpm,
    rng: drawn.rng,
    console: drawn.console,
    display: drawn.display,
    guestAgent: drawn.guestAgent,
    autostart: undefined,
    running: undefined,
    deriveSshHostKey: undefined,
    ...drawn.policies,
    maxUnavailable: undefined,
  });
});
