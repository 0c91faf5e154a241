import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
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
  return makeKey(ownKeyFile(stateFolder));
}

async function makeKey(file: string): Promise<string> {
  const args = ["-q", "-t", "ed25519", "-N", "", "-C", "hyperlab", "-f", file];
  const result = await run("ssh-keygen", args, { timeoutMs: 30_000 });
  if (result.code !== 0)
    throw new Error(`ssh-keygen could not make a key in ${file}: ${result.stderr.trim()}`);
  return file;
}

/** The key before, which machines accept until they were told of the new one. No public half is beside it. */
const retiredKeyFile = (stateFolder: string): string => `${ownKeyFile(stateFolder)}_retired`;

/** A key that was made anew. */
export interface ReplacedKey {
  readonly file: string;
  /** Puts everything back as it was. */
  undo(): void;
}

/**
 * Makes the key of {@link ensureUserKey} anew. The old one stays beside it, and is tried too, until
 * {@link forgetRetiredKey}.
 * @returns undefined where hyperlab made no key.
 */
export async function replaceOwnKey(stateFolder: string): Promise<ReplacedKey | undefined> {
  const file = ownKeyFile(stateFolder);
  const retired = retiredKeyFile(stateFolder);
  if (!existsSync(file)) return undefined;
  const next = `${file}_next`;
  for (const left of [next, `${next}.pub`]) rmSync(left, { force: true });
  await makeKey(next);
  const before = [file, `${file}.pub`, retired].map((path) => ({
    path,
    content: existsSync(path) ? readFileSync(path) : undefined,
  }));
  // At each moment there is a private key for every public one.
  renameSync(file, retired);
  renameSync(next, file);
  renameSync(`${next}.pub`, `${file}.pub`);
  return {
    file,
    undo: () => {
      for (const { content, path } of before) {
        rmSync(path, { force: true });
        if (content !== undefined) writeFileSync(path, content, { mode: 0o600 });
      }
    },
  };
}

/** Removes the key before, once no machine accepts it. */
export function forgetRetiredKey(stateFolder: string): void {
  rmSync(retiredKeyFile(stateFolder), { force: true });
}

/**
 * Private keys that ssh must be told of: the one made for the lab, the one before while machines may still want it, and a
 * person's own under names that it does not try.
 */
export function identityFiles(stateFolder: string, home: string = homedir()): string[] {
  const own = [ownKeyFile(stateFolder), retiredKeyFile(stateFolder)].filter((file) => existsSync(file));
  return [...own, ...unusualIdentities(join(home, ".ssh"))];
}
