/** Keys that can be rotated alone; each has a generation of its own. */
export const ROTATED_KEYS = ["slurm-key", "db-password", "ssh-host-keys", "user-keys"] as const;

/** A key that can be rotated. */
export type RotatedKey = (typeof ROTATED_KEYS)[number];

/** How often each key was made anew, from 1 on. What is absent is at its first generation. */
export type KeyGenerations = Readonly<Partial<Record<RotatedKey, number>>>;

/**
 * Generations as the stack configuration has them (`hyperlab:keys`).
 *
 * @param value Undefined where it has none.
 * @throws Error that names the key which is wrong.
 */
export function readKeyGenerations(value: unknown): KeyGenerations {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new Error('"hyperlab:keys" in the stack configuration must be a mapping, such as {slurm-key: 2}.');
  }
  for (const [name, generation] of Object.entries(value)) {
    if (!ROTATED_KEYS.some((key) => key === name)) {
      throw new Error(
        `"hyperlab:keys" in the stack configuration has no key ${name}; it knows ${ROTATED_KEYS.join(", ")}.`,
      );
    }
    if (!Number.isInteger(generation) || generation < 1) {
      throw new Error(
        `The generation of ${name} in "hyperlab:keys" of the stack configuration must be a whole number from 1 on.`,
      );
    }
  }
  return value;
}
