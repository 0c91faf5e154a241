import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureHypervisor } from "../hypervisor/ensure.ts";
import { type Context, openSession } from "./context.ts";

/** Runs the benchmarks with the engine at hand; they write docs/benchmarks.md. Returns their exit code. */
export async function bench(context: Context, args: readonly string[]): Promise<number> {
  const program = join(context.root, "test", "benchmarks", "main.ts");
  if (!existsSync(program)) throw new Error(`there are no benchmarks: ${program} does not exist`);
  const { cache, interactive, report } = context;
  await ensureHypervisor({ cache, report, interactive });
  const session = await openSession(context);
  const { env } = session;
  return new Promise((resolve, reject) => {
    // Node 22 runs TypeScript with erasable types as it is.
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
      cwd: context.root,
      env,
      stdio: "inherit",
    });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 130));
  });
}
