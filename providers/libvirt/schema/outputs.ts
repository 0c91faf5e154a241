import type { ResourceName } from "./effects.ts";

/** A value that the provider computes. */
export interface OutputSpec {
  readonly type: "string" | "integer" | "boolean";
  readonly description: string;
  readonly unit?: string;
  /** Absent in some states of the resource. */
  readonly optional?: true;
}

type Outputs = Readonly<Record<string, OutputSpec>>;

const generation: OutputSpec = {
  type: "string",
  description:
    "Random id of this very object, made when it was created. Only an object that carries it is changed or deleted.",
};

const stopped: OutputSpec = {
  type: "boolean",
  optional: true,
  description: "True where it was found stopped; the next update starts it.",
};

/** Outputs by resource, without the repeated inputs of `echoed`. */
export const outputs: Readonly<Record<Exclude<ResourceName, "Config">, Outputs>> = {
  Pool: {
    uuid: { type: "string", description: "UUID of the pool on the host." },
    adopted: {
      type: "boolean",
      optional: true,
      description: "True for a pool that existed before and is left in place when the resource is deleted.",
    },
    built: {
      type: "boolean",
      optional: true,
      description:
        "True where the directory was made with the pool; it is removed with it if it is empty then.",
    },
    stopped,
  },
  Volume: {
    path: { type: "string", description: "Path of the volume on the host." },
    capacityMiB: { type: "integer", unit: "MiB", description: "Capacity that the volume has." },
    generation,
  },
  Network: {
    uuid: { type: "string", description: "UUID of the network on the host." },
    generation,
    stopped,
  },
  Domain: {
    uuid: { type: "string", description: "UUID of the domain on the host." },
    address: {
      type: "string",
      optional: true,
      description: "Address of the first interface that has a reservation.",
    },
    sshHostPublicKey: {
      type: "string",
      optional: true,
      description: "Public SSH host key, `ssh-ed25519 AAAA…`, where `deriveSshHostKey` is set.",
    },
    generation,
    rootVolume: {
      type: "string",
      optional: true,
      description: "The overlay in use, as `POOL/VOLUME`.",
    },
    bootSeconds: {
      type: "integer",
      optional: true,
      unit: "seconds",
      description:
        "Time from start to ready at the first boot of the present root disk; later boots do not change it. 0 where that was not measured: nothing is waited for, or an update ended before the machine was ready.",
    },
  },
};

/**
 * Inputs that are outputs as well, because programs hand them from one resource to another. No more than that: every
 * repeated input is in the state twice.
 */
export const echoed: Readonly<Record<Exclude<ResourceName, "Config">, readonly string[]>> = {
  Pool: ["name"],
  Volume: ["name", "pool"],
  Network: ["name"],
  Domain: ["name"],
};

/** What each resource is, for the SDK and the reference. */
export const resourceTexts: Readonly<Record<ResourceName, string>> = {
  Config: "One libvirt host and what the stack owns on it.",
  Pool: "A storage pool. An existing one is taken over only with `adopt`. Import with its name.",
  Volume:
    "What outlives a machine: an image, a seed that a role shares, a state disk. Import with `POOL/NAME`. " +
    "A volume whose name or pool changes is made anew before the old one is deleted; a volume that machines or other volumes use is not deleted.",
  Network:
    "A network of the host. Reservations and DNS entries of domains belong to the domains and are left alone. Import with its name.",
  Domain:
    "A virtual machine with its root overlay, its DHCP reservations and DNS entries. Import with its name; an imported domain owns no disk.",
};
