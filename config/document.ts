import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import type { Path, Position, Problem } from "./problems.ts";

/** Largest file that is read. 10,000 nodes as a list take about 1 MB. */
export const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** Uses of YAML anchors; far above what people write, far below what an attack needs. */
const MAX_ALIAS_COUNT = 2_000;
/** A cluster file needs less than ten levels. */
const MAX_DEPTH = 100;

/** A YAML document as plain data, with the places of its values. */
export interface ParsedDocument {
  data: unknown;
  /** Where the value (or with `at: "key"` the key) of a path stands; of a missing one, its nearest parent. */
  locate: (path: Path, at?: "key" | "value") => Position;
}

const START: Position = { line: 1, column: 1 };

/** Text to plain data with positions. Broken YAML, duplicate keys and alias bombs become problems. */
export function parseYaml(text: string): { document: ParsedDocument } | { problems: Problem[] } {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) {
    const reason = `the file has ${Buffer.byteLength(text)} bytes; at most ${MAX_FILE_BYTES} are read`;
    return { problems: [{ ...START, path: "", reason }] };
  }
  try {
    return parse(text);
  } catch (error) {
    // The parser recurses: absurd nesting ends in a RangeError, an alias bomb in a ReferenceError.
    const reason =
      error instanceof RangeError
        ? "the file is nested too deeply; a cluster file needs less than ten levels"
        : `the file cannot be read as YAML: ${error instanceof Error ? error.message : String(error)}`;
    return { problems: [{ ...START, path: "", reason }] };
  }
}

function parse(text: string): { document: ParsedDocument } | { problems: Problem[] } {
  const counter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: counter,
    version: "1.2",
    schema: "core",
    uniqueKeys: true,
    strict: true,
    stringKeys: true,
    prettyErrors: false,
    logLevel: "error",
  });
  const position = (offset: number): Position => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const problems = faults.map((fault) => ({
      ...position(fault.pos[0]),
      path: "",
      reason:
        fault.code === "DUPLICATE_KEY" ? duplicateKey(text, fault.pos) : `not valid YAML: ${fault.message}`,
    }));
    return { problems };
  }
  const data: unknown = document.toJS({ maxAliasCount: MAX_ALIAS_COUNT });
  if (endless(data)) {
    const reason = `nested more than ${MAX_DEPTH} deep, or an alias refers to the map or list that it stands in`;
    return { problems: [{ ...START, path: "", reason }] };
  }
  const resolve = (node: unknown): Node | undefined => {
    if (isAlias(node)) return resolve(node.resolve(document));
    return isNode(node) ? node : undefined;
  };
  const locate = (path: Path, at: "key" | "value" = "value"): Position => {
    let node: Node | undefined = isNode(document.contents) ? document.contents : undefined;
    let found = offsetOf(node) ?? 0;
    for (const [depth, part] of path.entries()) {
      const child = childOf(node, part);
      if (child === undefined) break;
      const last = depth === path.length - 1;
      found =
        (last && at === "key" ? child.keyOffset : undefined) ??
        offsetOf(child.value) ??
        child.keyOffset ??
        found;
      node = resolve(child.value);
    }
    return position(found);
  };
  return { document: { data, locate } };
}

/** Whether following maps and lists comes back to where it was, or goes too deep for functions that recurse. */
function endless(value: unknown, above = new Set<object>(), done = new Set<object>()): boolean {
  if (value === null || typeof value !== "object" || done.has(value)) return false;
  if (above.has(value) || above.size >= MAX_DEPTH) return true;
  above.add(value);
  const found = Object.values(value).some((item) => endless(item, above, done));
  above.delete(value);
  done.add(value);
  return found;
}

function duplicateKey(text: string, range: readonly [number, number]): string {
  const name = /^[^:\n]*/.exec(text.slice(range[0], range[0] + 80))?.[0]?.trim() ?? "";
  return `key "${name}" occurs twice in the same map; remove one`;
}

const offsetOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);

function childOf(
  node: Node | undefined,
  part: string | number,
): { keyOffset: number | undefined; value: unknown } | undefined {
  if (isSeq(node) && typeof part === "number") {
    const item = node.items[part];
    return item === undefined ? undefined : { keyOffset: offsetOf(item), value: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
  return pair === undefined ? undefined : { keyOffset: offsetOf(pair.key), value: pair.value };
}
