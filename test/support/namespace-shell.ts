import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { scriptInNamespaces } from "./slurm-tree.ts";

/** What a command printed, and its exit code. */
export interface Answer {
  readonly code: number;
  readonly text: string;
}

/** A script in namespaces of its own that obeys lines of standard input and ends each answer with a line `== CODE`. */
export interface NamespaceShell {
  ask(line: string): Promise<Answer>;
  /** Ends the script and everything in its namespaces. */
  stop(): Promise<void>;
}

/** Starts a script, with more of an environment; `started` is what it said when it was ready. */
export async function namespaceShell(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ shell: NamespaceShell; started: string }> {
  const child = spawn("unshare", [...scriptInNamespaces(script), ...args], {
    env: { ...process.env, ...env },
  });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  let errors = "";
  child.stderr.on("data", (piece) => {
    errors += String(piece);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<Answer> => {
    const text: string[] = [];
    for (;;) {
      const { done, value } = await lines.next();
      if (done) throw new Error(`SLURM's namespaces ended:\n${text.join("\n")}\n${errors}`);
      const code = /^== (\d+)$/.exec(value)?.[1];
      if (code !== undefined) return { code: Number(code), text: text.join("\n") };
      text.push(value);
    }
  };
  const { text } = await answer();
  const shell = {
    ask: (line: string): Promise<Answer> => {
      child.stdin.write(`${line}\n`);
      return answer();
    },
    stop: async (): Promise<void> => {
      child.stdin.end();
      child.kill("SIGTERM");
      await ended;
    },
  };
  return { shell, started: `${text}\n${errors}` };
}
