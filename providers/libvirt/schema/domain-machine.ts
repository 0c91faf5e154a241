import type { DomainInputs } from "../resources/inputs.ts";
import type { FieldTable } from "./table.ts";

/** The machine that the guest sees, besides its devices. */
export const machine = {
  type: {
    type: "string",
    default: "kvm",
    values: { kvm: "Hardware virtualisation.", qemu: "QEMU's own emulation, slow, works everywhere." },
    description: "How the guest's CPU is run.",
    effect: "restart",
  },
  arch: { type: "string", default: "x86_64", description: "Architecture of the guest.", effect: "restart" },
  machine: {
    type: "string",
    default: "q35",
    description: "Machine type. An alias is resolved by the host; the resolved type is not a change.",
    effect: "restart",
  },
  cpu: {
    type: "object",
    typeName: "Cpu",
    description: "CPU shown to the guest.",
    defaultText: "host-passthrough for kvm, maximum for qemu",
    effect: "restart",
    fields: {
      mode: {
        type: "string",
        required: true,
        values: {
          "host-passthrough": "The host's CPU as it is. Under emulation `maximum` is used instead.",
          "host-model": "The nearest model that libvirt knows. Under emulation `maximum` is used instead.",
          maximum: "Everything that the hypervisor can offer.",
          custom: "The model named by `model`.",
        },
        description: "How the CPU is chosen.",
        effect: "restart",
      },
      model: {
        type: "string",
        description: "Model for mode `custom`.",
        example: "qemu64",
        effect: "restart",
      },
      features: {
        type: "array",
        description: "CPU features that differ from the model.",
        effect: "restart",
        items: {
          type: "object",
          typeName: "CpuFeature",
          key: "name",
          fields: {
            name: {
              type: "string",
              required: true,
              description: "Name of the feature.",
              example: "vmx",
              effect: "restart",
            },
            policy: {
              type: "string",
              required: true,
              values: {
                require: "The start fails without it.",
                disable: "Hidden from the guest.",
                optional: "Shown if the host has it.",
                force: "Shown even if the host lacks it.",
                forbid: "The start fails if the host has it.",
              },
              description: "What happens with the feature.",
              effect: "restart",
            },
          },
        },
      },
      topology: {
        type: "object",
        typeName: "CpuTopology",
        description: "Sockets, cores and threads. The product equals maxVcpus.",
        effect: "restart",
        fields: {
          sockets: {
            type: "integer",
            required: true,
            minimum: 1,
            description: "Sockets.",
            effect: "restart",
          },
          dies: {
            type: "integer",
            minimum: 1,
            default: 1,
            description: "Dies per socket.",
            effect: "restart",
          },
          cores: {
            type: "integer",
            required: true,
            minimum: 1,
            description: "Cores per die.",
            effect: "restart",
          },
          threads: {
            type: "integer",
            required: true,
            minimum: 1,
            description: "Threads per core.",
            effect: "restart",
          },
        },
      },
      numaCells: {
        type: "array",
        description: "NUMA nodes of the guest, in order.",
        effect: "restart",
        items: {
          type: "object",
          typeName: "NumaCell",
          fields: {
            cpus: {
              type: "string",
              required: true,
              description: "Virtual CPUs of the cell.",
              example: "0-3",
              effect: "restart",
            },
            memoryMiB: {
              type: "integer",
              required: true,
              minimum: 1,
              unit: "MiB",
              description: "Memory of the cell.",
              effect: "restart",
            },
          },
        },
      },
    },
  },
  cpuPins: {
    type: "array",
    description: "Host CPUs on which single virtual CPUs run.",
    effect: "live",
    items: {
      type: "object",
      typeName: "CpuPin",
      key: "vcpu",
      fields: {
        vcpu: {
          type: "integer",
          required: true,
          minimum: 0,
          description: "Number of the virtual CPU.",
          effect: "live",
        },
        cpuset: {
          type: "string",
          required: true,
          description: "Host CPUs as libvirt writes them.",
          example: "4-5,8",
          effect: "live",
        },
      },
    },
  },
  emulatorPin: {
    type: "string",
    description: "Host CPUs on which QEMU's own threads run.",
    example: "0-1",
    effect: "live",
  },
  numaTune: {
    type: "object",
    typeName: "NumaTune",
    description: "Host NUMA nodes that the guest's memory comes from.",
    effect: "restart",
    fields: {
      mode: {
        type: "string",
        required: true,
        values: {
          strict: "Only from these nodes.",
          preferred: "From these nodes as long as they have memory.",
          interleave: "Spread over these nodes.",
          restrictive: "Only from these nodes, by the kernel's control group.",
        },
        description: "How strictly the nodes are used.",
        effect: "restart",
      },
      nodeset: {
        type: "string",
        required: true,
        description: "Host nodes.",
        example: "0",
        effect: "restart",
      },
    },
  },
  memoryBacking: {
    type: "object",
    typeName: "MemoryBacking",
    description: "What holds the guest's memory on the host.",
    effect: "restart",
    fields: {
      hugepageKiB: {
        type: "integer",
        minimum: 4,
        unit: "KiB",
        description: "Size of huge pages; they must be reserved on the host.",
        example: 2048,
        effect: "restart",
      },
      source: {
        type: "string",
        defaultText: "anonymous; memfd with file systems and without huge pages",
        values: {
          anonymous: "Ordinary memory.",
          memfd: "Anonymous file, can be shared with virtiofsd.",
          file: "A file below the hypervisor's memory directory.",
        },
        description: "Kind of memory.",
        effect: "restart",
      },
      access: {
        type: "string",
        defaultText: "private; shared with file systems",
        values: { private: "Used by QEMU only.", shared: "Shared with helper processes; virtiofs needs it." },
        description: "Who may map the memory.",
        effect: "restart",
      },
      locked: {
        type: "boolean",
        default: false,
        description: "Lock the memory in RAM. Takes away QEMU's memory limit.",
        effect: "restart",
      },
    },
  },
  firmware: {
    type: "object",
    typeName: "Firmware",
    description: "Firmware of the guest.",
    defaultText: "bios",
    effect: "restart",
    fields: {
      type: {
        type: "string",
        required: true,
        values: { bios: "SeaBIOS.", efi: "UEFI, chosen by libvirt from what the host has." },
        description: "Kind of firmware.",
        effect: "restart",
      },
      secureBoot: { type: "boolean", default: false, description: "Secure Boot is on.", effect: "restart" },
      enrolledKeys: {
        type: "boolean",
        default: false,
        description: "The firmware carries the usual vendors' keys.",
        effect: "restart",
      },
    },
  },
  smbiosSerial: {
    type: "string",
    description:
      "SMBIOS system serial. `ds=nocloud;h=NAME;i=ID` gives cloud-init its host name and instance id without a seed of its own.",
    example: "ds=nocloud;h=lab-compute-01;i=1",
    effect: [
      {
        when: "instance",
        effect: "rebuild",
        because: "a new instance of cloud-init sets up a new root disk",
      },
      { when: "otherwise", effect: "restart" },
    ],
  },
} satisfies Partial<FieldTable<DomainInputs>>;
