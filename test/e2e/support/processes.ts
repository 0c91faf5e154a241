import { readdirSync, readFileSync } from "node:fs";

const EVERY_MS = 500;

/** Adds the command line of every process that is seen while something runs, as any user of the host could see it. */
export async function whileWatched<T>(seen: Set<string>, work: () => Promise<T>): Promise<T> {
  const look = () => {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) seen.add(commandLine(pid));
  };
  look();
  const timer = setInterval(look, EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trimEnd();
  } catch {
    // It ended between the list and the look.
    return "";
  }
}
