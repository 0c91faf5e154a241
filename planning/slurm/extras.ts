import { nearest } from "../../config/nearest.ts";
import { type Findings, HPC } from "../findings.ts";
import { byText } from "../names.ts";
import {
  defunctParameters,
  legacyParameters,
  lineParameters,
  type Parameter,
  SLURM_VERSION,
  slurmConfParameters,
} from "./parameters.ts";

const PATH = `${HPC}.slurm_config`;

/** Decided by hyperlab: a different value would break what it relies on. */
export const MANAGED_PARAMETERS: ReadonlySet<string> = new Set(
  (
    "AccountingStorageHost AccountingStoragePort AccountingStorageType AccountingStoragePass AccountingStorageUser " +
    "AccountingStorageLoc AccountingStorageBackupHost AuthInfo AuthType ClusterName CredType GresTypes " +
    "JobAcctGatherType PluginDir ProctrackType ReconfigFlags ReturnToService SelectType SelectTypeParameters " +
    "SlurmctldAddr SlurmctldParameters SlurmctldPort SlurmdPort SlurmdSpoolDir SlurmdUser SlurmUser SrunPortRange StateSaveLocation " +
    "TaskPlugin TopologyPlugin SuspendProgram ResumeProgram"
  ).split(" "),
);

const LIMITS = { uint16: 65_533, uint32: 4_294_967_293, uint64: Number.MAX_SAFE_INTEGER } as const;

/**
 * Further keys of `slurm_config` as parameters of slurm.conf, by SLURM's spelling. Case and underscores do not count, so
 * `KillWait` and `kill_wait` are the same. What SLURM does not know is reported and not applied.
 */
export function slurmParameters(
  extra: Readonly<Record<string, unknown>>,
  strict: boolean,
  findings: Findings,
): Record<string, string> {
  const found = new Map<string, string>();
  for (const [written, value] of Object.entries(extra).sort((a, b) => byText(a[0], b[0]))) {
    const path = `${PATH}.${written}`;
    const parameter = accepted(written, path, strict, findings);
    if (parameter === undefined) continue;
    if (found.has(parameter.name)) {
      findings.error(
        "slurm-parameter-twice",
        path,
        `${parameter.name} is given twice`,
        "Keep one of the two.",
      );
      continue;
    }
    const text = valueText(parameter, value);
    if ("reason" in text) {
      findings.error("slurm-parameter-value", path, `${parameter.name} ${text.reason}`, text.remedy);
      continue;
    }
    found.set(parameter.name, text.value);
  }
  return Object.fromEntries([...found].sort((a, b) => byText(a[0], b[0])));
}

function accepted(written: string, path: string, strict: boolean, findings: Findings): Parameter | undefined {
  const plain = written.replaceAll("_", "").toLowerCase();
  const parameter = slurmConfParameters.get(plain);
  const line = lineParameters.find((name) => name.toLowerCase() === plain);
  if (line !== undefined || (parameter !== undefined && MANAGED_PARAMETERS.has(parameter.name))) {
    const name = line ?? parameter?.name ?? written;
    findings.error("slurm-parameter-managed", path, `${name} is decided by hyperlab`, "Remove the key.");
    return undefined;
  }
  if (parameter === undefined) {
    const guess = nearest(
      written,
      [...slurmConfParameters.values()].map(({ name }) => name),
    );
    const text = `SLURM ${SLURM_VERSION} has no parameter ${written}; it is not applied`;
    const remedy = guess === undefined ? "Remove the key." : `Did you mean ${guess}? Else remove the key.`;
    findings.adjusted(strict, "slurm-parameter-unknown", path, text, remedy);
    return undefined;
  }
  const successor = legacyParameters[parameter.name];
  if (successor !== undefined) {
    const text = `${parameter.name} is an old name of ${successor}`;
    findings.error("slurm-parameter-legacy", path, text, `Use ${successor}, or remove the key.`);
    return undefined;
  }
  if (defunctParameters.includes(parameter.name)) {
    const text = `${parameter.name} has no effect any more in SLURM ${SLURM_VERSION}`;
    findings.error("slurm-parameter-defunct", path, text, "Remove the key.");
    return undefined;
  }
  return parameter;
}

function valueText(
  parameter: Parameter,
  value: unknown,
): { value: string } | { reason: string; remedy: string } {
  if (parameter.type === "boolean") {
    if (value === true || value === false) return { value: value ? "YES" : "NO" };
    if (typeof value === "string" && /^(yes|no|true|false)$/i.test(value))
      return { value: value.toUpperCase() };
    return { reason: "is a switch", remedy: "Write true or false." };
  }
  if (parameter.type !== "text") {
    const limit = LIMITS[parameter.type];
    const infinite = typeof value === "string" && /^(infinite|unlimited)$/i.test(value);
    if (infinite) return { value: String(value).toUpperCase() };
    const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
    if (typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= limit) {
      return { value: String(number) };
    }
    return { reason: `is ${JSON.stringify(value)}`, remedy: `Write a whole number from 0 to ${limit}.` };
  }
  return textValue(value);
}

function textValue(value: unknown): { value: string } | { reason: string; remedy: string } {
  const parts = Array.isArray(value) ? value : [value];
  const scalar = parts.every((part) => ["string", "number", "boolean"].includes(typeof part));
  if (!scalar || parts.length === 0) {
    return { reason: "is no text", remedy: "Write a text, a number, or a list of them (joined by commas)." };
  }
  const text = parts.map((part) => (part === true ? "YES" : part === false ? "NO" : String(part))).join(",");
  // SLURM's parser knows no escapes inside quotes, and # begins a comment everywhere.
  if (text === "" || /[\n\r"#\\]/.test(text)) {
    const remedy =
      'Write it on one line without #, " and \\; put a longer programme into a script of the image.';
    return { reason: `cannot be written to slurm.conf as ${JSON.stringify(text)}`, remedy };
  }
  return { value: text };
}
