import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface RunOptions {
  cwd?: string;
  /** Whole environment of the process. Default: that of this process. */
  env?: NodeJS.ProcessEnv;
  /** Written to standard input, which is closed afterwards; without it standard input is empty. */
  input?: string;
  /** The process and its children are killed after this time. Default: no limit. */
  timeoutMs?: number;
  /** Every line of standard output and standard error, as it comes. */
  onLine?: (line: string) => void;
}

export interface RunResult {
  /** Exit code, or null where a signal ended the process. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

/** What is kept of each stream: enough for an error message, bounded for a build that prints for minutes. */
const KEPT = 4 * 1024 * 1024;

/** Cuts a stream of pieces into lines and hands them on. */
export function lineSplitter(onLine: (line: string) => void): { push(text: string): void; end(): void } {
  let rest = "";
  return {
    push(text) {
      const lines = (rest + text).split(/\r?\n|\r/);
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    },
    end() {
      if (rest !== "") onLine(rest);
      rest = "";
    },
  };
}

/**
 * Runs a program to its end and returns what it printed; a non-zero exit is a result, not an error.
 * @throws Error where the program cannot be started.
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ["pipe", "pipe", "pipe"],
      // A group of its own, so that a deadline ends the children too.
      detached: options.timeoutMs !== undefined,
    });
    const texts = { stdout: "", stderr: "" };
    let timedOut = false;
    const splitters = [];
    for (const name of ["stdout", "stderr"] as const) {
      const splitter = lineSplitter((line) => options.onLine?.(line));
      splitters.push(splitter);
      child[name].setEncoding("utf8");
      child[name].on("data", (text: string) => {
        texts[name] = (texts[name] + text).slice(-KEPT);
        splitter.push(text);
      });
      child[name].on("end", () => splitter.end());
    }
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            killGroup(child.pid);
          }, options.timeoutMs);
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(new Error(`${program} could not be started: ${error.message}`));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, ...texts, timedOut });
    });
    // A program that ends without reading its input is not an error of ours.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Already gone between the deadline and the signal.
  }
}

/** Whether a process of this host is alive; one of another user counts as alive. */
export function processIsAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Clock ticks of /proc in a second; Linux has the same on every architecture that runs Node. */
const TICKS_PER_SECOND = 100;

/** When a process of this host started, in milliseconds since 1970, to a second; undefined where it cannot be told. */
export function processStartMs(pid: number): number | undefined {
  try {
    const boot = /^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1];
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name of the program, in parentheses, may hold anything; the start is the 22nd field.
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return (Number(boot) + Number(ticks) / TICKS_PER_SECOND) * 1000 || undefined;
  } catch {
    return undefined;
  }
}
