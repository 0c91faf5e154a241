import { z } from "zod";
import { labSchema } from "./schema/lab.ts";

/** A node of the schema as zod writes it, with the documentation that `key` attached. */
export interface SchemaNode {
  type?: string | undefined;
  description?: string | undefined;
  effect?: string | undefined;
  unit?: string | undefined;
  form?: string | undefined;
  default?: unknown | undefined;
  defaultText?: string | undefined;
  examples?: unknown[] | undefined;
  enum?: unknown[] | undefined;
  const?: unknown | undefined;
  minimum?: number | undefined;
  maximum?: number | undefined;
  minItems?: number | undefined;
  properties?: Record<string, SchemaNode> | undefined;
  required?: string[] | undefined;
  additionalProperties?: boolean | SchemaNode | undefined;
  items?: SchemaNode | undefined;
  anyOf?: SchemaNode[] | undefined;
  [keyword: string]: unknown;
}

/** The schema of the canonical cluster file with every key's documentation. */
export function documentedSchema(): SchemaNode {
  const schema: unknown = z.toJSONSchema(labSchema, { io: "input" });
  if (!isNode(schema)) throw new Error("zod gave no JSON schema for the cluster file");
  return schema;
}

const OWN_KEYWORDS = new Set(["effect", "unit", "form", "defaultText"]);

/** The JSON schema for editors, as text. Unit, default and effect of a key are part of its description. */
export function labJsonSchema(): string {
  return `${JSON.stringify(forEditors(documentedSchema()), null, 2)}\n`;
}

function forEditors(node: SchemaNode): Record<string, unknown> {
  const entries = Object.entries(node)
    .filter(([keyword]) => !OWN_KEYWORDS.has(keyword))
    .map(([keyword, value]): [string, unknown] => [keyword, convert(keyword, value)]);
  const result = Object.fromEntries(entries);
  if (node.description !== undefined) result.description = fullDescription(node);
  // The largest exact integer is a limit of JavaScript and not of the format.
  if (result.maximum === Number.MAX_SAFE_INTEGER) delete result.maximum;
  return result;
}

function convert(keyword: string, value: unknown): unknown {
  if (keyword === "properties" && isNode(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, child]) => [name, isNode(child) ? forEditors(child) : child]),
    );
  }
  if (keyword === "anyOf" && Array.isArray(value)) return value.map((child) => convert("items", child));
  if ((keyword === "items" || keyword === "additionalProperties") && isNode(value)) return forEditors(value);
  return value;
}

const isNode = (value: unknown): value is SchemaNode =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function fullDescription(node: SchemaNode): string {
  const unit = node.unit === undefined ? "" : ` Unit: ${node.unit}.`;
  const fallback = node.defaultText === undefined ? "" : ` Default: ${node.defaultText}.`;
  const effect =
    node.effect === undefined || node.properties !== undefined ? "" : ` A change: ${node.effect}.`;
  return `${node.description}${unit}${fallback}${effect}`;
}
