import { type ResourceName, tables } from "./effects.ts";
import { functions, type MemberSpec } from "./functions.ts";
import { echoed, type OutputSpec, outputs, resourceTexts } from "./outputs.ts";
import type { EffectRule, FieldSpec, Fields, ItemSpec } from "./table.ts";

/** Name and version of the package; the plugin, the SDK and the schema agree on them. */
export const packageName = "libvirt";
export const packageVersion = "0.1.0";

const namespace = `${packageName}:index`;
const resourceNames = ["Domain", "Network", "Pool", "Volume"] as const;

type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

/** The package as Pulumi's schema, the source of the SDK. Deterministic: text is the same for the same tables. */
export function pulumiSchema(): JsonObject {
  const types = new TypeTable();
  const resources = Object.fromEntries(
    resourceNames.map((name) => [`${namespace}:${name}`, resourceSchema(name, types)]),
  );
  const config = objectSchema(tables.Config, "Provider", types);
  const invokes = Object.fromEntries(
    Object.keys(functions).map((name) => [`${namespace}:${name}`, functionSchema(name, types)]),
  );
  return {
    name: packageName,
    displayName: "libvirt",
    version: packageVersion,
    description:
      "Machines, networks and storage on libvirt hosts, with previews that say what a change will do.",
    keywords: ["pulumi", "libvirt", "kvm", "category/infrastructure"],
    license: "Apache-2.0",
    language: { nodejs: { packageName: "@pulumi/libvirt", respectSchemaVersion: true } },
    config: { variables: config.properties, required: config.required },
    types: types.sorted(),
    provider: {
      description: resourceTexts.Config,
      inputProperties: config.properties,
      requiredInputs: config.required,
    },
    resources,
    functions: invokes,
  };
}

/** Text of the checked-in schema file. */
export function schemaText(): string {
  return `${JSON.stringify(pulumiSchema(), null, 2)}\n`;
}

class TypeTable {
  readonly #types = new Map<string, JsonObject>();

  /** Registers a type once and returns the reference to it. */
  add(name: string, type: JsonObject): JsonObject {
    const token = `${namespace}:${name}`;
    const known = this.#types.get(token);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(type)) {
      throw new Error(`two different types are called ${token}: give one of them another typeName`);
    }
    this.#types.set(token, type);
    return { $ref: `#/types/${token}` };
  }

  sorted(): JsonObject {
    return Object.fromEntries([...this.#types].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

function resourceSchema(name: Exclude<ResourceName, "Config">, types: TypeTable): JsonObject {
  const input = objectSchema(tables[name], name, types);
  const own = Object.entries(outputs[name]);
  const repeated = echoed[name].map((field) => [field, input.properties[field] ?? {}] as const);
  return {
    description: resourceTexts[name],
    properties: Object.fromEntries([
      ...repeated,
      ...own.map(([key, spec]) => [key, outputSchema(spec)] as const),
    ]),
    required: [...echoed[name], ...own.filter(([, spec]) => spec.optional !== true).map(([key]) => key)],
    inputProperties: input.properties,
    requiredInputs: input.required,
  };
}

function outputSchema(spec: OutputSpec): JsonObject {
  return { type: spec.type, description: withUnit(spec.description, spec.unit) };
}

function objectSchema(
  fields: Fields,
  owner: string,
  types: TypeTable,
): { properties: { [key: string]: JsonObject }; required: string[] } {
  const entries = Object.entries(fields);
  return {
    properties: Object.fromEntries(
      entries.map(([name, spec]) => [name, fieldSchema(spec, owner + capital(name), types)]),
    ),
    required: entries.filter(([, spec]) => spec.required === true).map(([name]) => name),
  };
}

function fieldSchema(spec: FieldSpec, enumName: string, types: TypeTable): JsonObject {
  return {
    ...fieldType(spec, enumName, types),
    description: fieldText(spec),
    ...(spec.secret === true ? { secret: true } : {}),
  };
}

function fieldType(spec: FieldSpec, enumName: string, types: TypeTable): JsonObject {
  if (spec.type === "object") return objectType(spec, types);
  if (spec.type === "array") return { type: "array", items: itemType(spec.items, types) };
  if (spec.values !== undefined) return types.add(enumName, enumType(spec.description, spec.values));
  return { type: spec.type };
}

function itemType(items: ItemSpec | undefined, types: TypeTable): JsonObject {
  return items?.fields === undefined ? { type: "string" } : objectType(items, types);
}

function objectType(spec: FieldSpec | ItemSpec, types: TypeTable): JsonObject {
  const name = spec.typeName ?? "Object";
  const { properties, required } = objectSchema(spec.fields ?? {}, name, types);
  return types.add(name, { type: "object", properties, ...(required.length > 0 ? { required } : {}) });
}

function enumType(description: string, values: Readonly<Record<string, string>>): JsonObject {
  return {
    type: "string",
    description,
    enum: Object.entries(values).map(([value, text]) => ({
      name: enumName(value),
      value,
      description: text,
    })),
  };
}

function functionSchema(name: string, types: TypeTable): JsonObject {
  const spec = functions[name];
  if (spec === undefined) throw new Error(`no function ${name}`);
  return {
    description: spec.description,
    inputs: memberObject(spec.inputs, types),
    outputs: memberObject(spec.outputs, types),
  };
}

function memberObject(members: Readonly<Record<string, MemberSpec>>, types: TypeTable): JsonObject {
  const entries = Object.entries(members);
  const required = entries.filter(([, member]) => member.optional !== true).map(([name]) => name);
  return {
    type: "object",
    properties: Object.fromEntries(
      entries.map(([name, member]) => [
        name,
        { ...memberType(member, types), description: withUnit(member.description, member.unit) },
      ]),
    ),
    ...(required.length > 0 ? { required } : {}),
  };
}

function memberType(member: MemberSpec, types: TypeTable): JsonObject {
  if (member.type === "strings") return { type: "array", items: { type: "string" } };
  if (member.type !== "objects") return { type: member.type };
  const items = types.add(member.typeName ?? "Object", memberObject(member.fields ?? {}, types));
  return { type: "array", items };
}

function fieldText(spec: FieldSpec): string {
  const fallback = spec.default === undefined ? spec.defaultText : `\`${JSON.stringify(spec.default)}\``;
  return [
    withUnit(spec.description, spec.unit),
    fallback === undefined ? "" : `Default: ${fallback}.`,
    spec.example === undefined ? "" : `Example: \`${JSON.stringify(spec.example)}\`.`,
    `Change: ${effectText(spec.effect)}.`,
  ]
    .filter((part) => part !== "")
    .join(" ");
}

const withUnit = (text: string, unit: string | undefined) =>
  unit === undefined ? text : `${text} Unit: ${unit}.`;

const conditionTexts: Readonly<Record<string, string>> = {
  grow: "when it grows",
  shrink: "when it shrinks",
  set: "when it is set for the first time",
  unset: "when it is removed",
  added: "for an added one",
  removedFurther: "for a removed one that was not the first",
  addedDisk: "for an added disk",
  seed: "for a seed of a domain with a root disk",
  sameAccess: "when the disk is read-only before and after, or neither",
  instance: "when the instance id changes on a domain with a root disk",
  turnedOn: "when it is switched on",
  withinMaxVcpus: "when it grows up to maxVcpus",
  withinBalloon: "up to maxMemoryMiB and without host devices",
  sameHost: "when it leads to the same host",
  otherwise: "otherwise",
};

/** The effect of a field for people. */
export function effectText(rule: EffectRule): string {
  if (typeof rule === "string") return rule;
  return rule
    .map(({ when, effect, because }) => {
      const condition = rule.length === 1 ? "" : ` ${conditionTexts[when] ?? when}`;
      return `${effect}${condition}${because === undefined ? "" : ` (${because})`}`;
    })
    .join("; ");
}

const capital = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);

function enumName(value: string): string {
  const name = value
    .split(/[^A-Za-z0-9]+/)
    .map(capital)
    .join("");
  return /^\d/.test(name) ? `V${name}` : name;
}
