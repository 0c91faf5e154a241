import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { loadLabFile } from "../../config/index.ts";
import { type HpcClusterPlan, type PowerDeclarations, planLab, unknownHost } from "../../planning/index.ts";

/** The plan of an example with that many compute nodes. */
export function planOf(
  computeNodes: number,
  example: string,
  power: PowerDeclarations["power"] = {},
): HpcClusterPlan {
  const text = readFileSync(`examples/${example}`, "utf8").replace("count: 2", `count: ${computeNodes}`);
  const loaded = loadLabFile(text, example);
  if (!loaded.ok) throw new Error("the example does not load");
  const host = { ...unknownHost("a test"), kvm: { known: true, value: false } as const };
  const image = {
    path: "/cache/image.qcow2",
    identity: { id: "0123456789abcdef" },
    format: { known: true, value: "qcow2" } as const,
    virtualSizeMiB: { known: true, value: 4096 } as const,
  };
  const invoker = { name: "ada", sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm ada"] };
  const facts = { invoker, host, images: { base: image } };
  const { plan } = planLab(loaded.config, facts, { power: { power, restarts: {} } });
  if (plan.hpc === undefined) throw new Error("the example plans no cluster");
  return plan.hpc;
}

/** A resource as a component registered it. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

const SECRET = "4dabf18193072939515e22adb298388d";

/** What the stack's state holds already. */
export interface Known {
  /** What every machine took to boot; absent as in the state of an earlier version. */
  readonly bootSeconds?: number;
  /** What its stashes hold, by name. */
  readonly kept?: Readonly<Record<string, unknown>>;
}

/** Records what components register and answers as the providers would. */
export class RecordingMocks implements pulumi.runtime.Mocks {
  readonly registered: Registered[] = [];
  readonly #preview: boolean;
  readonly #known: Known;

  /** @param preview As in a first preview: what only a creation tells is not known. */
  constructor(preview: boolean, known: Known = {}) {
    this.#preview = preview;
    this.#known = known;
  }

  newResource(args: pulumi.runtime.MockResourceArgs) {
    this.registered.push({ type: args.type, name: args.name, inputs: args.inputs });
    // Stash computes its output in a preview as well; the others' outputs are the host's to give.
    const known = !this.#preview || args.type === "pulumi:index:Stash";
    return {
      id: `${args.name}-id`,
      state: { ...args.inputs, ...(known ? outputsOf(args, this.#known) : {}) },
    };
  }

  call(args: pulumi.runtime.MockCallArgs): never {
    throw new Error(`no function is expected to be called, but ${args.token} was`);
  }

  ofType(type: string): Registered[] {
    return this.registered.filter((resource) => resource.type === type);
  }
}

/** What the controller prints after a change of a cluster of two nodes. */
const VERIFIED = JSON.stringify({
  nodes: [
    { name: "dev-compute-01", state: "IDLE", reason: "" },
    { name: "dev-compute-02", state: "IDLE+DRAIN", reason: "disk" },
  ],
  job: "dev-compute-01",
});

function outputsOf(
  args: pulumi.runtime.MockResourceArgs,
  { bootSeconds, kept = {} }: Known,
): Record<string, unknown> {
  switch (args.type) {
    case "pulumi:index:Stash":
      return { output: args.name in kept ? kept[args.name] : args.inputs.input };
    case "libvirt:index:Domain":
      return { uuid: "00000000-0000-5000-8000-000000000001", generation: "g1", bootSeconds };
    case "command:remote:Command":
      return { stdout: args.name.endsWith("-after") ? VERIFIED : "", stderr: "" };
    default:
      return {};
  }
}

/** Whether a value is, or holds, a secret as Pulumi sends it. */
export function holdsSecret(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (SECRET in value) return true;
  return Object.values(value).some(holdsSecret);
}

/** A value with the envelopes of secrets taken off. */
export function withoutEnvelopes(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutEnvelopes);
  if (SECRET in value && "value" in value) return withoutEnvelopes(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutEnvelopes(item)]));
}

/** Whether an output has a value now, and not only after an update. */
export async function isKnown(output: pulumi.Output<unknown>): Promise<boolean> {
  const value: unknown = await pulumi.runtime.serializeProperty("output", output, new Set());
  return value !== pulumi.runtime.unknownValue;
}

/** The value of an output. */
export function resolved<T>(output: pulumi.Output<T>): Promise<pulumi.Unwrap<T>> {
  return new Promise((resolve) => pulumi.output(output).apply(resolve));
}
