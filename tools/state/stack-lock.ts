import { randomUUID } from "node:crypto";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { refuse } from "../preflight/refusal.ts";
import type { StateLayout } from "./layout.ts";
import { inUse, lockFolder, lockState, type StackLock } from "./lock.ts";

/**
 * Runs work on a stack's machines while this process holds the stack, by a lock file as the engine's own: no update begins
 * meanwhile, and neither does other such work. A killed process leaves a lock that the next update takes away. A backend
 * other than files has no lock that could be taken here: then the work runs without one.
 *
 * @throws Refusal where somebody else holds the stack, or may hold it from another host.
 */
export async function withStackLock<T>(layout: StateLayout, work: () => Promise<T>): Promise<T> {
  const folder = lockFolder(layout);
  if (folder === undefined) return work();
  const name = `${randomUUID()}.json`;
  place(folder, name);
  try {
    // Only after the own lock is there: of two that come at the same time none may miss the other.
    const why = inUse(layout, lockState(layout, name));
    if (why !== undefined) refuse("lock", why, "wait until it ends, or see what `hyperlab up` says");
    return await work();
  } finally {
    rmSync(join(folder, name), { force: true });
  }
}

/** The engine takes any file in the folder for a lock, so that it appears there whole. */
function place(folder: string, name: string): void {
  const lock: StackLock = {
    pid: process.pid,
    username: userInfo().username,
    hostname: hostname(),
    timestamp: new Date().toISOString(),
  };
  mkdirSync(folder, { recursive: true });
  const draft = join(dirname(folder), `.${name}`);
  writeFileSync(draft, JSON.stringify(lock));
  renameSync(draft, join(folder, name));
}
