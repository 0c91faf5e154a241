/** A lock file, so that two builds of one image do not collide. */
import { randomUUID } from "node:crypto";
import { link, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
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

/** How the holder shows that it lives, and for how long it is believed. */
export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Between two signs of life of a holder. Unit: ms. Default: 15 s. */
  readonly beatMs?: number;
  /** A holder of another host without one for this long ends the wait. Unit: ms. Default: five minutes. */
  readonly silentMs?: number;
}

const BEAT_MS = 15_000;
const SILENT_MS = 5 * 60_000;

/**
 * Whether the holder may live. Another host's processes cannot be seen from here, only the time of its file. A build of an
 * earlier version gives no sign, so that silence proves nothing and the lock is left to people.
 */
async function mayLive(holder: Holder): Promise<boolean> {
  return holder.host !== os.hostname() || (await startTime(holder.pid)) === holder.started;
}

/** Touches the file now and then; ends with the returned function. A file that is no more ours is left alone. */
function showLife(file: string, token: string, beatMs: number): () => void {
  const beat = async () => {
    const now = new Date();
    if ((await readHolder(file))?.token === token) await utimes(file, now, now);
  };
  // A sign that cannot be given is missed by others only.
  const timer = setInterval(() => void beat().catch(() => undefined), beatMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** The time of a lock's file, or undefined where it is gone. */
async function lastSign(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).mtimeMs;
  } catch {
    return undefined;
  }
}

/** Watches the signs of a holder by this machine's own clock: those of two hosts may differ. */
class Watch {
  #seen = "";
  #since = performance.now();

  silentForMs(holder: Holder | undefined, sign: number | undefined): number {
    const seen = `${holder?.token} ${sign}`;
    if (seen !== this.#seen) [this.#seen, this.#since] = [seen, performance.now()];
    return performance.now() - this.#since;
  }
}

const name = (holder: Holder | undefined): string =>
  holder === undefined ? "somebody" : `process ${holder.pid} on ${holder.host}`;

function silence(file: string, holder: Holder | undefined, ageMs: number): Error {
  const minutes = Math.max(0, Math.round(ageMs / 60_000));
  const age = minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
  return new Error(
    `${name(holder)} holds the lock ${file} and has given no sign of life for ${age}; whether it lives cannot be told from ${os.hostname()}. ` +
      `If no build of this image runs on ${holder?.host ?? "any host"}, remove ${file} and run again.`,
  );
}

/**
 * Take the lock, waiting while a living process holds it. A lock whose process on this host is dead is taken over.
 * @returns a function that gives the lock back
 * @throws Error that names holder, age and what to do where nobody can tell from here whether the holder lives
 */
export async function acquireLock(
  file: string,
  onWait: (text: string) => void,
  { beatMs = BEAT_MS, signal, silentMs = SILENT_MS }: LockOptions = {},
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
  const watch = new Watch();
  let told: string | undefined;
  try {
    for (;;) {
      if (await linked(draft, file)) {
        const stop = showLife(file, mine.token, beatMs);
        return async () => {
          stop();
          if ((await readHolder(file))?.token === mine.token) await rm(file, { force: true });
        };
      }
      const holder = await readHolder(file);
      if (holder !== undefined && !(await mayLive(holder))) {
        await rm(file, { force: true });
        continue;
      }
      const sign = await lastSign(file);
      const isHere = holder?.host === os.hostname();
      if (sign !== undefined && !isHere && watch.silentForMs(holder, sign) > silentMs)
        throw silence(file, holder, Date.now() - sign);
      if (told !== name(holder)) {
        told = name(holder);
        onWait(`waiting for another build of this image (${told}); where there is none, remove ${file}`);
      }
      await delay(Math.min(1000, silentMs), undefined, signal === undefined ? {} : { signal });
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Whether the lock's name could be taken. */
async function linked(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}
