import type { DomainInputs } from "../resources/inputs.ts";
import { devices } from "./domain-devices.ts";
import type { FieldTable } from "./table.ts";

const rootDisk: FieldTable<Exclude<DomainInputs["rootDisk"], undefined>> = {
  pool: {
    type: "string",
    required: true,
    description: "Name of the pool that holds the overlay.",
    example: "lab",
    effect: "replace",
  },
  image: {
    type: "string",
    required: true,
    description:
      "Name of the image volume in the same pool. The overlay is copy-on-write over it, so the image must not be changed while the domain exists; a new image is a new volume.",
    example: "debian-13-slurm-3f2a",
    effect: "rebuild",
  },
  sizeMiB: {
    type: "integer",
    required: true,
    minimum: 1,
    unit: "MiB",
    description: "Size of the overlay. The guest grows its file system at the next boot.",
    example: 20480,
    effect: [
      { when: "grow", effect: "live" },
      {
        when: "otherwise",
        effect: "forbidden",
        because: "a root disk cannot shrink; keep the size, or give the machine a new name to make it anew",
      },
    ],
  },
};

const identity = {
  name: {
    type: "string",
    required: true,
    pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
    description: "Name of the domain on the host; also the default host name of its reservations.",
    example: "lab-compute-01",
    effect: "replace",
  },
  title: { type: "string", description: "Short text for people, shown by management tools.", effect: "live" },
  description: { type: "string", description: "Longer text for people.", effect: "live" },
} satisfies Partial<FieldTable<DomainInputs>>;

const sizing = {
  vcpus: {
    type: "integer",
    required: true,
    minimum: 1,
    description: "Virtual CPUs that are online.",
    example: 4,
    effect: [
      { when: "withinMaxVcpus", effect: "live", because: "grows up to maxVcpus by hot-plug" },
      {
        when: "otherwise",
        effect: "restart",
        because: "a guest does not give CPUs back reliably while it runs",
      },
    ],
  },
  maxVcpus: {
    type: "integer",
    minimum: 1,
    defaultText: "vcpus",
    description: "Largest number of virtual CPUs that can be reached without a restart.",
    effect: "restart",
  },
  memoryMiB: {
    type: "integer",
    required: true,
    minimum: 16,
    unit: "MiB",
    description: "Memory of the guest.",
    example: 4096,
    effect: [
      { when: "withinBalloon", effect: "live", because: "changes up to maxMemoryMiB by the balloon" },
      { when: "otherwise", effect: "restart" },
    ],
  },
  maxMemoryMiB: {
    type: "integer",
    minimum: 16,
    unit: "MiB",
    defaultText: "memoryMiB",
    description: "Largest memory that can be reached without a restart.",
    effect: "restart",
  },
} satisfies Partial<FieldTable<DomainInputs>>;

const machine = {
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
    effect: "restart",
  },
} satisfies Partial<FieldTable<DomainInputs>>;

const lifecycle = {
  autostart: {
    type: "boolean",
    default: false,
    description: "Start the domain when the host boots.",
    effect: "live",
  },
  running: {
    type: "boolean",
    default: true,
    description: "Declared power state. A domain that should run and does not is drift.",
    effect: [
      { when: "turnedOn", effect: "live", because: "is started" },
      { when: "otherwise", effect: "restart", because: "is quiesced and stopped, and stays off" },
    ],
  },
  deriveSshHostKey: {
    type: "boolean",
    default: false,
    description:
      "Write the SSH host key that is derived from the provider's `identitySecret` and the domain's name into the guest, at the first boot of each new root disk.",
    effect: "none",
  },
  stop: {
    type: "object",
    typeName: "Stop",
    description: "How the domain is stopped.",
    effect: "none",
    fields: {
      timeoutSeconds: {
        type: "integer",
        default: 300,
        minimum: 1,
        unit: "seconds",
        description: "Time for the guest to shut down after it was quiesced.",
        effect: "none",
      },
      onTimeout: {
        type: "string",
        default: "fail",
        values: {
          fail: "An error that says what to do.",
          powerOff: "Hard power-off; the guest may lose data.",
        },
        description: "What happens when the guest is still running then.",
        effect: "none",
      },
    },
  },
  quiesce: {
    type: "object",
    typeName: "Quiesce",
    description: "How the guest is emptied before it is stopped.",
    effect: "none",
    fields: {
      hook: {
        type: "string",
        default: "required",
        values: {
          required: "A missing agent or hook is an error.",
          ifPresent: "Stop without it where the guest has none.",
          never: "Do not ask the guest.",
        },
        description: "Use of the guest's `quiesce` program.",
        effect: "none",
      },
      timeoutSeconds: {
        type: "integer",
        default: 3600,
        minimum: 1,
        unit: "seconds",
        description: "Time for the program to empty the machine.",
        effect: "none",
      },
    },
  },
  ready: {
    type: "object",
    typeName: "Ready",
    description: "When a started domain counts as ready.",
    effect: "none",
    fields: {
      wait: {
        type: "string",
        default: "hook",
        values: {
          hook: "The guest's `ready` program says so.",
          agent: "The guest agent answers.",
          none: "Running is enough.",
        },
        description: "What is waited for.",
        effect: "none",
      },
      timeoutSeconds: {
        type: "integer",
        default: 900,
        minimum: 1,
        unit: "seconds",
        description: "Time from start to ready.",
        effect: "none",
      },
    },
  },
  rolloutGroup: {
    type: "string",
    defaultText: "no group, no limit",
    description: "Machines with the same group share permits for restarts and rebuilds.",
    example: "lab/compute",
    effect: "none",
  },
  maxUnavailable: {
    type: "integer",
    default: 1,
    minimum: 1,
    description: "Machines of the group that may be down at a time.",
    effect: "none",
  },
} satisfies Partial<FieldTable<DomainInputs>>;

/** Every input of a domain. */
export const domainTable: FieldTable<DomainInputs> = {
  ...identity,
  ...machine,
  ...sizing,
  rootDisk: {
    type: "object",
    typeName: "RootDisk",
    description:
      "The overlay that the domain owns. Absent for a domain without one, for example an imported one.",
    effect: [
      {
        when: "set",
        effect: "forbidden",
        because: "a domain gets its root disk when it is made; declare a new domain with another name",
      },
      {
        when: "otherwise",
        effect: "forbidden",
        because: "the overlay would be left without an owner; declare a new domain with another name",
      },
    ],
    fields: rootDisk,
  },
  ...devices,
  ...lifecycle,
};
