/** Time, memory and processor time of a program and its children. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { interrupted } from "./interrupt.ts";

/** What a process used until it was last looked at. */
export interface ProcessUse {
  readonly command: string;
  /** Peak of resident memory in MB. */
  peakMB: number;
  cpuSeconds: number;
}

export interface MeasuredRun {
  readonly code: number | null;
  readonly seconds: number;
  /** Both streams. */
  readonly output: string;
  readonly processes: readonly ProcessUse[];
}

const sampleMs = 200;
/** Linux counts processor time in hundredths of a second, on every architecture that Node runs on. */
const ticksPerSecond = 100;

/** Runs a program to its end, looking at it and its children five times a second. */
export async function measureRun(
  program: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<MeasuredRun> {
  interrupted.throwIfAborted();
  const start = performance.now();
  // In a session of its own: an interrupt reaches it once, from here.
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const stop = () => child.kill("SIGINT");
  interrupted.addEventListener("abort", stop);
  let output = "";
  let seconds = 0;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  let ended = false;
  const code = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      seconds = (performance.now() - start) / 1000;
      ended = true;
      resolve(status);
    });
  });
  const uses = new Map<number, ProcessUse>();
  try {
    while (!ended) {
      if (child.pid !== undefined) sample(child.pid, uses);
      await Promise.race([delay(sampleMs), code]);
    }
  } finally {
    interrupted.removeEventListener("abort", stop);
  }
  interrupted.throwIfAborted();
  return { code: await code, seconds, output, processes: [...uses.values()] };
}

/** Peak memory of a running process in MB. */
export function peakOf(pid: number): number {
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (peak === undefined) throw new Error(`process ${pid} has no memory of its own`);
  return Number(peak) / 1024;
}

function sample(pid: number, uses: Map<number, ProcessUse>): void {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    const use = uses.get(pid);
    const peakMB = peakOf(pid);
    const cpuSeconds = processorSecondsOf(pid);
    // A launcher becomes the program that it starts: the last command names the process.
    uses.set(pid, { command, peakMB: Math.max(peakMB, use?.peakMB ?? 0), cpuSeconds });
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim();
      for (const child of children === "" ? [] : children.split(" ")) sample(Number(child), uses);
    }
  } catch {
    // It ended while we looked: what was seen before holds.
  }
}

/** Processor time of a running process so far, in seconds. */
export function processorSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
