import { canonicalise } from "./canonical.ts";
import { parseYaml } from "./document.ts";
import { type Explained, explain } from "./explain.ts";
import type { LabConfig } from "./model.ts";
import { normalise } from "./normalise.ts";
import {
  formatPath,
  inFileOrder,
  type Note,
  type Path,
  type Position,
  type Problem,
  parsePath,
} from "./problems.ts";
import { labSchema } from "./schema/lab.ts";
import { expandDollars } from "./variables.ts";

/** A cluster file that was accepted. */
export interface LoadedLab {
  ok: true;
  fileName: string;
  config: LabConfig;
  /** What was accepted and is worth a word: older spellings, keys that are not applied. */
  notes: Note[];
  /** Place of a path of the configuration in the file; findings of the planner use the same paths. */
  locate: (path: string) => Position;
}

/** A cluster file that was refused. */
export interface RefusedLab {
  ok: false;
  fileName: string;
  /** All problems at once, in the order of the file. */
  problems: Problem[];
}

/** How strictly a file is read. */
export interface LoadOptions {
  /** Keys that are not applied are problems instead of notes. Default false. */
  strict?: boolean;
}

/**
 * Reads a cluster file.
 *
 * @param text Content of the file.
 * @param fileName Name for messages.
 * @returns The configuration in canonical form, or every problem of the file. Never throws for a bad file.
 */
export function loadLabFile(
  text: string,
  fileName: string,
  options: LoadOptions = {},
): LoadedLab | RefusedLab {
  const parsed = parseYaml(text);
  if ("problems" in parsed) return { ok: false, fileName, problems: inFileOrder(parsed.problems) };
  const { locate } = parsed.document;

  const found: Explained[] = [];
  const report = (path: Path, reason: string) => found.push({ path, at: "value", reason });
  const canonical = canonicalise(parsed.document.data);
  const unapplied = canonical.unapplied.map(({ path, text: said }) => ({ path, reason: said }));
  const refused = options.strict === true ? [...canonical.problems, ...unapplied] : canonical.problems;
  const told = options.strict === true ? canonical.notes : [...canonical.notes, ...canonical.unapplied];
  const data = expandDollars(canonical.data, report);
  const variables = found.map(({ path }) => ({ path }));
  const place = (path: Path, at: "key" | "value" = "value") => locate(canonical.original(path), at);

  const result = labSchema.safeParse(data);
  let config: LabConfig | undefined;
  if (result.success) config = normalise(result.data, report);
  else {
    const explained = result.error.issues.flatMap((issue) => explain(issue, labSchema, data));
    const said = [...canonical.problems, ...variables];
    found.push(...explained.filter((problem) => !causedBy(problem, said)));
  }

  const problems = [
    ...found.map((problem) => positioned(problem, place)),
    ...refused.map(({ path, reason }) => ({ ...locate(path), path: formatPath(path), reason })),
  ];
  if (config === undefined || problems.length > 0)
    return { ok: false, fileName, problems: inFileOrder(problems) };
  const notes = told.map(({ path, text: said }) => ({
    ...locate(path, "key"),
    path: formatPath(path),
    text: said,
  }));
  return { ok: true, fileName, config, notes: inFileOrder(notes), locate: (path) => place(parsePath(path)) };
}

/** A value that was refused before must not earn a second, misleading message from the schema. */
function causedBy(problem: Explained, refused: readonly { path: Path }[]): boolean {
  return refused.some(({ path }) => formatPath(path) === formatPath(problem.path));
}

function positioned(problem: Explained, place: (path: Path, at: "key" | "value") => Position): Problem {
  const { path, at, ...rest } = problem;
  return { ...place(path, at), path: formatPath(path), ...rest };
}
