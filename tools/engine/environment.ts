import { mkdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { StateLayout } from "../state/layout.ts";
import type { Engine } from "./locate.ts";

export interface EnvironmentOptions {
  root: string;
  cache: string;
  engine: Engine;
  layout: StateLayout;
  /** Folder of the project's own command plugin, where the official one cannot be had. */
  commandPluginFolder: string | undefined;
  base: NodeJS.ProcessEnv;
}

/** Environment of every run of the engine. What the user set himself holds, except PATH, which is only extended. */
export function engineEnvironment(options: EnvironmentOptions): NodeJS.ProcessEnv {
  const { base, cache, engine, layout, root } = options;
  const folders = [
    // First, so that programs and plugins get the Node that the project installed.
    join(root, "node_modules", ".bin"),
    dirname(engine.pulumi),
    engine.languageHostFolder,
    options.commandPluginFolder,
    base.PATH,
  ].filter((folder) => folder !== undefined && folder !== "");
  const env: NodeJS.ProcessEnv = {
    NODE_COMPILE_CACHE: join(cache, "node-compile"),
    PULUMI_HOME: join(cache, "pulumi-home"),
    PULUMI_SKIP_UPDATE_CHECK: "1",
    ...base,
    PATH: folders.join(delimiter),
    PULUMI_BACKEND_URL: layout.backendUrl,
    // Opens the flag --event-log, which the display reads.
    PULUMI_DEBUG_COMMANDS: "true",
  };
  if (layout.passphraseFile !== undefined) env.PULUMI_CONFIG_PASSPHRASE_FILE = layout.passphraseFile;
  if (options.commandPluginFolder !== undefined) env.PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION = "true";
  const home = env.PULUMI_HOME;
  if (home !== undefined) mkdirSync(home, { recursive: true, mode: 0o700 });
  return env;
}
