import { describe, expect, it } from "vitest";
import { isIdle } from "../../faults/inject.ts";
import { parseOptions } from "../../faults/options.ts";
import { difference, isForgotten } from "../../faults/outcome.ts";
import type { Point } from "../../faults/plan.ts";
import { closingLine, renderReport } from "../../faults/report.ts";

describe("the command line of the campaign", () => {
  it("runs 100 points of seed 1 and writes the page", () => {
    expect(parseOptions([])).toEqual({ seed: 1, count: 100, only: [], write: true });
  });

  it("repeats points, also those beyond the number of points, and leaves the page", () => {
    expect(parseOptions(["--seed", "7", "--only", "3,120"])).toEqual({
      seed: 7,
      count: 120,
      only: [3, 120],
      write: false,
    });
    expect(parseOptions(["--no-write", "--count", "5"])).toMatchObject({ count: 5, write: false });
  });

  it.each([
    [["--seed", "x"], '--seed takes whole numbers from 0, not "x"'],
    [["--count", "0"], '--count takes whole numbers from 1, not "0"'],
    [["--only", "1,b"], '--only takes whole numbers from 1, not "b"'],
  ])("refuses %j and shows the usage", (args, text) => {
    expect(() => parseOptions(args)).toThrow(text);
    expect(() => parseOptions(args)).toThrow("npm run test:faults -- [--seed N]");
  });
});

describe("the comparison", () => {
  it("says what is missing and what is there too much, each line as often as that", () => {
    expect(difference(["a", "b", "b"], ["b", "b", "a"])).toEqual([]);
    expect(difference(["a", "b", "b"], ["b", "c"])).toEqual(["missing: a", "missing: b", "unexpected: c"]);
    expect(difference([], ["a", "a"])).toEqual(["unexpected: a", "unexpected: a"]);
  });
});

describe("what a killed libvirtd forgot", () => {
  it("is its own folder of a guest that does not run, and nothing else", () => {
    const forgotten = (file: string) => isForgotten(file, new Map([["lab-leaving", 7]]));
    expect(forgotten("lib/qemu/domain-8-lab-leaving/monitor.sock")).toBe(true);
    expect(forgotten("lib/qemu/domain-7-lab-leaving/monitor.sock")).toBe(false);
    expect(forgotten("lib/qemu/domain-7-lab-worker/monitor.sock")).toBe(true);
    expect(forgotten("lib/qemu/save/lab-leaving.save")).toBe(false);
    expect(forgotten("pool/domain-8-root")).toBe(false);
  });
});

describe("a guest when libvirtd is killed", () => {
  it.each([
    ["paused", "starting up", true],
    ["shutdown", "unknown", true],
    ["paused", "user", false],
    ["running", "booted", false],
  ])("that libvirtd notes as %s (%s) does not run: %s", (state, reason, idle) => {
    const note = `<!-- generated -->\n<domstatus state='${state}' reason='${reason}' pid='12'>\n</domstatus>`;
    expect(isIdle(note)).toBe(idle);
  });
});

const point = (number: number, more: Partial<Point>): Point => ({
  number,
  phase: "create",
  fault: "cut ssh",
  when: { call: "domain create", nth: 1, side: "done" },
  ...more,
});

describe("the page", () => {
  const results = [
    { point: point(1, {}), problems: [] },
    { point: point(2, {}), problems: ["missing: volume: lab/one"] },
    { point: point(3, { phase: "destroy", fault: "kill engine" }), problems: [] },
  ];

  it("counts by phase and fault, and names the points that failed", () => {
    const text = renderReport({ seed: 4, planned: 3, results });
    expect(text).toContain("Seed 4, 3 points: 2 passed, 1 failed.");
    expect(text).toContain("| cut ssh | 1 of 2 | – | – | – | – |");
    expect(text).toContain("| kill engine | – | – | – | – | 1 of 1 |");
    expect(text).toContain("Failed: 2. `npm run test:faults -- --seed 4 --only K` repeats point K.");
  });

  it("says how many of the points were run", () => {
    const text = renderReport({ seed: 4, planned: 100, results: results.slice(0, 1) });
    expect(text).toContain("Seed 4, the first 1 of 100 points: 1 passed, 0 failed.");
    expect(text).not.toContain("Failed:");
    expect(closingLine([])).toBe("0 passed, 0 failed");
  });
});
