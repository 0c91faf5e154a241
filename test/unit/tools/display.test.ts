import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { duration } from "../../../tools/report/duration.ts";
import { type EngineEvent, parseEvent } from "../../../tools/report/engine-events.ts";
import { readLabOutputs, renderLab } from "../../../tools/report/lab-summary.ts";
import { type Output, Reporter } from "../../../tools/report/progress.ts";
import { RunDisplay } from "../../../tools/report/run-display.ts";
import { end, info, STACK, start, step, urnOf } from "./engine-steps.ts";

describe("durations", () => {
  it.each([
    [0, "0.0 s"],
    [449, "0.4 s"],
    [9_949, "9.9 s"],
    [9_950, "10 s"],
    [59_400, "59 s"],
    [59_900, "1 min 00 s"],
    [185_000, "3 min 05 s"],
  ])("%d ms read %s", (milliseconds, text) => {
    expect(duration(milliseconds)).toBe(text);
  });
});

describe("events of the engine", () => {
  it("reads a step", () => {
    const line = JSON.stringify({
      sequence: 3,
      timestamp: 1_795_262_490,
      resourcePreEvent: {
        metadata: {
          op: "update",
          urn: urnOf("n1"),
          type: "libvirt:index:Domain",
          new: { custom: true, protect: true },
          detailedDiff: { "disks[0].volume": {}, memoryMiB: {}, "cpu.mode": {} },
        },
      },
    });
    expect(parseEvent(line)).toEqual({
      kind: "start",
      atMs: 1_795_262_490_000,
      step: step("n1", "update", { changed: ["cpu", "disks", "memoryMiB"], protect: true }),
    });
  });

  it("reads messages without the engine's colour marks, and leaves debug messages out", () => {
    const message = (severity: string): string =>
      JSON.stringify({
        diagnosticEvent: { severity, message: "<{%fg 1%}>error: <{%reset%}>broken\n", urn: "u" },
      });
    expect(parseEvent(message("error"))).toMatchObject({
      kind: "message",
      severity: "error",
      text: "error: broken",
    });
    expect(parseEvent(message("debug"))).toBeUndefined();
  });

  it("reads what a provider refuses without the engine's words around it", () => {
    const message =
      "libvirt:index:Domain resource 'n1': property rootDisk.sizeMiB value {<nil>} has a problem: it cannot shrink; keep it";
    const line = JSON.stringify({ diagnosticEvent: { severity: "error", message, urn: urnOf("n1") } });
    expect(parseEvent(line)).toMatchObject({
      text: "n1: rootDisk.sizeMiB: it cannot shrink; keep it",
      refusal: { name: "n1", property: "rootDisk.sizeMiB", reason: "it cannot shrink; keep it" },
    });
  });

  const same = (olds: object, news: object, kind = "resourcePreEvent", type = "a:b:C"): string =>
    JSON.stringify({ [kind]: { metadata: { op: "same", urn: urnOf("n1"), type, old: olds, new: news } } });
  it.each([
    ["equal", same({ inputs: { a: [1] } }, { inputs: { a: [1] } }), false],
    ["another input", same({ inputs: { a: 1 } }, { inputs: { a: 2 } }), true],
    ["protected now", same({}, { protect: true }), true],
    ["other outputs", same({ outputs: { a: 1 } }, { outputs: {} }), false],
    ["outputs of the stack", same({ outputs: { a: 1 } }, { outputs: {} }, "resOutputsEvent", STACK), true],
    ["outputs to come", same({ outputs: { a: 1 } }, {}, "resourcePreEvent", STACK), false],
  ])("sees whether the state would hold something else: %s", (_, line, records) => {
    expect(parseEvent(line)).toMatchObject({ step: { records } });
  });

  it("never throws on anything", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (line) => void parseEvent(line)));
    const value = fc.jsonValue();
    fc.assert(
      fc.property(value, value, (a, b) => {
        parseEvent(JSON.stringify({ resourcePreEvent: a, diagnosticEvent: b }));
        parseEvent(JSON.stringify({ resOutputsEvent: { metadata: a }, summaryEvent: b }));
      }),
    );
  });
});

describe("what is shown while the engine runs", () => {
  it("shows what was done with its time, and what runs now", () => {
    const display = new RunDisplay();
    expect(display.take(start(step("n1", "create")), 0)).toEqual([]);
    display.take(start(step("n2", "create")), 1_000);
    display.take(info("n1", "waiting for the guest agent", true), 2_000);
    expect(display.status(5_000)).toBe(
      "creating n1 (5.0 s, waiting for the guest agent), creating n2 (4.0 s)",
    );
    expect(display.take(end(step("n1", "create")), 12_000)).toEqual([
      { tone: "good", text: "created Domain n1 (12 s)" },
    ]);
    expect(display.status(13_000)).toBe("creating n2 (12 s)");
  });

  it("is silent on what stays the same, on components and on the engine's own resources", () => {
    const display = new RunDisplay();
    for (const quiet of [
      step("n1", "same"),
      step("n2", "create", { custom: false }),
      step("n3", "create", { type: "pulumi:providers:libvirt" }),
      step("n4", "refresh"),
    ]) {
      expect(display.take(start(quiet), 0)).toEqual([]);
      expect(display.take(end(quiet), 1)).toEqual([]);
    }
    expect(display.status(2)).toBe("");
  });

  it("names at most three running steps", () => {
    const display = new RunDisplay();
    for (const name of ["a", "b", "c", "d", "e"]) display.take(start(step(name, "update")), 0);
    expect(display.status(0)).toBe("updating a (0.0 s), updating b (0.0 s), updating c (0.0 s), 2 more");
  });

  it("keeps errors, and drops warnings of what hyperlab arranged itself", () => {
    const display = new RunDisplay();
    const message = (severity: "warning" | "error", text: string): EngineEvent => ({
      kind: "message",
      severity,
      text,
      urn: "",
      ephemeral: false,
    });
    expect(display.take(message("warning", "using pulumi-language-nodejs from $PATH at /x"), 0)).toEqual([]);
    expect(display.take(message("error", "pool is full\nremove something"), 0)).toEqual([
      { tone: "bad", text: "error: pool is full" },
      { tone: "bad", text: "  remove something" },
    ]);
    expect(display.errors).toEqual(["pool is full\nremove something"]);
    expect(display.take({ kind: "failed", step: step("n1", "update"), atMs: 0 }, 0)).toEqual([
      { tone: "bad", text: "updating Domain n1 failed" },
    ]);
  });
});

describe("the lab at the end of up", () => {
  it("shows nodes, partitions, the job and what to do next", () => {
    const lab = readLabOutputs({
      controllerAddress: "10.57.0.2",
      nodes: [
        { name: "dev-controller", role: "controller", address: "10.57.0.2" },
        { name: "dev-compute-01", role: "compute", address: "10.57.0.11", state: "IDLE" },
      ],
      partitions: ["main"],
      sshCommand: "ssh ada@10.57.0.2",
      verification: { job: "dev-compute-01\n", nodes: [] },
    });
    expect(renderLab(lab, "/state")).toEqual([
      "node            address     SLURM state",
      "dev-controller  10.57.0.2   controller",
      "dev-compute-01  10.57.0.11  IDLE",
      "",
      "Partitions: main",
      "Test job:   dev-compute-01",
      "Log in:     npm run ssh",
      "            ssh ada@10.57.0.2",
      "Change:     edit the cluster file, then npm run preview and npm run up",
      "Remove:     npm run down",
      "State:      /state (back this folder up)",
    ]);
  });

  it("shows the reason of a node that is not well", () => {
    const lab = readLabOutputs({ nodes: [{ name: "n1", state: "DRAIN", reason: "kernel update" }] });
    expect(renderLab(lab, "/state").slice(0, 2)).toEqual([
      "node  address  SLURM state  reason",
      "n1             DRAIN        kernel update",
    ]);
  });

  it("is content with outputs of any form", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        (outputs) => void renderLab(readLabOutputs(outputs), "/s"),
      ),
    );
    fc.assert(
      fc.property(
        fc.jsonValue(),
        (nodes) => void renderLab(readLabOutputs({ nodes, verification: nodes }), "/s"),
      ),
    );
  });
});

describe("progress", () => {
  const recorder = (isTerminal: boolean): Output & { text: () => string } => {
    let text = "";
    return {
      write: (more) => {
        text += more;
      },
      isTerminal,
      columns: 80,
      text: () => text,
    };
  };

  it("says in a log when a step starts and how long it took, without colours", async () => {
    const output = recorder(false);
    const result = await new Reporter(output).step("Building", async (of) => {
      of.detail("half");
      return 7;
    });
    expect(result).toBe(7);
    expect(output.text()).toMatch(/^Building …\n✓ Building \(\d\.\d s\)\n$/);
  });

  it("shows a failed step and throws on", async () => {
    const output = recorder(false);
    const failing = new Reporter(output).step("Building", () => Promise.reject(new Error("no space")));
    await expect(failing).rejects.toThrow("no space");
    expect(output.text()).toMatch(/✗ Building/);
  });

  it("puts lines above the living line of a terminal", () => {
    const output = recorder(true);
    const reporter = new Reporter(output);
    const stop = reporter.live(() => `working ${"x".repeat(200)}`);
    reporter.line("done one");
    stop();
    const drawn = output.text().split("\u001b[2K");
    expect(drawn.at(1)?.startsWith("done one\n")).toBe(true);
    expect(drawn.every((piece) => piece.replace("done one\n", "").length <= 80)).toBe(true);
    expect(output.text().endsWith("\r\u001b[2K")).toBe(true);
  });
});
