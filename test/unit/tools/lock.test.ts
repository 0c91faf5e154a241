import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holderIsAlive, judgeLocks, parseLock, type StackLock } from "../../../tools/state/lock.ts";

const lock = (pid: number, hostname = "here"): StackLock => ({
  pid,
  username: "ada",
  hostname,
  timestamp: "2026-01-01T00:00:00Z",
});
const alive =
  (...pids: number[]) =>
  (of: StackLock): boolean =>
    pids.includes(of.pid);

describe("lock files of the engine", () => {
  it("reads what the engine writes", () => {
    const text = '{"pid":4711,"username":"ada","hostname":"here","timestamp":"2026-01-01T00:00:00Z"}';
    expect(parseLock(text)).toEqual(lock(4711));
  });

  it("calls anything else no lock, and never throws", () => {
    for (const text of [
      "",
      "{",
      "null",
      "[]",
      '{"pid":"4711"}',
      '{"pid":-1,"username":"a","hostname":"b","timestamp":"c"}',
    ]) {
      expect(parseLock(text)).toBeUndefined();
    }
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseLock(text)));
  });
});

describe("whether a lock may be removed", () => {
  it("is none without locks", () => {
    expect(judgeLocks([], "here", alive())).toEqual({ kind: "none" });
  });

  it("is stale where every process of this host is gone", () => {
    expect(judgeLocks([lock(1), lock(2)], "here", alive())).toEqual({
      kind: "stale",
      locks: [lock(1), lock(2)],
    });
  });

  it("is held where one of them lives, whatever the others are", () => {
    const state = judgeLocks([lock(1), lock(2), lock(3, "there"), undefined], "here", alive(2));
    expect(state).toEqual({ kind: "held", lock: lock(2) });
  });

  it("is unknown for another host, even where that number is free here", () => {
    expect(judgeLocks([lock(1, "there")], "here", alive()).kind).toBe("unknown");
    expect(judgeLocks([lock(1), lock(2, "there")], "here", alive()).kind).toBe("unknown");
  });

  it("is unknown where a lock cannot be read", () => {
    expect(judgeLocks([undefined], "here", alive()).kind).toBe("unknown");
    expect(judgeLocks([undefined, lock(1)], "here", alive()).kind).toBe("unknown");
  });

  it("is stale where the number went to a process that started later", () => {
    expect(holderIsAlive({ ...lock(process.pid), timestamp: new Date().toISOString() })).toBe(true);
    expect(holderIsAlive({ ...lock(process.pid), timestamp: "2020-01-01T00:00:00Z" })).toBe(false);
    expect(holderIsAlive({ ...lock(process.pid), timestamp: "no time" })).toBe(true);
    expect(holderIsAlive({ ...lock(2 ** 30), timestamp: new Date().toISOString() })).toBe(false);
  });
});
