/** Functions of the package. Their members are data for the SDK and the reference. */

interface MemberSpec {
  readonly type: "string" | "integer" | "boolean" | "strings" | "objects";
  readonly typeName?: string;
  readonly fields?: Readonly<Record<string, MemberSpec>>;
  readonly description: string;
  readonly unit?: string;
  readonly optional?: true;
}

export interface FunctionSpec {
  readonly description: string;
  readonly inputs: Readonly<Record<string, MemberSpec>>;
  readonly outputs: Readonly<Record<string, MemberSpec>>;
}

export type { MemberSpec };

const unknownNote = "Absent where libvirt does not say.";

export const functions: Readonly<Record<string, FunctionSpec>> = {
  getHost: {
    description: "Facts about the host. Read once per run.",
    inputs: {},
    outputs: {
      uri: { type: "string", description: "Connection URI." },
      hostname: { type: "string", description: "The host's name." },
      driver: { type: "string", description: "libvirt's driver, `QEMU` or `Test`." },
      libvirtVersion: { type: "string", description: "Version of libvirt, for example `9.0.0`." },
      hypervisorVersion: { type: "string", description: "Version of the hypervisor, for example `7.2.19`." },
      arch: { type: "string", description: "Architecture of the host." },
      cpuModel: { type: "string", optional: true, description: `CPU model. ${unknownNote}` },
      cpus: { type: "integer", description: "Logical CPUs." },
      sockets: { type: "integer", description: "Sockets per NUMA node." },
      cores: { type: "integer", description: "Cores per socket." },
      threads: { type: "integer", description: "Threads per core." },
      numaNodes: { type: "integer", description: "NUMA nodes." },
      memoryMiB: { type: "integer", unit: "MiB", description: "Memory." },
      freeMemoryMiB: {
        type: "integer",
        unit: "MiB",
        optional: true,
        description: `Memory that is free or can be freed at once. ${unknownNote}`,
      },
      kvm: {
        type: "boolean",
        optional: true,
        description:
          "Hardware virtualisation: true where a guest is running with it, false where libvirt does not offer it. Absent where it is offered and not proven: a device node that exists need not work.",
      },
      uefi: {
        type: "boolean",
        optional: true,
        description: `UEFI firmware for guests is installed. ${unknownNote}`,
      },
    },
  },
  getDomainAddresses: {
    description:
      "Addresses of domains by the networks' reservations and leases. Read once per run for all domains of the host.",
    inputs: {
      names: {
        type: "strings",
        optional: true,
        description: "Names of the domains. Default: all of the host.",
      },
    },
    outputs: {
      domains: {
        type: "objects",
        typeName: "DomainAddresses",
        description: "One item per domain that exists, by name.",
        fields: {
          name: { type: "string", description: "Name of the domain." },
          uuid: { type: "string", description: "UUID of the domain." },
          running: { type: "boolean", description: "The domain is running." },
          interfaces: {
            type: "objects",
            typeName: "InterfaceAddresses",
            description: "Its interfaces.",
            fields: {
              mac: { type: "string", description: "MAC address." },
              network: {
                type: "string",
                optional: true,
                description: "libvirt network; absent on a bridge.",
              },
              addresses: { type: "strings", description: "Its addresses, reserved ones first." },
            },
          },
        },
      },
    },
  },
};
