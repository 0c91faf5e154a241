/** Sets of CPUs or NUMA nodes as libvirt writes them: `0-3,^2,8`. */

/** More numbers than any host has CPUs; protects against `0-999999999`. */
const largest = 16_383;

/** The numbers of the set, ascending; undefined where the text is not a set. An excluded number must be in it before. */
export function parseCpuset(text: string): readonly number[] | undefined {
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^\s*(\^?)(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part);
    if (match === null) return undefined;
    const first = Number(match[2]);
    const last = match[3] === undefined ? first : Number(match[3]);
    const excluded = match[1] === "^";
    if (last < first || last > largest || (excluded && match[3] !== undefined)) return undefined;
    for (let number = first; number <= last; number++) {
      if (excluded) found.delete(number);
      else found.add(number);
    }
  }
  return found.size === 0 ? undefined : [...found].sort((a, b) => a - b);
}

/** The shortest text of a set: `0-1,3`. */
export function formatCpuset(numbers: readonly number[]): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const ranges: { first: number; last: number }[] = [];
  for (const number of sorted) {
    const range = ranges.at(-1);
    if (range !== undefined && range.last === number - 1) range.last = number;
    else ranges.push({ first: number, last: number });
  }
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

/** The same set in libvirt's own form; text that is not a set stays as it is. */
export function canonicalCpuset(text: string): string {
  const numbers = parseCpuset(text);
  return numbers === undefined ? text : formatCpuset(numbers);
}
