import type { DomainInputs } from "../resources/inputs.ts";
import type { FieldTable } from "./table.ts";

/** Power, readiness and the way a domain is stopped. */
export const lifecycle = {
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
  restartTrigger: {
    type: "string",
    description:
      "Another value restarts the machine once: it is quiesced, stopped and started. The value is noted on the host, so that an update that is cut off does not restart it twice.",
    example: "2026-01-31T09:00:00Z",
    effect: [
      { when: "unset", effect: "live", because: "is forgotten" },
      { when: "otherwise", effect: "restart", because: "asks for a restart" },
    ],
  },
  recoveryRecord: {
    type: "string",
    pattern: "^[A-Za-z0-9+/]+={0,2}$",
    description:
      "Text that is kept with the definition on the host, for whoever has to rebuild the state of the stack when it is lost. Whoever may read the definition can read it: encrypt what is in it. The guest cannot see it, and the machine is not touched when it changes. Base64.",
    effect: "none",
  },
  deriveSshHostKey: {
    type: "boolean",
    default: false,
    description:
      "Write the SSH host key that is derived from the provider's `identitySecret` and the domain's name into the guest, at the first boot of each new root disk.",
    effect: "none",
  },
  sshHostKeyGeneration: {
    type: "integer",
    defaultText: "the first",
    minimum: 1,
    description:
      "Which of the SSH host keys that are derived for this domain; another number gives another key. A guest that runs takes it at once through its agent, and its SSH sessions stay; one that is off takes it when it is started. Only with `deriveSshHostKey`.",
    effect: [{ when: "otherwise", effect: "live", because: "the guest takes it at once, sessions stay" }],
  },
  loginPublicKey: {
    type: "string",
    pattern: "^ssh-ed25519 [A-Za-z0-9+/]{68}( [ -~]*)?$",
    description:
      "Public key with which the guest lets its administration account log in, in place of the one of its seed; it is handed over with the SSH host key, in the same way. Only with `deriveSshHostKey`.",
    defaultText: "the one of the seed",
    effect: [{ when: "otherwise", effect: "live", because: "the guest takes it at once, sessions stay" }],
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
        minimum: 0,
        unit: "seconds",
        description: "Time for the program to empty the machine. Not used where onTimeout is wait.",
        effect: "none",
      },
      onTimeout: {
        type: "string",
        default: "fail",
        values: {
          fail: "An error that says what still runs. The machine is not stopped and takes no new work.",
          requeue: "What can begin again later is put back into its queue; as fail for the rest.",
          wait: "There is no time limit.",
          kill: "What still runs is cancelled, and the machine stops.",
        },
        description: "What happens when work still runs then. The guest's `quiesce` program carries it out.",
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
