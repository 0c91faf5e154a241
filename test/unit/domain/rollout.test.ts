import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RolloutRegistry } from "../../../providers/libvirt/rollout.ts";

const { signal } = new AbortController();
const request = (machine: string, over: { group?: string; maxUnavailable?: number } = {}) => ({
  group: over.group ?? "g",
  machine,
  maxUnavailable: over.maxUnavailable ?? 1,
  signal,
});
/** Lets everything that can go on do so. */
const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

describe("permits", () => {
  it("never let more machines down than allowed, and let all of them through", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 12 }),
        async (scheduler, maxUnavailable, machines) => {
          const registry = new RolloutRegistry();
          let down = 0;
          let done = 0;
          const work = Array.from({ length: machines }, async (_, index) => {
            const permit = await registry.acquire(request(`n${index}`, { maxUnavailable }));
            down += 1;
            expect(down).toBeLessThanOrEqual(maxUnavailable);
            await scheduler.schedule(Promise.resolve());
            down -= 1;
            permit.release();
            done += 1;
          });
          await scheduler.waitFor(Promise.all(work));
          expect(done).toBe(machines);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("stop the rest of a group at its first failure, whatever the order, and no other group", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 1, max: 3 }),
        async (bad, maxUnavailable) => {
          const registry = new RolloutRegistry();
          const touched: number[] = [];
          const results = await Promise.allSettled(
            Array.from({ length: 6 }, async (_, index) => {
              const permit = await registry.acquire(request(`n${index}`, { maxUnavailable }));
              touched.push(index);
              await settle();
              if (index === bad) {
                permit.fail("no boot");
                throw new Error("no boot");
              }
              permit.release();
            }),
          );
          expect(touched.length).toBeLessThanOrEqual(bad + maxUnavailable);
          for (const [index, result] of results.entries()) {
            if (touched.includes(index)) continue;
            expect(result.status === "rejected" && String(result.reason)).toMatch(
              new RegExp(`n${index} was left as it is: n${bad}, .* did not get ready \\(no boot\\)`),
            );
          }
          await expect(registry.acquire(request("other", { group: "h" }))).resolves.toBeDefined();
        },
      ),
      { numRuns: 30 },
    );
  });

  it("end once: a release after a failure does not undo it", async () => {
    const registry = new RolloutRegistry();
    const permit = await registry.acquire(request("a"));
    permit.fail("broken");
    permit.release();
    await expect(registry.acquire(request("b"))).rejects.toThrow(/a, .*\(broken\)/);
  });

  it("are not waited for after an abort", async () => {
    const registry = new RolloutRegistry();
    await registry.acquire(request("a"));
    const abort = new AbortController();
    const waiting = registry.acquire({ ...request("b"), signal: abort.signal });
    abort.abort(new Error("cancelled"));
    await expect(waiting).rejects.toThrow("cancelled");
  });

  it("are not needed without a group", async () => {
    const registry = new RolloutRegistry();
    const all = Array.from({ length: 5 }, (_, index) =>
      registry.acquire({ group: undefined, machine: `n${index}`, maxUnavailable: 1, signal }),
    );
    await expect(Promise.all(all)).resolves.toHaveLength(5);
  });
});
