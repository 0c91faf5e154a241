import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EngineEvent } from "../../../tools/report/engine-events.ts";
import { parseEffectLine, renderPreview, summarisePreview } from "../../../tools/report/preview-table.ts";
import { textTable } from "../../../tools/report/table.ts";
import { info, start, step, urnOf } from "./engine-steps.ts";

describe("the preview table", () => {
  it.each([
    [
      "n1: restart (memoryMiB 2048 → 3072), quiesce first",
      "restart",
      "memoryMiB 2048 → 3072",
      "quiesce first",
    ],
    ["n1: live (vcpus 2 → 4)", "live", "vcpus 2 → 4", ""],
    ["n1: nothing", "none", "", ""],
    ["n1: no effect on the machine (title changed)", "none", "title changed", ""],
    [
      "n1: nothing, held off since 2026-01-31T09:00:00Z by ada@desk: fan (3); release with: hyperlab start n1",
      "none",
      "",
      "held off since 2026-01-31T09:00:00Z by ada@desk: fan (3); release with: hyperlab start n1",
    ],
    [
      "n1: refused (rootDisk.sizeMiB 20 → 10 (shrinks)): a disk cannot shrink, make a new one",
      "forbidden",
      "rootDisk.sizeMiB 20 → 10 (shrinks)",
      "a disk cannot shrink, make a new one",
    ],
    [
      "n1: rebuild (rootDisk.image changed), quiesce first, new root disk, the old one is kept until the machine is ready",
      "rebuild",
      "rootDisk.image changed",
      "quiesce first, new root disk, the old one is kept until the machine is ready",
    ],
    [
      "n1: rebuild: the root disk is gone (title changed)",
      "rebuild",
      "the root disk is gone; title changed",
      "",
    ],
    ["n1: start: should run and is shut off", "start", "should run and is shut off", ""],
    [
      "n1: start: should run and has crashed (vcpus 2 → 4)",
      "start",
      "should run and has crashed; vcpus 2 → 4",
      "",
    ],
    ["n1: change while it is off (memoryMiB 1 → 2), then start", "change", "memoryMiB 1 → 2", "then start"],
    [
      "n1: make again: the definition and the root disk are gone, then start",
      "recover",
      "the definition and the root disk are gone",
      "then start",
    ],
    [
      "n1: wait until ready: an earlier run ended before it was",
      "wait",
      "an earlier run ended before it was",
      "",
    ],
    ["n1: stop (running removed), stop without quiesce", "stop", "running removed", "stop without quiesce"],
    [
      "n1: replace (name changed): deleted first, then made anew",
      "replace",
      "name changed",
      "deleted first, then made anew",
    ],
    ["n1: create, not started", "create", "", "not started"],
    ["n1: adopt, it stays as it is", "adopt", "", "it stays as it is"],
  ])("reads %j", (line, effect, why, note) => {
    expect(parseEffectLine(line)).toEqual({ name: "n1", effect, why, note });
  });

  it("takes no other text for an effect", () => {
    for (const text of ["", "n1: restarted", "uploading: 3 MiB", "restart n1"]) {
      expect(parseEffectLine(text)).toBeUndefined();
    }
    fc.assert(fc.property(fc.string(), (text) => void parseEffectLine(text)));
  });

  const events: EngineEvent[] = [
    start(step("lab-compute-02", "refresh")),
    start(step("lab-compute-02", "update", { changed: ["memoryMiB"] })),
    info("lab-compute-02", "lab-compute-02: restart (memoryMiB 2048 → 3072), quiesce first"),
    start(step("lab-compute-01", "same")),
    start(step("lab-compute-03", "create")),
    start(step("lab-compute-04", "delete")),
    start(step("lab-compute-05", "create-replacement", { changed: ["name"] })),
    start(step("lab-compute-05", "replace", { changed: ["name"] })),
    start(step("lab-compute-05", "delete-replaced")),
    start(step("after", "update", { type: "command:remote:Command", changed: ["stdin"], urn: "urn:after" })),
    start(step("host", "create", { type: "pulumi:providers:libvirt", urn: "urn:host" })),
    start(step("hpc", "create", { type: "hyperlab:index:HpcCluster", custom: false, urn: "urn:hpc" })),
  ];

  it("has one row per machine and one per other change", () => {
    const summary = summarisePreview(events);
    expect(summary.machines.map(({ effect, name, note, why }) => [name, effect, why, note])).toEqual([
      ["lab-compute-01", "none", "", ""],
      ["lab-compute-02", "restart", "memoryMiB 2048 → 3072", "quiesce first"],
      ["lab-compute-03", "create", "", ""],
      ["lab-compute-04", "remove", "", ""],
      ["lab-compute-05", "replace", "name", ""],
    ]);
    expect(summary.others).toEqual([
      {
        name: "after",
        type: "command:remote:Command",
        urn: "urn:after",
        operation: "update",
        why: "stdin",
      },
    ]);
  });

  it("reads as a table", () => {
    expect(renderPreview(summarisePreview(events), 120)).toEqual([
      "machine         effect   why",
      "lab-compute-01  none",
      "lab-compute-02  restart  memoryMiB 2048 → 3072; quiesce first",
      "lab-compute-03  create",
      "lab-compute-04  remove",
      "lab-compute-05  replace  name",
      "",
      "resource  type     change  why",
      "after     Command  update  stdin",
      "",
      "4 of 5 machines and 1 other resource change.",
    ]);
  });

  it("tells what is adopted from what is created", () => {
    const volume = { type: "libvirt:index:Volume", urn: "urn:state" };
    const summary = summarisePreview([
      start(step("n1", "create")),
      info("n1", "n1: adopt, it stays as it is"),
      start(step("n2", "create")),
      start(step("state", "create", volume)),
      {
        kind: "message",
        severity: "info",
        text: "lab/state: adopt, it stays as it is",
        urn: "urn:state",
        ephemeral: false,
      },
      start(step("seed", "create", { ...volume, urn: "urn:seed" })),
    ]);
    expect(renderPreview(summary, 120)).toEqual([
      "machine  effect  why",
      "n1       adopt   it stays as it is",
      "n2       create",
      "",
      "resource  type    change  why",
      "seed      Volume  create",
      "state     Volume  adopt   it stays as it is",
      "",
      "2 of these are on the host already and adopted as they are.",
      "1 of 2 machines and 1 other resource change.",
    ]);
  });

  it("calls a machine forbidden whose change the provider's check refuses, once", () => {
    const refused = (property: string): EngineEvent => ({
      kind: "message",
      severity: "error",
      text: `n1: ${property}: keep it`,
      urn: urnOf("n1"),
      ephemeral: false,
      refusal: { name: "n1", property, reason: "keep it" },
    });
    const { errors, machines } = summarisePreview([
      start(step("n1", "refresh")),
      refused("rootDisk.sizeMiB"),
      refused("rootDisk.pool"),
    ]);
    expect(errors).toEqual([]);
    expect(machines).toEqual([
      {
        name: "n1",
        urn: urnOf("n1"),
        effect: "forbidden",
        why: "rootDisk.sizeMiB, rootDisk.pool",
        note: "keep it",
      },
    ]);
  });

  it("says so where nothing changes", () => {
    expect(renderPreview(summarisePreview([start(step("n1", "same"))]), 80).at(-1)).toBe("Nothing changes.");
    expect(renderPreview(summarisePreview([]), 80)).toEqual(["Nothing changes."]);
  });

  it("shows the fields of an update that the provider did not explain", () => {
    const [row] = summarisePreview([start(step("n1", "update", { changed: ["title"] }))]).machines;
    expect(row).toMatchObject({ effect: "update", why: "title" });
  });
});

describe("tables", () => {
  it("aligns columns and cuts long lines", () => {
    expect(textTable(["a", "b"], [["xxx", "y"]], 20)).toEqual(["a    b", "xxx  y"]);
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.string({ maxLength: 30 }), { maxLength: 4 })),
        fc.integer({ min: 1, max: 40 }),
        (rows, width) => {
          for (const line of textTable(["one", "two", "three"], rows, width))
            expect(line.length).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
});
