import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  nextStopStep,
  repeatMilliseconds,
  type StopSituation,
} from "../../../providers/libvirt/resources/domain/lifecycle/stop-plan.ts";

const situation = (over: Partial<StopSituation>): StopSituation => ({
  elapsedMs: 0,
  requests: 0,
  sinceLastMs: undefined,
  agent: true,
  timeoutSeconds: 300,
  onTimeout: "fail",
  ...over,
});

/** Plays a guest that never goes off and notes what is done when. */
function play(start: Pick<StopSituation, "agent" | "timeoutSeconds" | "onTimeout">) {
  const asked: { at: number; way: string }[] = [];
  let elapsedMs = 0;
  let last: number | undefined;
  for (let steps = 0; steps < 10_000; steps++) {
    const sinceLastMs = last === undefined ? undefined : elapsedMs - last;
    const step = nextStopStep({ ...start, elapsedMs, requests: asked.length, sinceLastMs });
    if (step.kind === "ask") {
      asked.push({ at: elapsedMs, way: step.way });
      last = elapsedMs;
    } else if (step.kind === "wait") {
      expect(step.milliseconds).toBeGreaterThan(0);
      elapsedMs += step.milliseconds;
    } else return { asked, end: step.kind, elapsedMs };
  }
  throw new Error("the plan never ends");
}

describe("nextStopStep", () => {
  it("asks the agent first, then ACPI in turn", () => {
    expect(nextStopStep(situation({}))).toEqual({ kind: "ask", way: "agent" });
    expect(nextStopStep(situation({ requests: 1, sinceLastMs: repeatMilliseconds }))).toEqual({
      kind: "ask",
      way: "acpi",
    });
    expect(nextStopStep(situation({ agent: false }))).toEqual({ kind: "ask", way: "acpi" });
  });

  it("ends at the deadline, hard only where that is configured", () => {
    expect(nextStopStep(situation({ elapsedMs: 300_000 }))).toEqual({ kind: "giveUp" });
    expect(nextStopStep(situation({ elapsedMs: 300_000, onTimeout: "powerOff" }))).toEqual({
      kind: "powerOff",
    });
  });

  it("repeats every 15 s until exactly the deadline, never hard by itself", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.integer({ min: 1, max: 4000 }), (agent, timeoutSeconds) => {
        const played = play({ agent, timeoutSeconds, onTimeout: "fail" });
        expect(played.end).toBe("giveUp");
        expect(played.elapsedMs).toBe(timeoutSeconds * 1000);
        expect(played.asked).toHaveLength(Math.ceil((timeoutSeconds * 1000) / repeatMilliseconds));
        for (const [index, request] of played.asked.entries()) {
          expect(request.at).toBe(index * repeatMilliseconds);
        }
      }),
    );
  });
});
