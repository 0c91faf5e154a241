import { describe, expect, it } from "vitest";
import { Cached, CachedBy } from "../../../providers/libvirt/cached.ts";
import { RolloutRegistry } from "../../../providers/libvirt/rollout.ts";

const never = new AbortController().signal;

describe("a cached value", () => {
  it("is read once for all who ask, and again after a write or a failure", async () => {
    let reads = 0;
    const cached = new Cached(async () => {
      reads += 1;
      if (reads === 3) throw new Error("lost");
      return reads;
    });
    expect(await Promise.all([cached.get(), cached.get(never)])).toEqual([1, 1]);
    expect(await cached.get()).toBe(1);
    cached.invalidate();
    expect(await cached.get()).toBe(2);
    cached.invalidate();
    await expect(cached.get()).rejects.toThrow("lost");
    expect(await cached.get()).toBe(4);
  });

  it("does not keep what a write made stale while it was read", async () => {
    const answers: ((value: string) => void)[] = [];
    const cached = new Cached(() => new Promise<string>((resolve) => answers.push(resolve)));
    const before = cached.get();
    cached.invalidate();
    const after = cached.get();
    answers[1]?.("new");
    answers[0]?.("old");
    expect(await before).toBe("old");
    expect(await after).toBe("new");
    expect(await cached.get()).toBe("new");
  });

  it("stops the wait of one who is aborted, and not the others'", async () => {
    const answers: (() => void)[] = [];
    const cached = new Cached(() => new Promise<string>((resolve) => answers.push(() => resolve("value"))));
    const abort = new AbortController();
    const one = cached.get(abort.signal);
    const two = cached.get();
    abort.abort(new Error("stopped"));
    await expect(one).rejects.toThrow("stopped");
    await expect(cached.get(abort.signal)).rejects.toThrow("stopped");
    answers[0]?.();
    expect(await two).toBe("value");
  });

  it("is kept per key", async () => {
    let reads = 0;
    const cached = new CachedBy(async (key) => `${key}${++reads}`);
    expect([await cached.get("a"), await cached.get("b"), await cached.get("a")]).toEqual(["a1", "b2", "a1"]);
    cached.invalidate("a");
    expect([await cached.get("a"), await cached.get("b")]).toEqual(["a3", "b2"]);
    cached.invalidate();
    expect(await cached.get("b")).toBe("b4");
  });
});

describe("rollout permits", () => {
  const request = (
    machine: string,
    maxUnavailable = 1,
    signal = never,
    group: string | undefined = "compute",
  ) => ({
    group,
    machine,
    maxUnavailable,
    signal,
  });

  it("let at most so many machines of a group be down at a time", async () => {
    const registry = new RolloutRegistry();
    let down = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const permit = await registry.acquire(request(`node-${index}`, 3));
        down += 1;
        most = Math.max(most, down);
        await Promise.resolve();
        down -= 1;
        permit.release();
      }),
    );
    expect(most).toBe(3);
  });

  it("do not make groups wait for each other, nor machines without a group", async () => {
    const registry = new RolloutRegistry();
    await registry.acquire(request("a"));
    await registry.acquire(request("b", 1, never, "other"));
    await registry.acquire({ ...request("c"), group: undefined });
    await registry.acquire({ ...request("d"), group: undefined });
  });

  it("stop the rest when one does not get ready", async () => {
    const registry = new RolloutRegistry();
    const first = await registry.acquire(request("node-1"));
    const waiting = registry.acquire(request("node-2"));
    first.fail("no answer after 900 s");
    first.release();
    await expect(waiting).rejects.toThrow(
      'node-2 was left as it is: node-1, of the same rollout group "compute", did not get ready (no answer after 900 s)',
    );
    await expect(registry.acquire(request("node-3"))).rejects.toThrow("node-1");
  });

  it("end the wait of one who is aborted", async () => {
    const registry = new RolloutRegistry();
    const first = await registry.acquire(request("node-1"));
    const abort = new AbortController();
    const waiting = registry.acquire(request("node-2", 1, abort.signal));
    const patient = registry.acquire(request("node-3"));
    abort.abort(new Error("cancelled"));
    await expect(waiting).rejects.toThrow("cancelled");
    first.release();
    (await patient).release();
  });
});
