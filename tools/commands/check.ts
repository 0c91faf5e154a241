import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../paths.ts";
import { run } from "../process/run.ts";
import { duration } from "../report/duration.ts";
import { consoleReporter } from "../report/progress.ts";

/** How many checks passed and failed. */
export interface Tally {
  passed: number;
  failed: number;
}

/** Which tests run; without a choice all. */
export interface Selection {
  /** Parts of paths. */
  readonly files: readonly string[];
  /** Regular expression for names, of groups and of tests. */
  readonly name?: string;
}

const HEARTBEAT_MS = 30_000;

/** Reads vitest's JSON report. A file that could not be loaded counts as one failure. */
export function tallyOf(text: string): Tally {
  const report: unknown = JSON.parse(text);
  const field = (name: string): unknown =>
    typeof report === "object" && report !== null
      ? Object.entries(report).find(([key]) => key === name)?.[1]
      : undefined;
  const count = (name: string): number => Number(field(name)) || 0;
  const files: unknown = field("testResults");
  const broken = (Array.isArray(files) ? files : []).filter((file: unknown) => {
    if (typeof file !== "object" || file === null) return false;
    const { status, assertionResults }: Record<string, unknown> = { ...file };
    return status === "failed" && Array.isArray(assertionResults) && !assertionResults.some(failedAssertion);
  });
  return { passed: count("numPassedTests"), failed: count("numFailedTests") + broken.length };
}

const failedAssertion = (result: unknown): boolean =>
  typeof result === "object" && result !== null && "status" in result && result.status === "failed";

/** The line that says how it went, alone on its line. */
export const closingLine = (tally: Tally): string => `${tally.passed} passed, ${tally.failed} failed`;

/** `npm test`: formatter and linter, types, and every level of tests but the machines. */
export async function test(selection: Selection): Promise<number> {
  const projects = ["unit", "component", "provider", "engine"];
  const report = consoleReporter();
  const tally = { passed: 0, failed: 0 };
  if (selection.files.length === 0 && selection.name === undefined) {
    for (const check of [
      { label: "Formatter and linter", program: "biome", args: ["check", "."] },
      { label: "Types", program: "tsc", args: ["--noEmit"] },
    ]) {
      const passed = await staticCheck(check);
      if (passed) tally.passed += 1;
      else tally.failed += 1;
    }
  }
  const tests = await runVitest(projects, selection, "default");
  tally.passed += tests.passed;
  tally.failed += tests.failed;
  report.line(closingLine(tally));
  return tally.failed === 0 ? 0 : 1;
}

/** `npm run test:e2e`: machines are booted. */
export async function testMachines(selection: Selection): Promise<number> {
  // One file runs for most of an hour: each scenario is shown when it ends.
  const tally = await runVitest(["image", "e2e"], selection, "verbose");
  consoleReporter().line(closingLine(tally));
  return tally.failed === 0 ? 0 : 1;
}

const binary = (name: string): string => join(projectRoot(), "node_modules", ".bin", name);

async function staticCheck(check: { label: string; program: string; args: string[] }): Promise<boolean> {
  const report = consoleReporter();
  const start = Date.now();
  const result = await run(binary(check.program), check.args, { cwd: projectRoot() });
  const passed = result.code === 0;
  if (!passed) report.line(`${result.stdout}${result.stderr}`.trimEnd());
  report.line(
    `${passed ? report.colour("green", "✓") : report.colour("red", "✗")} ${check.label} (${duration(Date.now() - start)})`,
  );
  return passed;
}

async function runVitest(
  projects: readonly string[],
  { files, name }: Selection,
  reporter: "default" | "verbose",
): Promise<Tally> {
  const folder = mkdtempSync(join(tmpdir(), "hyperlab-tests-"));
  const json = join(folder, "report.json");
  const args = [
    "run",
    ...projects.flatMap((project) => ["--project", project]),
    `--reporter=${reporter}`,
    "--reporter=json",
    `--outputFile.json=${json}`,
    "--passWithNoTests",
    ...(name === undefined ? [] : ["--testNamePattern", name]),
    ...files,
  ];
  try {
    const code = await runVisibly(binary("vitest"), args);
    if (!existsSync(json)) return { passed: 0, failed: 1 };
    const tally = tallyOf(readFileSync(json, "utf8"));
    // An error outside of any test, for example in a set-up, fails the run as well.
    if (code !== 0 && tally.failed === 0) tally.failed = 1;
    return tally;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a program at our terminal. Where it is silent for long, a line says that it still runs. */
function runVisibly(program: string, args: readonly string[]): Promise<number> {
  const start = Date.now();
  return new Promise((resolve, reject) => {
    // vitest colours its output wherever CI is set, a log file included.
    const env = process.stdout.isTTY === true ? process.env : { ...process.env, NO_COLOR: "1" };
    const child = spawn(program, args, { cwd: projectRoot(), env, stdio: ["ignore", "inherit", "inherit"] });
    const heartbeat = setInterval(() => {
      if (process.stdout.isTTY !== true) console.log(`  … tests run (${duration(Date.now() - start)})`);
    }, HEARTBEAT_MS);
    const pass = (signal: NodeJS.Signals): boolean => child.kill(signal);
    process.on("SIGTERM", pass);
    // The key press reaches the tests by themselves; they clean up and end.
    const ignore = (): void => undefined;
    process.on("SIGINT", ignore);
    const settle = (): void => {
      clearInterval(heartbeat);
      process.off("SIGTERM", pass);
      process.off("SIGINT", ignore);
    };
    child.on("error", (error) => {
      settle();
      reject(new Error(`${program} could not be started: ${error.message}`));
    });
    child.on("close", (code) => {
      settle();
      resolve(code ?? 130);
    });
  });
}
