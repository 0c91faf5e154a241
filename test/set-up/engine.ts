import { ensureEngine } from "../../tools/engine/ensure.ts";
import { cacheFolder } from "../../tools/paths.ts";
import { consoleReporter } from "../../tools/report/progress.ts";

/** Obtains the engine and its language host where they are missing. */
export default async function engine(): Promise<void> {
  await ensureEngine({ cache: cacheFolder(), report: consoleReporter() });
}
