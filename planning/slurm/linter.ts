import { autoDetect, gresConf, gresMixed, gresTypes } from "./lint/gres.ts";
import { type LintFile, type LintInput, parseInput } from "./lint/input.ts";
import { defunctKeys, invalidValues, legacyKeys, preemptMode, unknownKeys } from "./lint/keys.ts";
import {
  duplicateNodes,
  incompleteTopology,
  realMemory,
  topologyProduct,
  undefinedNodes,
  unresolvable,
} from "./lint/nodes.ts";
import { noDefault, twoDefaults } from "./lint/partitions.ts";

export type { LintInput } from "./lint/input.ts";

/** One entry for each row of the table; names are stable, tests and documentation use them. */
const RULES = [
  { id: "unknown-key", check: unknownKeys },
  { id: "partition-undefined-node", check: undefinedNodes },
  { id: "duplicate-node-name", check: duplicateNodes },
  { id: "invalid-value", check: invalidValues },
  { id: "preempt-mode-without-type", check: preemptMode },
  { id: "gres-types-missing", check: gresTypes },
  { id: "gres-conf-missing", check: gresConf },
  { id: "gres-typed-and-untyped", check: gresMixed },
  { id: "two-default-partitions", check: twoDefaults },
  { id: "no-default-partition", check: noDefault },
  { id: "topology-product", check: topologyProduct },
  { id: "real-memory-above-guest", check: realMemory },
  { id: "autodetect-plugin-missing", check: autoDetect },
  { id: "defunct-key", check: defunctKeys },
  { id: "topology-incomplete", check: incompleteTopology },
  { id: "unresolvable-host", check: unresolvable },
  { id: "legacy-key", severity: "warning", check: legacyKeys },
] as const;

/** Names of all rules. */
export const lintRules: readonly string[] = RULES.map((rule) => rule.id);

/** Name of a rule. */
export type LintRule = (typeof RULES)[number]["id"];

/** What a rule found. */
export interface LintFinding {
  rule: LintRule;
  severity: "error" | "warning";
  file: LintFile;
  /** From 1; 0: the file as a whole. */
  line: number;
  text: string;
  remedy: string;
}

/**
 * Checks a configuration for the errors that slurmctld dies of and, above all, for those that it swallows. Every rule
 * is one kind of error that was tried on a real slurmctld.
 */
export function lintSlurm(input: LintInput): LintFinding[] {
  const parsed = parseInput(input);
  return RULES.flatMap((rule) => {
    const found: LintFinding[] = [];
    const severity = "severity" in rule ? rule.severity : "error";
    rule.check(parsed, (file, line, text, remedy) =>
      found.push({ rule: rule.id, severity, file, line, text, remedy }),
    );
    return found;
  });
}
