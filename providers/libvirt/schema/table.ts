/**
 * Shape of the field tables. The types make the compiler check that a table names every field of the interface that it
 * describes, and none besides; that `required` agrees with the interface; and that every literal value is explained.
 */

/** What a change of a field does. `none`: recorded only, nothing on the host changes. */
export type Effect = "none" | "live" | "restart" | "rebuild" | "replace" | "forbidden";

/** Effects from harmless to severe; the most severe of all changed fields decides for the resource. */
export const effectOrder: readonly Effect[] = ["none", "live", "restart", "rebuild", "replace", "forbidden"];

/** Conditions under which an effect holds. What each means is a predicate in `conditions.ts`. */
export type Condition =
  | "grow"
  | "shrink"
  | "set"
  | "unset"
  | "turnedOn"
  | "withinMaxVcpus"
  | "withinBalloon"
  | "addedDisk"
  | "seed"
  | "sameAccess"
  | "instance"
  | "added"
  | "removedFurther"
  | "sameHost"
  | "otherwise";

export interface ConditionalEffect {
  readonly when: Condition;
  readonly effect: Effect;
  /** Why, for people; for `forbidden` also the way out. */
  readonly because?: string;
}

/** One effect, or a list of which the first whose condition holds decides. Such a list ends with `otherwise`. */
export type EffectRule = Effect | readonly ConditionalEffect[];

type ScalarValue = string | number | boolean;

interface RowText {
  /** What the field means, in whole sentences. */
  readonly description: string;
  /** Unit of a number. */
  readonly unit?: string;
  /** Default where it is not one fixed value. */
  readonly defaultText?: string;
  readonly example?: string | number | boolean;
  /** The value is secret in state and previews. */
  readonly secret?: true;
  readonly effect: EffectRule;
}

type Presence<T, K extends keyof T> =
  object extends Pick<T, K> ? { readonly required?: never } : { readonly required: true };

interface ObjectShape<V> {
  readonly type: "object";
  /** Name of the type in the SDK. */
  readonly typeName: string;
  readonly fields: FieldTable<V>;
}

interface StringShape {
  readonly type: "string";
}

interface EnumShape<V extends string> {
  readonly type: "string";
  /** Every allowed value with its meaning. */
  readonly values: { readonly [K in V]: string };
}

type ItemShape<E> = [E] extends [string]
  ? StringShape
  : [E] extends [object]
    ? ObjectShape<E> & {
        /** Field that identifies an item; items with the same key are compared with each other. */
        readonly key?: keyof E & string;
      }
    : never;

type Shape<V> = [V] extends [boolean]
  ? { readonly type: "boolean"; readonly default?: boolean }
  : [V] extends [number]
    ? {
        readonly type: "integer";
        readonly default?: number;
        readonly minimum?: number;
        readonly maximum?: number;
      }
    : [V] extends [string]
      ? (string extends V ? StringShape : EnumShape<V>) & { readonly default?: V; readonly pattern?: string }
      : [V] extends [readonly (infer E)[]]
        ? { readonly type: "array"; readonly items: ItemShape<E> }
        : [V] extends [object]
          ? ObjectShape<V>
          : never;

/** One entry per field of `T`. */
export type FieldTable<T> = {
  readonly [K in keyof T & string]-?: RowText & Presence<T, K> & Shape<Exclude<T[K], undefined>>;
};

/** The same tables as the generic code reads them. */
export interface FieldSpec extends RowText {
  readonly type: "string" | "integer" | "boolean" | "object" | "array";
  readonly required?: true;
  readonly default?: ScalarValue;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly values?: Readonly<Record<string, string>>;
  readonly typeName?: string;
  readonly fields?: Fields;
  readonly items?: ItemSpec;
}

export interface ItemSpec {
  readonly type: "string" | "object";
  readonly typeName?: string;
  readonly key?: string;
  readonly fields?: Fields;
}

export type Fields = Readonly<Record<string, FieldSpec>>;
