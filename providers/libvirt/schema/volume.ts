import type { VolumeInputs } from "../resources/inputs.ts";
import type { FieldTable } from "./table.ts";

/** Every input of a volume. */
export const volumeTable: FieldTable<VolumeInputs> = {
  name: {
    type: "string",
    required: true,
    pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
    description:
      "Name of the volume, the file's name in a directory pool. A volume whose content changes while machines use it needs a new name.",
    example: "debian-13-slurm-3f2a",
    effect: "replace",
  },
  pool: {
    type: "string",
    required: true,
    description: "Name of the pool.",
    example: "lab",
    effect: "replace",
  },
  format: {
    type: "string",
    defaultText: "qcow2; with a source the file's own format, recognised by its content; raw for a seed",
    values: { qcow2: "Grows as it is written.", raw: "The plain bytes." },
    description: "Format of the volume.",
    effect: "replace",
  },
  sizeMiB: {
    type: "integer",
    minimum: 1,
    unit: "MiB",
    defaultText: "with a source the image's own size",
    description: "Capacity. Required without a source or seed; with a source at least the image's own size.",
    example: 10240,
    effect: [
      { when: "grow", effect: "live" },
      {
        when: "set",
        effect: "live",
        because: "grows to the size; a size below the present one is refused",
      },
      { when: "unset", effect: "none", because: "the volume keeps its present size" },
      {
        when: "otherwise",
        effect: "forbidden",
        because: "a volume cannot shrink; keep the size, or declare a new volume and copy the data",
      },
    ],
  },
  source: {
    type: "object",
    typeName: "VolumeSource",
    description: "File whose bytes are uploaded. Exactly one of `id` and `sha256` names its content.",
    effect: "replace",
    fields: {
      path: {
        type: "string",
        required: true,
        description: "File on the machine that runs the engine. Read only while the volume is created.",
        example: "/home/ada/images/debian-13.qcow2",
        effect: "none",
      },
      id: {
        type: "string",
        description: "Identity of an image, its recipe and revision.",
        example: "debian-13-slurm-3f2a",
        effect: "replace",
      },
      sha256: {
        type: "string",
        pattern: "^[0-9a-f]{64}$",
        description: "SHA-256 of the file in lower case hex, verified while it is uploaded.",
        effect: "replace",
      },
    },
  },
  seed: {
    type: "object",
    typeName: "VolumeSeed",
    description:
      "NoCloud seed that the provider makes and uploads: an ISO 9660 image with label CIDATA, readable by root and the hypervisor only.",
    effect: "replace",
    fields: {
      userData: {
        type: "string",
        required: true,
        description: "File `user-data`. Mark it as a secret where it holds one.",
        effect: "replace",
      },
      metaData: {
        type: "string",
        required: true,
        description: "File `meta-data`; `{}` for a seed that a whole role shares.",
        example: "{}",
        effect: "replace",
      },
      networkConfig: { type: "string", description: "File `network-config`.", effect: "replace" },
    },
  },
};
