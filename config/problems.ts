/** A place in the cluster file; both count from 1. */
export interface Position {
  line: number;
  column: number;
}

/** Something in the file that stops hyperlab. */
export interface Problem extends Position {
  /** For example `clusters.hpc.controller.cpu_cores`; empty: the file as a whole. */
  path: string;
  /** What is wrong and what is expected, with the value. */
  reason: string;
  /** Allowed values, where there are few. */
  allowed?: string[];
  /** Nearest known key or value. */
  nearest?: string;
}

/** Something that hyperlab accepted and wants to tell. */
export interface Note extends Position {
  path: string;
  text: string;
}

/** Keys and indices from the root of the file. */
export type Path = readonly (string | number)[];

/** `["nodes", 1, "ip"]` as `nodes[1].ip`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** Reads what `formatPath` writes. */
export function parsePath(text: string): (string | number)[] {
  const parts: (string | number)[] = [];
  for (const match of text.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([A-Za-z_][\w-]*)/g)) {
    if (match[1] !== undefined) parts.push(Number(match[1]));
    else if (match[2] !== undefined) parts.push(String(JSON.parse(match[2])));
    else if (match[3] !== undefined) parts.push(match[3]);
  }
  return parts;
}

const RED = "\u001b[31m";
const BOLD = "\u001b[1m";
const DIM = "\u001b[2m";
const RESET = "\u001b[0m";

/** All problems as text, one block each, in the order of the file. `colour` only for a terminal that shows it. */
export function printProblems(
  fileName: string,
  problems: readonly Problem[],
  options: { colour?: boolean } = {},
): string {
  const paint = (code: string, text: string) => (options.colour === true ? `${code}${text}${RESET}` : text);
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const lines = [paint(BOLD, `${fileName}: ${count} in the configuration`)];
  for (const problem of problems) {
    const place = paint(DIM, `${fileName}:${problem.line}:${problem.column}`);
    const path = problem.path === "" ? "" : `${paint(BOLD, problem.path)}: `;
    lines.push(`  ${place}  ${path}${paint(RED, problem.reason)}`);
    if (problem.allowed !== undefined) lines.push(`      allowed: ${problem.allowed.join(", ")}`);
    if (problem.nearest !== undefined) lines.push(`      did you mean ${problem.nearest}?`);
  }
  return `${lines.join("\n")}\n`;
}

/** Order of the file, then of the path: the same file gives the same list. */
export function inFileOrder<T extends Position & { path: string }>(list: readonly T[]): T[] {
  return [...list].sort(
    (a, b) => a.line - b.line || a.column - b.column || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0),
  );
}
