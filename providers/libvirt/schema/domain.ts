import type { DomainInputs } from "../resources/inputs.ts";
import { devices } from "./domain-devices.ts";
import { lifecycle } from "./domain-lifecycle.ts";
import { machine } from "./domain-machine.ts";
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
