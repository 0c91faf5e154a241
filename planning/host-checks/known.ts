import type { Known } from "../facts.ts";
import type { Findings } from "../findings.ts";

/** The value, or a finding that names the check which could not be made. */
export function known<T>(
  fact: Known<T>,
  id: string,
  path: string,
  what: string,
  findings: Findings,
): T | undefined {
  if (fact.known) return fact.value;
  findings.unknown(
    id,
    path,
    `${what}: not known, ${fact.why}`,
    "Make the host reachable and run the preview again.",
  );
  return undefined;
}
