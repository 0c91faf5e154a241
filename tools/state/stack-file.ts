import { parseDocument, stringify } from "yaml";

/** Keys of a stack file that belong to the encryption of this machine's state. */
const ENCRYPTION_KEYS = ["secretsprovider", "encryptedkey", "encryptionsalt"] as const;

interface StackFile {
  config: Record<string, unknown>;
  /** Every other key, for example the encryption salt. */
  rest: Record<string, unknown>;
}

/**
 * Reads a stack file (Pulumi.STACK.yaml).
 * @throws Error that names the file where it is not a YAML mapping.
 */
export function parseStackFile(text: string, name: string): StackFile {
  const document = parseDocument(text);
  const problem = document.errors[0];
  if (problem) throw new Error(`${name} is not valid YAML: ${problem.message}`);
  const content: unknown = document.toJS() ?? {};
  if (!isRecord(content)) throw new Error(`${name} must be a mapping with the key "config"`);
  const { config, ...rest } = content;
  if (config !== undefined && config !== null && !isRecord(config)) {
    throw new Error(`${name}: "config" must be a mapping`);
  }
  return { config: config ?? {}, rest };
}

/**
 * The stack file that the engine works with, outside the checkout: the committed settings, with what this machine
 * added. A committed key wins; a key that was committed once and is no longer goes; a key that only the copy has
 * stays, because `pulumi config set` writes there. The salt stays the copy's unless one is committed.
 * @param committed text of the file in the checkout
 * @param copy text of the copy, empty where there is none yet
 * @param base text of the committed file when the copy was last brought in step, empty where there is none
 */
export function mergeStackFile(committed: string, copy: string, base: string, name: string): string {
  const now = parseStackFile(committed, name);
  const own = parseStackFile(copy, `the copy of ${name}`);
  const before = parseStackFile(base, `the last ${name}`);
  const added = Object.entries(own.config).filter(([key]) => !(key in before.config) && !(key in now.config));
  const config = { ...now.config, ...Object.fromEntries(added) };
  const rest: Record<string, unknown> = { ...now.rest };
  const saltIsCommitted = ENCRYPTION_KEYS.some((key) => key in now.rest);
  if (!saltIsCommitted) {
    for (const key of ENCRYPTION_KEYS) if (key in own.rest) rest[key] = own.rest[key];
  }
  return stringify({ ...(Object.keys(config).length > 0 ? { config } : {}), ...rest }, { lineWidth: 0 });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
