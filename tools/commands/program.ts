import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureEngine } from "../engine/ensure.ts";
import { ensureHypervisor } from "../hypervisor/ensure.ts";
import { cacheFolder, projectRoot } from "../paths.ts";
import { consoleReporter } from "../report/progress.ts";

/**
 * Runs a program below test/ with the engine and a hypervisor at hand. Returns its exit code.
 *
 * @param runsTests It needs what tests need beside the hypervisor, for example sshd.
 */
export async function runTestProgram(
  path: string,
  args: readonly string[],
  { runsTests }: { runsTests: boolean },
): Promise<number> {
  const root = projectRoot();
  const program = join(root, "test", path);
  if (!existsSync(program)) throw new Error(`there is nothing to run: ${program} does not exist`);
  const [cache, report] = [cacheFolder(), consoleReporter()];
  const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true && !process.env.CI;
  await ensureHypervisor({ cache, report, interactive, runsTests });
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
