import type { ProviderConfig } from "../resources/inputs.ts";
import type { FieldTable } from "./table.ts";

/** Every input of the provider itself. */
export const configTable: FieldTable<ProviderConfig> = {
  uri: {
    type: "string",
    required: true,
    description:
      "Connection URI of the host: `qemu:///system`, `qemu+unix:///system?socket=PATH`, `qemu+ssh://USER@HOST[:PORT]/system`, `qemu:///session` (development only), `test:///default` (libvirt's test driver).",
    example: "qemu+ssh://root@gpu1.example.org/system",
    effect: [
      { when: "sameHost", effect: "none", because: "the same host by another way" },
      {
        when: "otherwise",
        effect: "replace",
        because: "everything on the old host is replaced on the new one",
      },
    ],
  },
  owner: {
    type: "string",
    required: true,
    pattern: "^[A-Za-z0-9-]{8,64}$",
    description: "Random id of the stack; marks on the host what the stack owns.",
    example: "0f6c1f0e-6d0a-4f0c-9f53-0a3c5f5b7e11",
    effect: [
      {
        when: "otherwise",
        effect: "forbidden",
        because:
          "everything that this stack made carries the old owner id and would no longer be recognised; restore the old value",
      },
    ],
  },
  identitySecret: {
    type: "string",
    secret: true,
    description:
      "Secret from which SSH host keys are derived. A new value holds for root disks made after it.",
    effect: "none",
  },
  refreshBeforeUpdate: {
    type: "boolean",
    default: true,
    description:
      "Read domains before each preview and update, so that drift is seen. Switch it off where the host cannot be reached during previews.",
    effect: "none",
  },
};
