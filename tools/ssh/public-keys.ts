import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PUBLIC_KEY } from "../../config/schema/users.ts";

/** A file of public keys that may log in. */
interface PublicKeyFile {
  path: string;
  keys: string[];
}

/**
 * Files `*.pub` of a folder with keys as sshd takes them; certificates and other files of that name are left out. What
 * cannot be read holds none.
 */
function publicKeyFiles(folder: string): PublicKeyFile[] {
  const names = reading(() => readdirSync(folder), []).filter((name) => name.endsWith(".pub"));
  return names.sort().flatMap((name) => {
    const path = join(folder, name);
    const lines = reading(() => readFileSync(path, "utf8"), "").split("\n");
    const keys = lines.map((line) => line.trim()).filter((line) => PUBLIC_KEY.test(line));
    return keys.length === 0 ? [] : [{ path, keys }];
  });
}

function reading<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

/** Public keys of a folder that may log in. */
export const publicKeysIn = (folder: string): string[] => publicKeyFiles(folder).flatMap(({ keys }) => keys);

/**
 * Private keys beside the public ones that ssh would not try by itself: those of a folder without any of the names that
 * it knows (`id_ed25519` and the like).
 */
export function unusualIdentities(folder: string): string[] {
  const files = publicKeyFiles(folder).map(({ path }) => path.slice(0, -".pub".length));
  if (files.some((path) => path.startsWith(join(folder, "id_")))) return [];
  return files.filter((path) => existsSync(path));
}
