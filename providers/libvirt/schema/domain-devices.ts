import type { DomainInputs } from "../resources/inputs.ts";
import type { ConditionalEffect, FieldTable } from "./table.ts";

const anotherSeed: ConditionalEffect = {
  when: "seed",
  effect: "rebuild",
  because: "cloud-init reads another seed only on a new root disk",
};

/** Devices of a domain. */
export const devices = {
  disks: {
    type: "array",
    description: "Other volumes, which live longer than the domain.",
    effect: [anotherSeed, { when: "addedDisk", effect: "live" }, { when: "otherwise", effect: "restart" }],
    items: {
      type: "object",
      typeName: "Disk",
      key: "target",
      fields: {
        pool: {
          type: "string",
          required: true,
          description: "Name of the pool.",
          example: "lab",
          effect: [anotherSeed, { when: "otherwise", effect: "restart" }],
        },
        volume: {
          type: "string",
          required: true,
          description: "Name of the volume.",
          example: "lab-state",
          effect: [anotherSeed, { when: "otherwise", effect: "restart" }],
        },
        target: {
          type: "string",
          required: true,
          description: "Guest device; identifies the disk.",
          example: "vdb",
          effect: "restart",
        },
        serial: {
          type: "string",
          description:
            "Serial number shown to the guest, which finds the disk as `/dev/disk/by-id/virtio-SERIAL`.",
          example: "hyperlab-state",
          effect: "restart",
        },
        readOnly: {
          type: "boolean",
          defaultText: "false; a cdrom or a seed is always read-only",
          description: "The guest cannot write.",
          effect: [
            { when: "sameAccess", effect: "none" },
            { when: "otherwise", effect: "restart" },
          ],
        },
        seed: {
          type: "boolean",
          default: false,
          description:
            "The disk is a seed: cloud-init configures the machine from it, once for each root disk. Always read-only.",
          effect: [
            { when: "sameAccess", effect: "none" },
            { when: "otherwise", effect: "restart" },
          ],
        },
        device: {
          type: "string",
          default: "disk",
          values: { disk: "A virtio disk.", cdrom: "A read-only SATA drive." },
          description: "Kind of device.",
          effect: "restart",
        },
      },
    },
  },
  interfaces: {
    type: "array",
    description: "Network interfaces, in the guest's order.",
    effect: [
      { when: "added", effect: "live" },
      { when: "removedFurther", effect: "live" },
      { when: "otherwise", effect: "restart" },
    ],
    items: {
      type: "object",
      typeName: "Interface",
      key: "mac",
      fields: {
        network: {
          type: "string",
          description: "Name of a libvirt network. Exactly one of `network` and `bridge`.",
          example: "lab",
          effect: "restart",
        },
        bridge: { type: "string", description: "Bridge of the host.", example: "br0", effect: "restart" },
        mac: {
          type: "string",
          required: true,
          pattern: "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$",
          description: "MAC address in lower case; identifies the interface.",
          example: "52:54:00:12:34:56",
          effect: "restart",
        },
        address: {
          type: "string",
          description:
            "Address reserved for the MAC in the network's DHCP. Only with `network`, and a network that has DHCP.",
          example: "10.50.0.11",
          effect: "restart",
        },
        hostname: {
          type: "string",
          defaultText: "the domain's name",
          description: "Host name of the reservation and of the DNS entry.",
          effect: "live",
        },
        model: { type: "string", default: "virtio", description: "Model of the card.", effect: "restart" },
        filter: {
          type: "string",
          defaultText: "none",
          description:
            "Filter of the host (libvirt's nwfilter) for what the guest sends and gets. `clean-traffic` lets it use its own MAC and address only.",
          example: "clean-traffic",
          effect: "live",
        },
        filterAddress: {
          type: "string",
          defaultText: "libvirt watches which address the guest uses first",
          description:
            "IPv4 address that the filter lets the guest use (its variable IP). Only with `filter`.",
          example: "10.50.0.11",
          effect: "live",
        },
      },
    },
  },
  hostDevices: {
    type: "array",
    description: "PCI devices of the host that the guest gets.",
    effect: "restart",
    items: {
      type: "object",
      typeName: "HostDevice",
      key: "address",
      fields: {
        address: {
          type: "string",
          required: true,
          pattern: "^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]$",
          description: "PCI address on the host; identifies the device.",
          example: "0000:41:00.0",
          effect: "restart",
        },
        guestAddress: {
          type: "string",
          pattern: "^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]$",
          defaultText: "chosen by libvirt",
          description: "PCI address in the guest.",
          example: "0000:05:00.0",
          effect: "restart",
        },
        multifunction: {
          type: "boolean",
          default: false,
          description: "Other functions share the guest's slot.",
          effect: "restart",
        },
        managed: {
          type: "boolean",
          default: false,
          description:
            "libvirt detaches the device from its host driver and gives it back. Without it the device is bound to vfio for good.",
          effect: "restart",
        },
        romBar: {
          type: "boolean",
          defaultText: "the hypervisor's own",
          description: "Show the device's ROM to the guest.",
          effect: "restart",
        },
      },
    },
  },
  filesystems: {
    type: "array",
    description: "Directories of the host shared by virtiofs. Memory becomes shared.",
    effect: "restart",
    items: {
      type: "object",
      typeName: "Filesystem",
      key: "tag",
      fields: {
        tag: {
          type: "string",
          required: true,
          description: "Name by which the guest mounts it; identifies the file system.",
          example: "data",
          effect: "restart",
        },
        hostPath: {
          type: "string",
          required: true,
          description: "Absolute path on the host.",
          example: "/srv/data",
          effect: "restart",
        },
        readOnly: {
          type: "boolean",
          default: false,
          description: "The guest cannot write.",
          effect: "restart",
        },
        queueSize: {
          type: "integer",
          minimum: 1,
          description: "Length of the request queue.",
          effect: "restart",
        },
      },
    },
  },
  tpm: {
    type: "object",
    typeName: "Tpm",
    description: "Emulated TPM. The host needs swtpm.",
    effect: "restart",
    fields: {
      model: {
        type: "string",
        default: "tpm-crb",
        values: { "tpm-crb": "Command response buffer.", "tpm-tis": "The older interface." },
        description: "Model of the device.",
        effect: "restart",
      },
      version: {
        type: "string",
        default: "2.0",
        values: { "2.0": "TPM 2.0." },
        description: "Version.",
        effect: "restart",
      },
    },
  },
  rng: {
    type: "boolean",
    default: true,
    description: "Random number generator fed by the host.",
    effect: "restart",
  },
  console: { type: "boolean", default: true, description: "Serial console.", effect: "restart" },
  display: {
    type: "boolean",
    default: false,
    description: "Virtual display, VNC on the host's loopback address.",
    effect: "restart",
  },
  guestAgent: {
    type: "boolean",
    default: true,
    description: "Channel to the QEMU guest agent.",
    effect: "restart",
  },
} satisfies Partial<FieldTable<DomainInputs>>;
