import {
  containsSecret,
  isArray,
  isObject,
  type PropertyMap,
  type PropertyValue,
  reveal,
  Unknown,
} from "../../plugin/values.ts";
import { type ChangeFacts, conditions } from "./conditions.ts";
import { effectOrder, type ResourceName, tables } from "./effects.ts";
import type { Effect, EffectRule, FieldSpec, Fields, ItemSpec } from "./table.ts";

/** One changed input. */
export interface Change {
  /** Path as Pulumi writes it, in the new inputs; in the old ones for what was deleted. */
  readonly path: string;
  readonly kind: "add" | "delete" | "update";
  readonly effect: Effect;
  /** Why, for people; for `forbidden` also the way out. */
  readonly because?: string;
  /** Values for people, absent for secrets, lists and objects. */
  readonly before?: string | number | boolean;
  readonly after?: string | number | boolean;
}

/** All changed inputs with their effects, in the order of the table. Defaults count as written. */
export function changesOf(resource: ResourceName, olds: PropertyMap, news: PropertyMap): readonly Change[] {
  const before = withDefaults(resource, olds);
  const after = withDefaults(resource, news);
  const root: Place = { path: "", itemBefore: {}, itemAfter: {}, olds: before, news: after };
  const changes = compareFields(tables[resource], before, after, root);
  // The values were opened for the comparison; none of them may be shown where any was secret.
  return containsSecret(olds) || containsSecret(news) ? changes.map(withoutValues) : changes;
}

function withoutValues(change: Change): Change {
  const { before: _before, after: _after, ...rest } = change;
  return rest;
}

/** The most severe effect of all changes; `none` without any. */
export function worstEffect(changes: readonly Change[]): Effect {
  return effectOrder.findLast((effect) => changes.some((change) => change.effect === effect)) ?? "none";
}

/** Plain inputs (secrets opened, nulls dropped) with the fixed defaults of the table filled in. */
export function withDefaults(resource: ResourceName, inputs: PropertyMap): PropertyMap {
  return fillObject(tables[resource], reveal(inputs));
}

function fillObject(fields: Fields, value: PropertyMap): PropertyMap {
  const known = Object.entries(fields).map(([name, spec]) => [name, fill(spec, value[name])] as const);
  const extra = Object.entries(value).filter(([name]) => !Object.hasOwn(fields, name));
  return Object.fromEntries([...known, ...extra].filter(([, child]) => child !== undefined));
}

function fill(spec: FieldSpec, value: PropertyValue | undefined): PropertyValue | undefined {
  if (value === undefined || value === null) return spec.default;
  // An empty list says as much as none.
  if (isArray(value) && value.length === 0) return undefined;
  if (spec.fields !== undefined && isObject(value)) return fillObject(spec.fields, value);
  const itemFields = spec.items?.fields;
  if (itemFields === undefined || !isArray(value)) return value;
  return value.map((item) => (isObject(item) ? fillObject(itemFields, item) : item));
}

type Place = Omit<ChangeFacts, "before" | "after"> & { readonly path: string };

function compareFields(fields: Fields, before: PropertyMap, after: PropertyMap, place: Place): Change[] {
  return Object.entries(fields).flatMap(([name, spec]) => {
    const path = place.path === "" ? name : `${place.path}.${name}`;
    return compareField(spec, before[name], after[name], { ...place, path });
  });
}

function compareField(
  spec: FieldSpec,
  before: PropertyValue | undefined,
  after: PropertyValue | undefined,
  place: Place,
): Change[] {
  if (spec.fields !== undefined && isObject(before) && isObject(after)) {
    return compareFields(spec.fields, before, after, place);
  }
  const items = spec.items;
  if (items?.fields !== undefined && (isArray(before) || isArray(after))) {
    return compareLists(spec, items, isArray(before) ? before : [], isArray(after) ? after : [], place);
  }
  return same(before, after) ? [] : [changed(spec, before, after, place)];
}

function compareLists(
  spec: FieldSpec,
  items: ItemSpec,
  before: readonly PropertyValue[],
  after: readonly PropertyValue[],
  place: Place,
): Change[] {
  const fields = items.fields ?? {};
  const keyOf = (item: PropertyValue | undefined, index: number) =>
    items.key !== undefined && isObject(item) ? String(item[items.key]) : String(index);
  const olds = new Map(before.map((item, index) => [keyOf(item, index), { item, index }]));
  const found: Change[] = [];
  for (const [index, item] of after.entries()) {
    const key = keyOf(item, index);
    const path = `${place.path}[${index}]`;
    const old = olds.get(key);
    olds.delete(key);
    const itemAfter = isObject(item) ? item : {};
    const itemBefore = isObject(old?.item) ? old.item : {};
    const here = { ...place, path, itemBefore, itemAfter };
    if (old !== undefined && isObject(item) && isObject(old.item)) {
      found.push(...compareFields(fields, itemBefore, itemAfter, here));
    } else if (!same(old?.item, item)) found.push(changed(spec, old?.item, item, here));
  }
  for (const { item, index } of olds.values()) {
    const itemBefore = isObject(item) ? item : {};
    const path = `${place.path}[${index}]`;
    found.push(changed(spec, item, undefined, { ...place, path, itemBefore, itemAfter: {} }));
  }
  return found;
}

function changed(
  spec: FieldSpec,
  before: PropertyValue | undefined,
  after: PropertyValue | undefined,
  place: Place,
): Change {
  const { path, ...facts } = place;
  const decided = decide(spec.effect, { ...facts, before, after });
  const shown = (value: PropertyValue | undefined) =>
    spec.secret !== true &&
    (typeof value === "string" || typeof value === "number" || typeof value === "boolean") &&
    String(value).length <= 100
      ? value
      : undefined;
  const [from, to] = [shown(before), shown(after)];
  return {
    path,
    kind: before === undefined ? "add" : after === undefined ? "delete" : "update",
    effect: decided.effect,
    ...(decided.because === undefined ? {} : { because: decided.because }),
    ...(from === undefined ? {} : { before: from }),
    ...(to === undefined ? {} : { after: to }),
  };
}

function decide(rule: EffectRule, facts: ChangeFacts): { effect: Effect; because?: string } {
  if (typeof rule === "string") return { effect: rule };
  const found = rule.find((candidate) => conditions[candidate.when](facts));
  if (found === undefined) return { effect: "forbidden", because: "no rule covers this change" };
  return found.because === undefined
    ? { effect: found.effect }
    : { effect: found.effect, because: found.because };
}

function same(a: PropertyValue | undefined, b: PropertyValue | undefined): boolean {
  if (a instanceof Unknown || b instanceof Unknown) return false;
  if (isArray(a) && isArray(b)) {
    return a.length === b.length && a.every((item, index) => same(item, b[index]));
  }
  if (isObject(a) && isObject(b)) {
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => same(a[key], b[key]));
  }
  return Object.is(a, b);
}
