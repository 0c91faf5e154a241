/**
 * SLURM's hostlists: `n[01-03,07]` for n01, n02, n03, n07.
 */

interface Numbered {
  prefix: string;
  digits: string;
}

const numbered = (name: string): Numbered | undefined => {
  const match = /^(.*?)(\d+)$/.exec(name);
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { prefix: match[1], digits: match[2] };
};

/**
 * Folds names whose numbers ascend into one hostlist, keeping their order.
 *
 * @returns Several lists, joined by commas, where names differ in more than their number.
 */
export function foldHostlist(names: readonly string[]): string {
  const lists: { prefix: string; ranges: { first: string; last: string }[]; count: number; name: string }[] =
    [];
  for (const name of names) {
    const part = numbered(name);
    const list = lists.at(-1);
    const range = list?.ranges.at(-1);
    if (part === undefined || list === undefined || range === undefined || list.prefix !== part.prefix) {
      const { prefix, digits } = part ?? { prefix: name, digits: "" };
      lists.push({ prefix, ranges: digits === "" ? [] : [{ first: digits, last: digits }], count: 1, name });
      continue;
    }
    const follows =
      Number(part.digits) === Number(range.last) + 1 && part.digits.length === range.last.length;
    if (follows) range.last = part.digits;
    else list.ranges.push({ first: part.digits, last: part.digits });
    list.count++;
  }
  return lists
    .map((list) => (list.count === 1 ? list.name : `${list.prefix}[${folded(list.ranges)}]`))
    .join(",");
}

const folded = (ranges: readonly { first: string; last: string }[]): string =>
  ranges.map(({ first, last }) => (first === last ? first : `${first}-${last}`)).join(",");

/** Most names that a hostlist expands to; SLURM itself stops at 65,536 nodes. */
const MAX_NAMES = 65_536;

/**
 * Expands a hostlist.
 *
 * @returns The names in order, or undefined where the text is no hostlist or stands for too many names.
 */
export function expandHostlist(text: string): string[] | undefined {
  const names: string[] = [];
  for (const part of splitOutsideBrackets(text)) {
    const expanded = expandOne(part);
    if (expanded === undefined || names.length + expanded.length > MAX_NAMES) return undefined;
    for (const name of expanded) names.push(name);
  }
  return names;
}

function splitOutsideBrackets(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    if (text[index] === "[") depth++;
    else if (text[index] === "]") depth--;
    else if (text[index] === "," && depth === 0) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return parts.filter((part) => part !== "");
}

function expandOne(text: string): string[] | undefined {
  const match = /^([^[\]]*)\[([^[\]]*)\]([^[\]]*)$/.exec(text);
  if (match === null) return /[[\]]/.test(text) ? undefined : [text];
  const [, before = "", ranges = "", after = ""] = match;
  const names: string[] = [];
  for (const range of ranges.split(",")) {
    const limits = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (limits?.[1] === undefined) return undefined;
    const first = Number(limits[1]);
    const last = Number(limits[2] ?? limits[1]);
    if (last < first || last - first >= MAX_NAMES) return undefined;
    const width = limits[1].length;
    for (let number = first; number <= last; number++) {
      names.push(`${before}${String(number).padStart(width, "0")}${after}`);
    }
  }
  return names;
}
