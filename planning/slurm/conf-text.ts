/** Reading SLURM's configuration text as far as the linter needs it. */

export interface Assignment {
  name: string;
  value: string;
}

/** A line of a configuration file. */
export interface ConfLine {
  /** From 1. */
  number: number;
  /** All `Name=value` pairs of the line; the first names the kind of line. */
  pairs: Assignment[];
  /** A word that is no pair, if there is one. */
  stray?: string;
}

/** Lines with content. `#` begins a comment, a backslash at the end joins lines, quotes hold spaces. */
export function parseConf(text: string): ConfLine[] {
  const lines: ConfLine[] = [];
  let joined = "";
  let start = 0;
  for (const [index, raw] of text.split("\n").entries()) {
    if (joined === "") start = index + 1;
    const content = raw.replace(/(^|[^\\])#.*$/, "$1").trimEnd();
    if (content.endsWith("\\")) {
      joined += `${content.slice(0, -1)} `;
      continue;
    }
    const line = parseLine(joined + content, start);
    joined = "";
    if (line !== undefined) lines.push(line);
  }
  const rest = parseLine(joined, start);
  return rest === undefined ? lines : [...lines, rest];
}

function parseLine(content: string, number: number): ConfLine | undefined {
  if (content.trim() === "") return undefined;
  const pairs: Assignment[] = [];
  const left = content.replaceAll(
    /([A-Za-z0-9_]+)\s*[+-]?=\s*("[^"]*"|\S*)/g,
    (_, name: string, value: string) => {
      pairs.push({ name, value: value.replace(/^"(.*)"$/, "$1") });
      return "";
    },
  );
  const stray = left.trim().split(/\s+/)[0];
  return { number, pairs, ...(stray === undefined || stray === "" ? {} : { stray }) };
}

/** Value of a parameter on a line; case does not count. */
export function pairValue(line: ConfLine, ...names: string[]): string | undefined {
  const wanted = names.map((name) => name.toLowerCase());
  return line.pairs.find((pair) => wanted.includes(pair.name.toLowerCase()))?.value;
}

/** Lines that begin with the given name. */
export function linesOf(lines: readonly ConfLine[], name: string): ConfLine[] {
  return lines.filter((line) => line.pairs[0]?.name.toLowerCase() === name.toLowerCase());
}
