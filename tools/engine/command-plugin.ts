import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findProgram } from "../process/find-program.ts";
import { parseJsonObject } from "../process/json-object.ts";
import { run } from "../process/run.ts";
import type { Reporter } from "../report/progress.ts";

/** Version of `@pulumi/command` in package.json. */
export const COMMAND_VERSION = "1.2.1";

const PLUGIN_SITE = "https://get.pulumi.com/releases/plugins";
const CONNECT_MS = 4_000;
const INSTALL_MS = 180_000;
/** How long a failed attempt holds. */
const REMEMBER_MS = 24 * 3_600_000;

export interface CommandPluginOptions {
  root: string;
  cache: string;
  pulumi: string;
  /** PULUMI_HOME of the runs. */
  pulumiHome: string;
  report: Reporter;
  site?: string;
}

/** A remembered attempt that failed, still valid; anything else in the file counts as none. */
export function rememberedFailure(text: string, version: string, nowMs: number): boolean {
  const { version: of, failedAtMs } = parseJsonObject(text) ?? {};
  if (of !== version || typeof failedAtMs !== "number") return false;
  return nowMs >= failedAtMs && nowMs - failedAtMs < REMEMBER_MS;
}

/**
 * Makes sure that programs find a command plugin: the official one where the engine has it or can get it, else the
 * project's own implementation of the same schema.
 * @returns the folder that must be on PATH for the own plugin; undefined where the official one is there.
 */
export async function ensureCommandPlugin(options: CommandPluginOptions): Promise<string | undefined> {
  if (existsSync(join(options.pulumiHome, "plugins", `resource-command-v${COMMAND_VERSION}`)))
    return undefined;
  if (findProgram("pulumi-resource-command") !== undefined) return undefined;
  const own = join(options.root, "providers", "command");
  const memory = join(options.cache, "engine", "command-plugin.json");
  const text = existsSync(memory) ? readFileSync(memory, "utf8") : "";
  if (rememberedFailure(text, COMMAND_VERSION, Date.now())) return own;
  if (await install(options)) return undefined;
  mkdirSync(dirname(memory), { recursive: true });
  writeFileSync(memory, JSON.stringify({ version: COMMAND_VERSION, failedAtMs: Date.now() }));
  options.report.line(
    `The official command plugin ${COMMAND_VERSION} cannot be reached; hyperlab's own takes its place (asked again in a day)`,
  );
  return own;
}

async function install(options: CommandPluginOptions): Promise<boolean> {
  // The engine would try five times and, behind a firewall that drops, for minutes each.
  if (!(await siteAnswers(options.site ?? PLUGIN_SITE))) return false;
  const args = ["plugin", "install", "resource", "command", COMMAND_VERSION, "--non-interactive"];
  const env = { ...process.env, PULUMI_HOME: options.pulumiHome, PULUMI_SKIP_UPDATE_CHECK: "1" };
  return options.report.step(`Installing the command plugin ${COMMAND_VERSION}`, async (step) => {
    const result = await run(options.pulumi, args, {
      env,
      timeoutMs: INSTALL_MS,
      onLine: (line) => step.detail(line),
    });
    return result.code === 0;
  });
}

async function siteAnswers(site: string): Promise<boolean> {
  try {
    await fetch(`${site}/`, { method: "HEAD", signal: AbortSignal.timeout(CONNECT_MS) });
    return true;
  } catch {
    // No name, no route, no answer: not reachable, whatever the reason.
    return false;
  }
}
