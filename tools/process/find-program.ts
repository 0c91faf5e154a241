import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Administration programs are outside the PATH of ordinary users on Debian. */
const ADMIN_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Path of an executable on PATH or in the folders for administration programs, or undefined. */
export function findProgram(name: string, path: string = process.env.PATH ?? ""): string | undefined {
  for (const folder of [...path.split(delimiter), ...ADMIN_FOLDERS]) {
    if (folder === "") continue;
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // Not here; look on.
    }
  }
  return undefined;
}
