import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byTier, evacuationHold, evacuationStep } from "../../../providers/libvirt/maintenance/index.ts";
import type { Hold } from "../../../providers/libvirt/ownership/index.ts";

const order = { by: "ada@admin", since: "2026-01-02T03:04:05.000Z", reason: "memory" };
const manual: Hold = { power: "running", kind: "manual", by: "bob", since: order.since, reason: "test" };

describe("what an evacuation does with a machine", () => {
  it.each([
    [{ state: "running", hold: undefined, pending: undefined }, "stop"],
    [{ state: "running", hold: undefined, pending: "ready" }, "stop"],
    [{ state: "paused", hold: manual, pending: undefined }, "stop"],
    [{ state: "crashed", hold: undefined, pending: undefined }, "stop"],
    [{ state: "shutoff", hold: undefined, pending: undefined }, "off"],
    [{ state: "shutoff", hold: manual, pending: undefined }, "off"],
    [
      {
        state: "shutoff",
        hold: evacuationHold({ hold: undefined, autostart: false }, order),
        pending: "ready",
      },
      "held",
    ],
    [{ state: "running", hold: undefined, pending: "boot" }, "refuse"],
  ] as const)("%#: %o: %s", (machine, kind) => {
    expect(evacuationStep(machine).kind).toBe(kind);
  });

  it("is written down once: a second evacuation changes nothing of the first one's word", () => {
    const holds = fc.constantFrom<Hold | undefined>(undefined, manual, { ...manual, power: "off" });
    fc.assert(
      fc.property(holds, fc.boolean(), (hold, autostart) => {
        const first = evacuationHold({ hold, autostart }, order);
        // By then it does not start with its host any more.
        const second = evacuationHold(
          { hold: first, autostart: false },
          { ...order, by: "eve", reason: "again" },
        );
        expect(second).toEqual(first);
        expect(first.replaced).toEqual(hold);
        expect(first.autostart ?? false).toBe(autostart);
      }),
    );
  });
});

describe("tiers", () => {
  it("hold every machine once, the lowest first", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ tier: fc.nat(5), name: fc.string() })), (machines) => {
        const tiers = byTier(machines);
        expect(tiers.flat()).toHaveLength(machines.length);
        const order = tiers.map((tier) => new Set(tier.map((machine) => machine.tier)));
        expect(order.every(({ size }) => size === 1)).toBe(true);
        const numbers = order.flatMap((set) => [...set]);
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      }),
    );
  });
});
