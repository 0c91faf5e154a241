import { z } from "zod";
import { begunState } from "../../providers/libvirt/resources/begun.ts";
import type { EngineSession } from "../engine/operate.ts";
import { checkpoint, engineCommand } from "../engine/query.ts";
import type { Reporter } from "../report/progress.ts";
import type { StateLayout } from "./layout.ts";
import { forgetCreations } from "./settle.ts";

const resource = z.looseObject({
  urn: z.string(),
  type: z.string(),
  delete: z.boolean().optional(),
  pendingReplacement: z.boolean().optional(),
});
type Resource = z.infer<typeof resource>;

const begun = resource.extend({
  inputs: z.record(z.string(), z.unknown()).optional(),
  parent: z.string().optional(),
  provider: z.string().optional(),
  dependencies: z.array(z.string()).nullish(),
  propertyDependencies: z.record(z.string(), z.array(z.string()).nullable()).nullish(),
  deletedWith: z.string().optional(),
});
type Begun = z.infer<typeof begun>;

const state = z.looseObject({
  deployment: z.looseObject({
    resources: z.array(resource).optional(),
    pending_operations: z.array(z.looseObject({ type: z.string(), resource: begun })).optional(),
  }),
});

/** Ids of what may have been made on a host, from the inputs. */
const idOf: Readonly<Record<string, (inputs: Readonly<Record<string, unknown>>) => string>> = {
  "libvirt:index:Domain": ({ name }) => String(name),
  "libvirt:index:Network": ({ name }) => String(name),
  "libvirt:index:Pool": ({ name }) => String(name),
  "libvirt:index:Volume": ({ name, pool }) => `${String(pool)}/${String(name)}`,
};

/**
 * Creations that a killed run left open become resources of the state, so that a destroy removes what they made; the
 * provider looks for that by owner and URN. Other creations (commands) are forgotten, as `forgetCreations` does.
 *
 * @throws Error with the engine's words; the state is as it was then.
 */
export async function recordCreations(
  session: EngineSession,
  layout: StateLayout,
  report: Reporter,
): Promise<void> {
  const { pending } = await checkpoint(session, layout);
  if (pending.length === 0) return;
  const exported = await engineCommand(session, ["stack", "export", "--stack", layout.stack]);
  const { names, text } = withBegun(JSON.parse(exported));
  if (names.length === 0) return forgetCreations(session, layout, report);
  report.line(`Creations that a killed run left open are removed with the rest: ${names.join(", ")}`);
  await engineCommand(session, ["stack", "import", "--stack", layout.stack], text);
}

/**
 * A deployment, as `pulumi stack export` prints it, whose open creations on libvirt hosts are resources of it.
 *
 * @returns The text for `pulumi stack import`, and the logical names of those resources.
 */
export function withBegun(exported: unknown): { readonly text: string; readonly names: readonly string[] } {
  const { deployment, ...rest } = state.parse(exported);
  const { pending_operations: operations = [], resources = [], ...others } = deployment;
  const creations = operations.flatMap((operation) => {
    const id = idOf[operation.resource.type];
    if (operation.type !== "creating" || id === undefined) return [];
    const { inputs = {} } = operation.resource;
    return [{ ...operation.resource, id: id(inputs), outputs: begunState }];
  });
  return {
    text: JSON.stringify({
      ...rest,
      deployment: { ...others, resources: creations.reduce(insert, resources) },
    }),
    names: creations.map(({ urn }) => urn.split("::").at(-1) ?? urn),
  };
}

/**
 * Puts a resource behind all that it needs. In a replacement there is an old one of the same URN: what was deleted
 * already gives way, what was to be deleted afterwards waits for that.
 */
function insert(resources: readonly Resource[], made: Begun): Resource[] {
  const kept = resources.flatMap((old) => {
    if (old.urn !== made.urn || old.delete === true) return [old];
    return old.pendingReplacement === true ? [] : [{ ...old, delete: true }];
  });
  const needs = neededBy(made);
  const last = kept.findLastIndex(({ urn }) => needs.has(urn));
  return kept.toSpliced(last + 1, 0, made);
}

function neededBy({ deletedWith, dependencies, parent, propertyDependencies, provider }: Begun): Set<string> {
  const ofProperties = Object.values(propertyDependencies ?? {}).flatMap((urns) => urns ?? []);
  const one = [deletedWith, parent, provider?.slice(0, provider.lastIndexOf("::"))];
  return new Set([...(dependencies ?? []), ...ofProperties, ...one.filter((urn) => urn !== undefined)]);
}
