import { spawn } from "node:child_process";

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Runs a program to its end; its output is kept, both streams in order of arrival. */
export function run(
  program: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; input?: string; cwd?: string } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: options.cwd, env: options.env ?? process.env });
    let output = "";
    const keep = (chunk: Buffer): void => {
      output += chunk.toString("utf8");
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, output }));
    // A program that reads nothing may be gone before this arrives; its end tells how it went.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
  });
}

/** Runs a program that must succeed, and gives its output without the last line feed. */
export async function must(
  program: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; input?: string; cwd?: string } = {},
): Promise<string> {
  const ended = await run(program, args, options);
  if (ended.code !== 0) {
    throw new Error(`${program} ${args.join(" ")} ended with ${ended.code}:\n${ended.output.slice(-8000)}`);
  }
  return ended.output.trimEnd();
}

/** Repeats a question until its answer holds. */
export async function eventually<T>(
  what: string,
  deadlineSeconds: number,
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
): Promise<T> {
  const end = Date.now() + deadlineSeconds * 1000;
  // Most of what is asked holds within a second, and what does not is not worth a look every moment.
  for (let pauseMs = 100; ; pauseMs = Math.min(2000, pauseMs * 2)) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (Date.now() > end) {
      throw new Error(
        `${what} did not come true in ${deadlineSeconds} s; last seen: ${JSON.stringify(answer)}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
