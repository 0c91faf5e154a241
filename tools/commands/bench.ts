import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureEngine } from "../engine/ensure.ts";
import { ensureHypervisor } from "../hypervisor/ensure.ts";
import { cacheFolder, projectRoot } from "../paths.ts";
import { consoleReporter } from "../report/progress.ts";

/**
 * Runs the benchmarks with the engine at hand; they write docs/benchmarks.md. Stacks, state and libvirt daemon are their
 * own. Returns their exit code.
 */
export async function bench(args: readonly string[]): Promise<number> {
  const root = projectRoot();
  const program = join(root, "test", "benchmarks", "main.ts");
  if (!existsSync(program)) throw new Error(`there are no benchmarks: ${program} does not exist`);
  const [cache, report] = [cacheFolder(), consoleReporter()];
  const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true && !process.env.CI;
  await ensureHypervisor({ cache, report, interactive });
  await ensureEngine({ cache, report });
  return new Promise((resolve, reject) => {
    // Node 22 runs TypeScript with erasable types as it is.
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
      cwd: root,
      // As runs of the engine have it.
      env: { NODE_COMPILE_CACHE: join(cache, "node-compile"), ...process.env },
      stdio: "inherit",
    });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 130));
  });
}
