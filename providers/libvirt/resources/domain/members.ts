import { isArray, isObject, type PropertyMap, type PropertyValue } from "../../../plugin/values.ts";

/** A member, or nothing where it is absent, unknown yet or of another type (which the table's check reports). */
export const numberIn = (of: PropertyMap, name: string): number | undefined =>
  typeof of[name] === "number" ? of[name] : undefined;
export const stringIn = (of: PropertyMap, name: string): string | undefined =>
  typeof of[name] === "string" ? of[name] : undefined;
export function objectIn(of: PropertyMap, name: string): PropertyMap | undefined {
  const value = of[name];
  return isObject(value) ? value : undefined;
}
export function itemsIn(of: PropertyMap | undefined, name: string): readonly PropertyMap[] {
  const value: PropertyValue | undefined = of?.[name];
  return isArray(value) ? value.map((item) => (isObject(item) ? item : {})) : [];
}
