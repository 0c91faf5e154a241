/** A lock file, so that two builds of one image do not collide. */
import { randomUUID } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import { setTimeout as delay } from "node:timers/promises";

interface Holder {
  readonly host: string;
  readonly pid: number;
  readonly started: string;
  readonly token: string;
}

/** Start time of a process in clock ticks; tells a process from a later one with the same number. */
async function startTime(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return undefined;
    const { host, pid, started, token } = value as Record<string, unknown>;
    if (typeof host !== "string" || typeof pid !== "number") return undefined;
    if (typeof started !== "string" || typeof token !== "string") return undefined;
    return { host, pid, started, token };
  } catch {
    return undefined;
  }
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return parseHolder(await readFile(file, "utf8"));
  } catch {
    return undefined;
  }
}

async function alive(holder: Holder): Promise<boolean> {
  // Another host's processes cannot be seen from here; its lock is believed.
  if (holder.host !== os.hostname()) return true;
  return (await startTime(holder.pid)) === holder.started;
}

/**
 * Take the lock, waiting while a living process holds it. A lock whose process on this host is dead is taken over.
 * @returns a function that gives the lock back
 */
export async function acquireLock(
  file: string,
  onWait: (text: string) => void,
  signal?: AbortSignal,
): Promise<() => Promise<void>> {
  const mine: Holder = {
    host: os.hostname(),
    pid: process.pid,
    started: (await startTime(process.pid)) ?? "",
    token: randomUUID(),
  };
  // The content is complete before the name appears: a reader never sees half a lock.
  const draft = `${file}.${mine.token}`;
  await writeFile(draft, JSON.stringify(mine), { flag: "wx" });
  try {
    for (;;) {
      try {
        await link(draft, file);
        return async () => {
          if ((await readHolder(file))?.token === mine.token) await rm(file, { force: true });
        };
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
      const holder = await readHolder(file);
      if (holder !== undefined && !(await alive(holder))) await rm(file, { force: true });
      else {
        onWait(
          `waiting for another build of this image${holder === undefined ? "" : ` (process ${holder.pid} on ${holder.host})`}; where there is none, remove ${file}`,
        );
        await delay(1000, undefined, signal === undefined ? {} : { signal });
      }
    }
  } finally {
    await rm(draft, { force: true });
  }
}
