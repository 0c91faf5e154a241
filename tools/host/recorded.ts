import type { RecordedMachine } from "../../providers/libvirt/maintenance/index.ts";
import { decodeInputs } from "../../providers/libvirt/schema/index.ts";
import type { PropertyMap } from "../../providers/plugin/index.ts";
import { recordedResources } from "../state/checkpoint.ts";

/** A host of a stack, and as whom the stack marks what it makes there. */
export interface RecordedOwner {
  /** Connection URI. */
  readonly uri: string;
  /** Owner id of the stack, which the marks carry. */
  readonly owner: string;
}

/** A host of a stack with the machines that the state records on it. */
export interface RecordedHost extends RecordedOwner {
  readonly machines: readonly RecordedMachine[];
}

interface Resource {
  urn: string;
  id: string;
  type: string;
  /** URN and id of the provider, as `URN::ID`. */
  provider: string;
  dependencies: readonly string[];
  inputs: PropertyMap;
  outputs: PropertyMap;
}

const domainType = "libvirt:index:Domain";

/**
 * The hosts that a deployment records, with their machines in the order in which they need one another.
 * @throws ProviderError where the inputs of a machine are of another version.
 */
export function recordedHosts(deployment: unknown): RecordedHost[] {
  const resources = recordedResources(deployment).flatMap(readResource);
  const tiers = tiersOf(resources);
  return providersOf(resources).map(({ on, owner, uri }) => {
    const machines = resources
      .filter((resource) => resource.type === domainType && resource.provider === on)
      .map((resource) => machineOf(resource, tiers.get(resource.urn) ?? 0));
    return { uri, owner, machines };
  });
}

/** The hosts that a deployment records; whatever version recorded them. */
export function recordedOwners(deployment: unknown): RecordedOwner[] {
  const providers = providersOf(recordedResources(deployment).flatMap(readResource));
  return providers.map(({ owner, uri }) => ({ uri, owner }));
}

/** `on` is what resources name as their provider. */
function providersOf(resources: readonly Resource[]): (RecordedOwner & { readonly on: string })[] {
  return resources
    .filter(({ type }) => type === "pulumi:providers:libvirt")
    .flatMap(({ id, inputs: { owner, uri }, urn }) =>
      typeof owner === "string" && typeof uri === "string" ? [{ uri, owner, on: `${urn}::${id}` }] : [],
    );
}

function machineOf({ inputs, outputs, urn }: Resource, tier: number): RecordedMachine {
  const decoded = decodeInputs("Domain", inputs);
  return {
    urn,
    name: decoded.name,
    uuid: typeof outputs.uuid === "string" ? outputs.uuid : "",
    tier,
    imported: outputs.imported === true,
    inputs: decoded,
  };
}

/** How many machines stand, one on the other, beneath each resource; a machine counts those that it needs. */
export function tiersOf(
  resources: readonly Pick<Resource, "urn" | "type" | "dependencies">[],
): Map<string, number> {
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  const tiers = new Map<string, number>();
  const tierOf = (urn: string): number => {
    const known = tiers.get(urn);
    if (known !== undefined) return known;
    // Also the answer for a circle, which the engine never records.
    tiers.set(urn, 0);
    const beneath = (byUrn.get(urn)?.dependencies ?? []).map(
      (other) => tierOf(other) + (byUrn.get(other)?.type === domainType ? 1 : 0),
    );
    const tier = Math.max(0, ...beneath);
    tiers.set(urn, tier);
    return tier;
  };
  for (const { urn } of resources) tierOf(urn);
  return tiers;
}

function readResource(value: unknown): Resource[] {
  const { dependencies, id, inputs, outputs, provider, type, urn } = record(value);
  // What a replacement has left to delete is no machine of the stack any more.
  if (typeof urn !== "string" || typeof type !== "string" || record(value).delete === true) return [];
  return [
    {
      urn,
      type,
      id: typeof id === "string" ? id : "",
      provider: typeof provider === "string" ? provider : "",
      dependencies: (Array.isArray(dependencies) ? dependencies : []).filter(
        (other) => typeof other === "string",
      ),
      inputs: propertiesOf(inputs),
      outputs: propertiesOf(outputs),
    },
  ];
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};

const propertiesOf = (value: unknown): PropertyMap => (isPropertyMap(value) ? value : {});

/** JSON holds nothing that a property cannot be. */
function isPropertyMap(value: unknown): value is PropertyMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
