import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { findProgram } from "../process/find-program.ts";
import { run } from "../process/run.ts";
import { ENGINE_VERSION, engineIsUsable, parseVersion } from "./version.ts";

export const LANGUAGE_HOST = "pulumi-language-nodejs";

/** An engine and the program that runs Node programs for it. */
export interface Engine {
  pulumi: string;
  version: string;
  /** Folder that must be on PATH for the language host; undefined where it stands beside the engine. */
  languageHostFolder: string | undefined;
  origin: "path" | "cache";
}

/** Folder of the engine that hyperlab obtained itself. */
export function engineFolder(cache: string): string {
  return join(cache, "engine", ENGINE_VERSION);
}

/** Version that a `pulumi` says it is, or undefined where it does not answer in ten seconds. */
export async function askVersion(pulumi: string): Promise<string | undefined> {
  try {
    const result = await run(pulumi, ["version"], {
      timeoutMs: 10_000,
      env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "1" },
    });
    return result.code === 0 ? result.stdout.trim() : undefined;
  } catch {
    return undefined;
  }
}

/** The engine on PATH, where it is new enough. */
export async function engineOnPath(): Promise<{ pulumi: string; version: string } | undefined> {
  const pulumi = findProgram("pulumi");
  if (pulumi === undefined) return undefined;
  const text = await askVersion(pulumi);
  const version = text === undefined ? undefined : parseVersion(text);
  return version !== undefined && engineIsUsable(version) ? { pulumi, version: text ?? "" } : undefined;
}

/** Folder of a language host that the engine would not find beside itself; undefined where it is beside it. */
export function languageHostFor(
  pulumi: string,
  cache: string,
): { found: boolean; folder: string | undefined } {
  if (existsSync(join(dirname(realpathSync(pulumi)), LANGUAGE_HOST)))
    return { found: true, folder: undefined };
  const onPath = findProgram(LANGUAGE_HOST);
  if (onPath !== undefined) return { found: true, folder: dirname(onPath) };
  const own = engineFolder(cache);
  return existsSync(join(own, LANGUAGE_HOST))
    ? { found: true, folder: own }
    : { found: false, folder: undefined };
}
