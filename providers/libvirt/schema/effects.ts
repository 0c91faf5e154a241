import type {
  DomainInputs,
  NetworkInputs,
  PoolInputs,
  ProviderConfig,
  VolumeInputs,
} from "../resources/inputs.ts";
import { configTable } from "./config.ts";
import { domainTable } from "./domain.ts";
import { networkTable } from "./network.ts";
import { poolTable } from "./pool.ts";
import type { EffectRule, Fields } from "./table.ts";
import { volumeTable } from "./volume.ts";

export type { Condition, ConditionalEffect, Effect, EffectRule } from "./table.ts";
export { effectOrder } from "./table.ts";

/** The inputs behind each table. */
export interface InputsOf {
  Config: ProviderConfig;
  Pool: PoolInputs;
  Volume: VolumeInputs;
  Network: NetworkInputs;
  Domain: DomainInputs;
}

export type ResourceName = keyof InputsOf;

/** The field tables by resource. `Config` is the provider itself. */
export const tables: Readonly<Record<ResourceName, Fields>> = {
  Config: configTable,
  Pool: poolTable,
  Volume: volumeTable,
  Network: networkTable,
  Domain: domainTable,
};

/** One field of a resource, flat. */
export interface FieldRow {
  readonly resource: ResourceName;
  /** `disks[].volume`: members after a point, `[]` for the items of a list. */
  readonly path: string;
  readonly type: string;
  readonly unit?: string;
  readonly description: string;
  /** For people: the value as JSON, or words where it depends. */
  readonly default?: string;
  readonly example?: string;
  readonly values?: Readonly<Record<string, string>>;
  readonly required: boolean;
  readonly secret: boolean;
  readonly effect: EffectRule;
}

/** Every field of a resource with its effect, in the order of the tables. */
export function effectsOf(resource: ResourceName): readonly FieldRow[] {
  return rowsOf(resource, tables[resource], "");
}

function rowsOf(resource: ResourceName, fields: Fields, prefix: string): FieldRow[] {
  return Object.entries(fields).flatMap(([name, spec]) => {
    const path = prefix + name;
    const fallback = spec.default === undefined ? spec.defaultText : JSON.stringify(spec.default);
    const row: FieldRow = {
      resource,
      path,
      type:
        spec.type === "array" ? `list of ${spec.items?.typeName ?? "string"}` : (spec.typeName ?? spec.type),
      description: spec.description,
      required: spec.required === true,
      secret: spec.secret === true,
      effect: spec.effect,
      ...(spec.unit === undefined ? {} : { unit: spec.unit }),
      ...(fallback === undefined ? {} : { default: fallback }),
      ...(spec.example === undefined ? {} : { example: JSON.stringify(spec.example) }),
      ...(spec.values === undefined ? {} : { values: spec.values }),
    };
    const members = spec.fields === undefined ? [] : rowsOf(resource, spec.fields, `${path}.`);
    const items = spec.items?.fields === undefined ? [] : rowsOf(resource, spec.items.fields, `${path}[].`);
    return [row, ...members, ...items];
  });
}
