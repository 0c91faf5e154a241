import { z } from "zod";
import type { HeldMachine } from "../../providers/libvirt/resources/domain/index.ts";
import { decodeInputs } from "../../providers/libvirt/schema/index.ts";
import type { PropertyMap, PropertyValue } from "../../providers/plugin/index.ts";

/** A machine of a stack, as its state knows it, and the host that it is on. */
export interface StackMachine extends HeldMachine {
  readonly name: string;
  readonly urn: string;
  readonly host: { readonly uri: string; readonly owner: string };
}

const machine = z.object({
  urn: z.string(),
  type: z.literal("libvirt:index:Domain"),
  id: z.string(),
  provider: z.string(),
  delete: z.literal(false).optional(),
  inputs: z.record(z.string(), z.unknown()),
  outputs: z.object({ uuid: z.string(), generation: z.string() }),
});
const host = z.object({
  urn: z.string(),
  type: z.literal("pulumi:providers:libvirt"),
  id: z.string(),
  inputs: z.object({ uri: z.string(), owner: z.string() }),
});
const resources = z.object({ resources: z.array(z.unknown()).optional() });
const states = z.union([
  z
    .object({ checkpoint: z.object({ latest: resources.nullish() }) })
    .transform((state) => state.checkpoint.latest),
  z.object({ deployment: resources }).transform((state) => state.deployment),
]);

/** The machines of a state as the engine stores or exports it. */
export function machinesOf(state: unknown): StackMachine[] {
  if (state === undefined) return [];
  const all = states.parse(state)?.resources ?? [];
  const hosts = new Map<string, { uri: string; owner: string }>(
    all.flatMap((resource) => {
      const found = host.safeParse(resource);
      return found.success ? [[`${found.data.urn}::${found.data.id}`, found.data.inputs] as const] : [];
    }),
  );
  return all.flatMap((resource) => {
    const found = machine.safeParse(resource);
    const on = found.success ? hosts.get(found.data.provider) : undefined;
    if (!found.success || on === undefined) return [];
    const { id, inputs, outputs, urn } = found.data;
    const { guestAgent, quiesce, stop } = decodeInputs("Domain", propertiesOf(policiesIn(inputs)));
    const policies = { ...(guestAgent === undefined ? {} : { guestAgent }), ...optional({ quiesce, stop }) };
    return [{ name: id, urn, host: { uri: on.uri, owner: on.owner }, state: outputs, inputs: policies }];
  });
}

/** What is asked for here with what no domain lacks; the rest may be of another version. */
function policiesIn({ guestAgent, memoryMiB, name, quiesce, stop, vcpus }: Record<string, unknown>): object {
  return optional({ guestAgent, memoryMiB, name, quiesce, stop, vcpus });
}

function optional<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> };
function optional(members: object): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function propertiesOf(members: object): PropertyMap {
  return Object.fromEntries(Object.entries(members).map(([key, value]) => [key, propertyOf(value)]));
}

function propertyOf(value: unknown): PropertyValue {
  if (Array.isArray(value)) return value.map(propertyOf);
  if (typeof value === "object" && value !== null) return propertiesOf(value);
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  return null;
}
