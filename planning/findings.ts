import type { Finding } from "./plan.ts";

type Severity = Finding["severity"];

/** Collects findings; the list comes out in a fixed order, whatever the order of the checks. */
export class Findings {
  readonly #list: Finding[] = [];

  error(id: string, path: string, text: string, remedy: string): void {
    this.#list.push({ id, severity: "error", path, text, remedy });
  }

  unknown(id: string, path: string, text: string, remedy: string): void {
    this.#list.push({ id, severity: "unknown", path, text, remedy });
  }

  warning(id: string, path: string, text: string, remedy: string): void {
    this.#list.push({ id, severity: "warning", path, text, remedy });
  }

  note(id: string, path: string, text: string, remedy: string): void {
    this.#list.push({ id, severity: "note", path, text, remedy });
  }

  /** A departure from the file that hyperlab makes by itself: a warning, in strict mode an error. */
  adjusted(strict: boolean, id: string, path: string, text: string, remedy: string): void {
    this.#list.push({ id, severity: strict ? "error" : "warning", path, text, remedy });
  }

  sorted(): Finding[] {
    const rank: Record<Severity, number> = { error: 0, unknown: 1, warning: 2, note: 3 };
    const text = (finding: Finding) => `${finding.path}\0${finding.id}\0${finding.text}`;
    return this.#list
      .map((finding) => ({ finding, rank: rank[finding.severity], text: text(finding) }))
      .sort((a, b) => a.rank - b.rank || (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
      .map(({ finding }) => finding);
  }
}

/** Whether something in the list forbids to go on. */
export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some((finding) => finding.severity === "error");
}

const MARK: Record<Severity, string> = {
  error: "error",
  unknown: "unknown",
  warning: "warning",
  note: "note",
};

/**
 * Findings as text, one block each.
 *
 * @param locate Place of a path, as `loadLabFile` returns it; without it the path stands alone.
 */
export function printFindings(
  findings: readonly Finding[],
  fileName: string,
  locate?: (path: string) => { line: number; column: number },
): string {
  const lines = findings.flatMap((finding) => {
    const position = finding.path === "" ? undefined : locate?.(finding.path);
    const place = position === undefined ? "" : `${fileName}:${position.line}:${position.column}  `;
    const path = finding.path === "" ? "" : `${finding.path}: `;
    return [`${place}${MARK[finding.severity]}  ${path}${finding.text}`, `    ${finding.remedy}`];
  });
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/** Base path of everything in the SLURM cluster. */
export const HPC = "clusters.hpc";

/** Path of a compute node in the file. */
export function computePath(form: "array" | "group", number: number): string {
  return form === "array" ? `${HPC}.compute_nodes[${number - 1}]` : `${HPC}.compute_nodes`;
}
