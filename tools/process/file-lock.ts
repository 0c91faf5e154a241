import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { processIsAlive } from "./run.ts";

/** A lock without a readable owner that is older than this was left by a process that died while taking it. */
const UNREADABLE_AFTER_MS = 5_000;

export interface LockOptions {
  /** Give up after this time. Default: one hour, because the longest holder compiles an engine. */
  timeoutMs?: number;
  /** Called once where another process holds the lock. */
  onWait?: (pid: number) => void;
}

/**
 * Runs `work` while a lock file names this process. A lock of a process that is gone is taken over.
 * @throws Error where another process holds the lock until the deadline.
 */
export async function withFileLock<T>(
  file: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const deadline = Date.now() + (options.timeoutMs ?? 3_600_000);
  mkdirSync(dirname(file), { recursive: true });
  let told = false;
  while (!tryLock(file)) {
    const owner = lockOwner(file);
    if (isStale(file, owner)) {
      takeAway(file, owner);
      continue;
    }
    if (Date.now() > deadline) {
      throw new Error(
        `process ${owner} has held the lock ${file} until the deadline; wait for it, or end it, and try again`,
      );
    }
    if (!told) options.onWait?.(owner);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function tryLock(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Removes a stale lock, but not one that somebody else took between the look and the removal. */
function takeAway(file: string, staleOwner: number): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (lockOwner(aside) !== staleOwner) linkSync(aside, file);
  } catch {
    // Somebody else was faster; the next look tells.
  } finally {
    rmSync(aside, { force: true });
  }
}

function lockOwner(file: string): number {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return 0;
  }
}

function isStale(file: string, owner: number): boolean {
  if (owner > 0) return !processIsAlive(owner);
  try {
    return Date.now() - statSync(file).mtimeMs > UNREADABLE_AFTER_MS;
  } catch {
    return false;
  }
}
