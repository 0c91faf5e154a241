import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Folder of the checkout: found upward from this module, which may be the source or its compiled form in dist/.
 * @throws Error where no package.json of hyperlab is above.
 */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "hyperlab") return folder;
    const parent = resolve(folder, "..");
    if (parent === folder) throw new Error("the checkout of hyperlab was not found above its own code");
    folder = parent;
  }
}

/** Value of a variable, where empty counts as not set. */
function variable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === "" ? undefined : value;
}

/** Where things live that can be made again: engine, plugins, images, probe results. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(variable(env, "XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "hyperlab");
}

/** Where things live that must not be lost: state, passphrase, the stack file with its salt. */
export function stateFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(variable(env, "XDG_STATE_HOME") ?? join(homedir(), ".local", "state"), "hyperlab");
}
