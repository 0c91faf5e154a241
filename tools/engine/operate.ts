import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duration } from "../report/duration.ts";
import { type EngineEvent, parseEvent, plain } from "../report/engine-events.ts";
import type { Reporter } from "../report/progress.ts";
import { RunDisplay } from "../report/run-display.ts";
import { followFile } from "./event-tail.ts";
import { passInterrupts } from "./interrupts.ts";

/** What every run of the engine needs. */
export interface EngineSession {
  pulumi: string;
  /** Environment from `engineEnvironment`. */
  env: NodeJS.ProcessEnv;
  /** The checkout, where the program is. */
  root: string;
  stack: string;
  /** The stack file that the engine reads and writes. */
  stackFile: string;
  logFolder: string;
}

export type Operation = "up" | "preview" | "refresh" | "destroy";

export interface OperationResult {
  /** Exit code of the engine; 130 where it was interrupted and ended cleanly. */
  code: number;
  interrupted: boolean;
  events: EngineEvent[];
  changes: Record<string, number>;
  /** Where the engine's own output is. */
  log: string;
}

export interface OperateOptions {
  /** Further flags of the engine. */
  args?: readonly string[];
  /** What the status line says while no resource is being changed. */
  label: string;
  /** Show lines for what happens. False: collect only, for a table. Default true. */
  showLines?: boolean;
  /** Notes and warnings that were shown before and are not repeated. */
  told?: ReadonlySet<string>;
}

const KEPT_LOGS = 20;

/**
 * Runs an operation that runs the program, and shows what happens. Never asks anything. An interrupt reaches the
 * engine once, and its end is waited for; a second one later makes it stop at once.
 */
export async function operate(
  session: EngineSession,
  operation: Operation,
  report: Reporter,
  options: OperateOptions,
): Promise<OperationResult> {
  const temporary = mkdtempSync(join(tmpdir(), "hyperlab-events-"));
  const eventFile = join(temporary, "events.json");
  const log = join(
    session.logFolder,
    `${new Date().toISOString().replaceAll(/[:.]/g, "-")}-${operation}.log`,
  );
  removeOldLogs(session.logFolder);
  const display = new RunDisplay(options.told === undefined ? {} : { told: options.told });
  const events: EngineEvent[] = [];
  const start = Date.now();
  const showLine = (event: EngineEvent): void => {
    for (const line of display.take(event, Date.now())) {
      if (options.showLines !== false) report.line(tint(report, line));
    }
  };
  const follow = followFile(eventFile, (line) => {
    const event = parseEvent(line);
    if (!event) return;
    events.push(event);
    showLine(event);
  });
  const elapsed = (): string => duration(Date.now() - start);
  const stopLive = report.live(() => {
    const status = display.status(Date.now());
    return status === "" ? `${options.label} (${elapsed()})` : `${status}; ${elapsed()} in all`;
  });
  try {
    const ended = await runEngine(session, operation, eventFile, log, options.args ?? [], report);
    follow.stop();
    stopLive();
    if (ended.code !== 0 && display.errors.length === 0 && !ended.interrupted) {
      for (const line of plain(ended.tail).trim().split("\n").slice(-15))
        report.line(report.colour("red", line));
    }
    return { ...ended, events, changes: display.changes, log };
  } finally {
    stopLive();
    rmSync(temporary, { recursive: true, force: true });
  }
}

function tint(report: Reporter, line: { tone: "good" | "bad" | "warning" | "plain"; text: string }): string {
  if (line.tone === "good") return `${report.colour("green", "✓")} ${line.text}`;
  if (line.tone === "bad") return report.colour("red", `✗ ${line.text}`);
  if (line.tone === "warning") return report.colour("yellow", `! ${line.text}`);
  return `  ${line.text}`;
}

function runEngine(
  session: EngineSession,
  operation: Operation,
  eventFile: string,
  log: string,
  args: readonly string[],
  report: Reporter,
): Promise<{ code: number; interrupted: boolean; tail: string }> {
  const flags = ["--stack", session.stack, "--config-file", session.stackFile, "--non-interactive"];
  // The display would show everything twice, and nobody is asked between preview and update.
  if (operation !== "preview") flags.push("--yes", "--skip-preview");
  const child = spawn(
    session.pulumi,
    [operation, ...flags, "--color", "never", "--event-log", eventFile, ...args],
    // A session of its own: the interrupt key must not reach the engine besides the one that is passed on.
    { cwd: session.root, env: session.env, stdio: ["ignore", "pipe", "pipe"], detached: true },
  );
  const file = createWriteStream(log, { mode: 0o600 });
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      tail = (tail + text).slice(-20_000);
      file.write(text);
    });
  }
  const interrupts = passInterrupts(
    (signal) => child.kill(signal),
    (text) => report.line(text),
  );
  return new Promise((resolve, reject) => {
    const finish = (done: () => void): void => {
      interrupts.stop();
      file.end(done);
    };
    child.on("error", (error) =>
      finish(() => reject(new Error(`${session.pulumi} could not be started: ${error.message}`))),
    );
    child.on("close", (code) =>
      finish(() =>
        resolve({
          code: interrupts.count() > 0 ? 130 : (code ?? 1),
          interrupted: interrupts.count() > 0,
          tail,
        }),
      ),
    );
  });
}

function removeOldLogs(folder: string): void {
  const logs = readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .sort();
  for (const name of logs.slice(0, Math.max(0, logs.length - KEPT_LOGS + 1)))
    rmSync(join(folder, name), { force: true });
}
