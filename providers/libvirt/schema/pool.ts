import type { PoolInputs } from "../resources/inputs.ts";
import type { FieldTable } from "./table.ts";

/** Every input of a storage pool. */
export const poolTable: FieldTable<PoolInputs> = {
  name: {
    type: "string",
    required: true,
    pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
    description: "Name of the pool on the host.",
    example: "lab",
    effect: "replace",
  },
  type: {
    type: "string",
    default: "dir",
    values: { dir: "A directory of the host." },
    description: "Kind of pool.",
    effect: "replace",
  },
  path: {
    type: "string",
    required: true,
    pattern: "^/",
    description:
      "Absolute path of the directory on the libvirt host. It is made if it is missing, and removed with the pool only if it is empty.",
    example: "/var/lib/libvirt/images/lab",
    effect: "replace",
  },
  adopt: {
    type: "boolean",
    default: false,
    description:
      "Take over a pool of this name and path that exists and was not made by this stack, instead of refusing. An adopted pool is never undefined and its content never deleted.",
    effect: "none",
  },
  autostart: {
    type: "boolean",
    default: true,
    description: "Start the pool when the host boots.",
    effect: "live",
  },
};
