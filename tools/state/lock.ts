import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { parseJsonObject } from "../process/json-object.ts";
import { processIsAlive, processStartMs } from "../process/run.ts";
import type { StateLayout } from "./layout.ts";

/** Who holds a stack of a file backend, as the engine writes it into the lock file. */
export interface StackLock {
  pid: number;
  username: string;
  hostname: string;
  timestamp: string;
}

/** Reads a lock file of the engine; undefined where it is not one, for example half written. */
export function parseLock(text: string): StackLock | undefined {
  const { pid, username = "", hostname: host = "", timestamp = "" } = parseJsonObject(text) ?? {};
  if (typeof pid !== "number" || !Number.isInteger(pid) || pid <= 0) return undefined;
  if (typeof username !== "string" || typeof host !== "string" || typeof timestamp !== "string")
    return undefined;
  return { pid, username, hostname: host, timestamp };
}

/** Whether a stack is locked, and whether rightly. */
export type LockState =
  | { kind: "none" }
  /** Every lock is of a process of this host that is gone. */
  | { kind: "stale"; locks: StackLock[] }
  | { kind: "held"; lock: StackLock }
  /** At least one lock is of another host, or cannot be read: nobody can tell from here. */
  | { kind: "unknown"; reason: string };

/** The system tells the start of a process to a second. */
const START_TOLERANCE_MS = 2_000;

/** Whether the process that took a lock of this host lives; one that started later only got its number. */
export function holderIsAlive(lock: StackLock): boolean {
  if (!processIsAlive(lock.pid)) return false;
  const started = processStartMs(lock.pid);
  const taken = Date.parse(lock.timestamp);
  return started === undefined || Number.isNaN(taken) || started <= taken + START_TOLERANCE_MS;
}

/** Judges locks. `isAlive` is asked only for locks of this host. */
export function judgeLocks(
  locks: readonly (StackLock | undefined)[],
  thisHost: string,
  isAlive: (lock: StackLock) => boolean,
): LockState {
  const readable = locks.filter((lock) => lock !== undefined);
  const held = readable.find((lock) => lock.hostname === thisHost && isAlive(lock));
  if (held) return { kind: "held", lock: held };
  const foreign = readable.find((lock) => lock.hostname !== thisHost);
  if (foreign) {
    const who = `process ${foreign.pid} of ${foreign.username} on host ${foreign.hostname}`;
    return { kind: "unknown", reason: `it is locked by ${who} since ${foreign.timestamp}` };
  }
  if (readable.length < locks.length) return { kind: "unknown", reason: "a lock file cannot be read" };
  return readable.length === 0 ? { kind: "none" } : { kind: "stale", locks: readable };
}

/** Who works on the stack, as a sentence; undefined where nobody does. */
export function inUse({ stack }: StateLayout, state: LockState): string | undefined {
  if (state.kind === "held") return `stack ${stack} is in use by ${describeLock(state.lock)}`;
  if (state.kind !== "unknown") return undefined;
  return `stack ${stack} is locked, and whether rightly cannot be told from here: ${state.reason}`;
}

/** For people. */
export const describeLock = (lock: StackLock): string =>
  `process ${lock.pid} of ${lock.username} since ${lock.timestamp}`;

/** Folder in which the engine looks for locks of a stack; undefined with a backend other than files. */
export function lockFolder({ backendFolder, project, stack }: StateLayout): string | undefined {
  if (backendFolder === undefined) return undefined;
  return join(backendFolder, ".pulumi", "locks", "organization", project, stack);
}

/**
 * The lock of a stack; a backend other than files is the backend's own affair.
 * @param own Name of a lock file that does not count.
 */
export function lockState(layout: StateLayout, own?: string): LockState {
  const folder = lockFolder(layout);
  if (folder === undefined || !existsSync(folder)) return { kind: "none" };
  const files = readdirSync(folder).filter((name) => name.endsWith(".json") && name !== own);
  const locks = files.map((name) => {
    try {
      return parseLock(readFileSync(join(folder, name), "utf8"));
    } catch {
      // Unreadable for us; the judge says so.
      return undefined;
    }
  });
  return judgeLocks(locks, hostname(), holderIsAlive);
}
