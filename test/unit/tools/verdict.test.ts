import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { ask } from "../../../tools/report/ask.ts";
import type { EngineEvent, ResourceStep } from "../../../tools/report/engine-events.ts";
import { summarisePreview } from "../../../tools/report/preview-table.ts";
import { judgePreview, type Verdict } from "../../../tools/report/verdict.ts";

const event = (name: string, operation: ResourceStep["operation"], records = false): EngineEvent => ({
  kind: "start",
  atMs: 0,
  step: {
    operation,
    urn: `urn:pulumi:dev::hyperlab::libvirt:index:Domain::${name}`,
    type: "libvirt:index:Domain",
    name,
    custom: true,
    changed: [],
    protect: false,
    records,
  },
});
const says = (text: string, severity: "info" | "error" = "info"): EngineEvent => ({
  kind: "message",
  severity,
  text,
  urn: `urn:pulumi:dev::hyperlab::libvirt:index:Domain::${text.split(":")[0]}`,
  ephemeral: false,
});
const judge = (events: EngineEvent[], more: { failed?: boolean; unsettled?: boolean } = {}): Verdict =>
  judgePreview(summarisePreview(events), events, { failed: false, unsettled: false, ...more });

describe("what follows from a preview", () => {
  it.each<[string, EngineEvent[], Verdict]>([
    ["nothing", [event("n1", "same"), event("n2", "refresh")], { kind: "nothing" }],
    ["what is only recorded", [event("n1", "same", true)], { kind: "apply", interrupts: [] }],
    ["a creation", [event("n1", "create")], { kind: "apply", interrupts: [] }],
    [
      "a live change",
      [event("n1", "update"), says("n1: live (title changed)")],
      { kind: "apply", interrupts: [] },
    ],
    [
      "a restart",
      [event("n1", "update"), says("n1: restart (vcpus 1 → 2)")],
      { kind: "apply", interrupts: ["n1"] },
    ],
    [
      "a rebuild",
      [event("n1", "update"), says("n1: rebuild (x changed)")],
      { kind: "apply", interrupts: ["n1"] },
    ],
    [
      "a machine that stops",
      [event("n1", "update"), says("n1: stop")],
      { kind: "apply", interrupts: ["n1"] },
    ],
    [
      "a machine that starts",
      [event("n1", "update"), says("n1: start: is off")],
      { kind: "apply", interrupts: [] },
    ],
    ["a replacement", [event("n1", "replace")], { kind: "apply", interrupts: ["n1"] }],
    ["a removal", [event("n1", "delete"), event("n2", "create")], { kind: "apply", interrupts: ["n1"] }],
    ["an update without explanation", [event("n1", "update")], { kind: "apply", interrupts: ["n1"] }],
    ["a refusal of the provider", [event("n1", "update"), says("n1: refused (x): no")], { kind: "refused" }],
    ["an error", [event("n1", "create"), says("broken", "error")], { kind: "refused" }],
  ])("%s", (_, events, verdict) => {
    expect(judge(events)).toEqual(verdict);
  });

  it("is a refusal where the engine failed, whatever it showed", () => {
    expect(judge([event("n1", "same")], { failed: true })).toEqual({ kind: "refused" });
  });

  it("is an update where nothing was understood, or the engine counts what was not", () => {
    const counted: EngineEvent = { kind: "summary", seconds: 1, changes: { same: 3, import: 1 } };
    expect(judge([])).toEqual({ kind: "apply", interrupts: [] });
    expect(judge([event("n1", "same"), counted])).toEqual({ kind: "apply", interrupts: [] });
    expect(judge([event("n1", "same"), { ...counted, changes: { same: 3 } }])).toEqual({ kind: "nothing" });
  });

  it("is an update where a run left something open", () => {
    expect(judge([event("n1", "same")], { unsettled: true })).toEqual({ kind: "apply", interrupts: [] });
  });
});

describe("a question", () => {
  const asked = (type: (input: PassThrough) => void): Promise<string | undefined> => {
    const input = new PassThrough();
    const answer = ask("Go on? ", input, new PassThrough());
    type(input);
    return answer;
  };

  it("gives the answer without blanks", async () => {
    expect(await asked((input) => input.write(" yes \n"))).toBe("yes");
    expect(await asked((input) => input.write("\n"))).toBe("");
  });

  it("has no answer where the input ends", async () => {
    expect(await asked((input) => input.end())).toBeUndefined();
  });
});
