import type { Path } from "./problems.ts";

const VARIABLE = /\$(\{[^}]*\}?|[A-Za-z_][A-Za-z0-9_]*)/;

/**
 * Variables (`$NAME`, `${NAME}`) are refused until hyperlab expands them, so that no text with a dollar sign in it is
 * taken literally today and expanded by a later version. `$$` is a dollar sign now and then.
 */
export function expandDollars(
  value: unknown,
  report: (path: Path, reason: string) => void,
  path: Path = [],
): unknown {
  if (typeof value === "string") {
    if (!value.includes("$")) return value;
    const variable = VARIABLE.exec(value.replaceAll("$$", ""));
    if (variable !== null) {
      report(
        path,
        `variables such as ${variable[0].slice(0, 40)} are not available yet in this version; ` +
          "write the value itself, and a literal dollar sign as $$",
      );
      return value;
    }
    return value.replaceAll("$$", "$");
  }
  if (Array.isArray(value)) return value.map((item, index) => expandDollars(item, report, [...path, index]));
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value).map(
      ([name, item]) => [name, expandDollars(item, report, [...path, name])] as const,
    );
    return Object.fromEntries(entries);
  }
  return value;
}
