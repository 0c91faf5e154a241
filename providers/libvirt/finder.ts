/** Finds items of lists that do not change, by a key. Each list is indexed once: each of a thousand machines looks in it. */
export function finder<T>(
  keyOf: (item: T) => string | undefined,
): (items: readonly T[], key: string) => T | undefined {
  const indexes = new WeakMap<readonly T[], ReadonlyMap<string | undefined, T>>();
  return (items, key) => {
    const index = indexes.get(items) ?? indexOf(items, keyOf);
    indexes.set(items, index);
    return index.get(key);
  };
}

/** Of several with one key, the first. */
function indexOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string | undefined,
): ReadonlyMap<string | undefined, T> {
  return new Map(items.toReversed().map((item) => [keyOf(item), item]));
}
