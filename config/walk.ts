import { z } from "zod";
import type { Path } from "./problems.ts";

/** Takes off what a key may wear: optional, default, null. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodNullable ||
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodPrefault
  ) {
    inner = inner.unwrap();
  }
  return inner;
}

/** The schema of a path; in a choice of forms the one that fits `data`. */
export function schemaAt(root: z.core.$ZodType, path: Path, data: unknown): z.core.$ZodType | undefined {
  let schema: z.core.$ZodType | undefined = root;
  let value = data;
  for (const part of path) {
    if (schema === undefined) return undefined;
    const inner = choose(bare(schema), value);
    if (inner instanceof z.ZodObject) schema = inner.shape[part];
    else if (inner instanceof z.ZodArray) schema = inner.element;
    else if (inner instanceof z.ZodRecord) schema = inner.valueType;
    else schema = undefined;
    value = valueAt(value, [part]);
  }
  return schema;
}

/** Of a list and a map form, the one that the value has. */
function choose(schema: z.core.$ZodType, value: unknown): z.core.$ZodType {
  if (!(schema instanceof z.ZodUnion)) return schema;
  const list = Array.isArray(value);
  return schema.options.find((option) => bare(option) instanceof z.ZodArray === list) ?? schema;
}

/** Keys of the map at a path, as far as the schema names them. */
export function knownKeys(root: z.core.$ZodType, path: Path, data: unknown): string[] {
  const schema = schemaAt(root, path, data);
  if (schema === undefined) return [];
  const inner = choose(bare(schema), valueAt(data, path));
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

/** The value of a path, or undefined. */
export function valueAt(data: unknown, path: Path): unknown {
  let value = data;
  for (const part of path) {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

/** The first example of a key, for messages. */
export function exampleOf(schema: z.core.$ZodType | undefined): unknown {
  const examples = schema === undefined ? undefined : z.globalRegistry.get(schema)?.examples;
  return Array.isArray(examples) ? examples[0] : undefined;
}
