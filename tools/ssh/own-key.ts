import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "../process/run.ts";
import { publicKeysIn, unusualIdentities } from "./public-keys.ts";

/** Where hyperlab keeps the key of a person who has none. */
export function ownKeyFile(stateFolder: string): string {
  return join(stateFolder, "id_ed25519");
}

/**
 * Makes an SSH key for a person who has none, because without one nobody could log in. It stays beside the state.
 * @returns the file of a fresh key, or undefined where there was one already.
 */
export async function ensureUserKey(
  stateFolder: string,
  home: string = homedir(),
): Promise<string | undefined> {
  if ([join(home, ".ssh"), stateFolder].some((folder) => publicKeysIn(folder).length > 0)) return undefined;
  const file = ownKeyFile(stateFolder);
  const args = ["-q", "-t", "ed25519", "-N", "", "-C", "hyperlab", "-f", file];
  const result = await run("ssh-keygen", args, { timeoutMs: 30_000 });
  if (result.code !== 0)
    throw new Error(`ssh-keygen could not make a key in ${file}: ${result.stderr.trim()}`);
  return file;
}

/** Private keys that ssh must be told of: the one made for the lab, and a person's own under names that it does not try. */
export function identityFiles(stateFolder: string, home: string = homedir()): string[] {
  const own = ownKeyFile(stateFolder);
  return [...(existsSync(own) ? [own] : []), ...unusualIdentities(join(home, ".ssh"))];
}
