/** Running the builder's helper programs, with progress on standard error. */
import { spawn } from "node:child_process";

/** Prints lines with the time since the start. */
export interface Progress {
  /** Begin a step; its text is repeated while the step runs long. */
  step(text: string): void;
  /** A detail of the current step. */
  detail(text: string): void;
  stop(): void;
}

const heartbeatSeconds = 15;

/** Progress on standard error; a long step repeats itself, so that a build never looks hung. */
export function stderrProgress(): Progress {
  const start = process.hrtime.bigint();
  let current = "";
  let detail = "";
  let last = 0;
  const seconds = () => Number((process.hrtime.bigint() - start) / 1_000_000n) / 1000;
  const print = (text: string) => {
    last = seconds();
    process.stderr.write(`[${last.toFixed(0).padStart(4)} s] ${text}\n`);
  };
  const timer = setInterval(() => {
    if (seconds() - last >= heartbeatSeconds) print(`${current}${detail === "" ? "" : `: ${detail}`} …`);
  }, 1000);
  timer.unref();
  return {
    step: (text) => {
      current = text;
      detail = "";
      print(text);
    },
    detail: (text) => {
      detail = text;
    },
    stop: () => clearInterval(timer),
  };
}

/** A program that failed: what was run, how it ended, the end of what it said. */
export class ProgramError extends Error {
  constructor(program: string, ending: string, output: string) {
    const tail = output.trimEnd().split("\n").slice(-30).join("\n");
    super(`${program} ${ending}${tail === "" ? "" : `; its last output:\n${tail}`}`);
    this.name = "ProgramError";
  }
}

/** How a program is run. */
export interface RunOptions {
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Called with each line of output. */
  readonly onLine?: (line: string) => void;
}

/**
 * Run a program to its end and return its standard output.
 * @throws ProgramError when it cannot be started or ends with another code than 0
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: options.environment ?? process.env,
      ...(options.signal === undefined ? {} : { signal: options.signal, killSignal: "SIGTERM" as const }),
    });
    let output = "";
    let all = "";
    let partial = "";
    const take = (chunk: string) => {
      all = (all + chunk).slice(-20_000);
      const lines = (partial + chunk).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) options.onLine?.(line);
    };
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      take(chunk);
    });
    child.stderr.setEncoding("utf8").on("data", take);
    child.on("error", (error) => reject(new ProgramError(program, `could not run (${error.message})`, all)));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(output);
      else
        reject(
          new ProgramError(
            program,
            signal === null ? `ended with code ${code}` : `was ended by ${signal}`,
            all,
          ),
        );
    });
  });
}
