/** What is made from the measured boot of a machine stays quiet in previews. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DomainInputs } from "../../../providers/libvirt/resources/inputs.ts";
import { machine } from "../support/guest.ts";
import { Lab, type Stack } from "../support/lab.ts";

let lab: Lab;
let stack: Stack;
beforeAll(async () => {
  lab = await Lab.start();
  stack = await lab.stack("owner-of-boots", { program: "test/engine/support/boot-program.ts" });
  await stack.declare({ domains: { node: node() } });
  await stack.must("up");
});
afterAll(() => lab?.stop());

/** It has no disk to boot from, so it does not answer the power button. */
const node = (more: Partial<DomainInputs> = {}): DomainInputs =>
  machine("node", { stop: { timeoutSeconds: 1, onTimeout: "powerOff" }, ...more });

const quiet = async () => expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});

describe("what is made from a machine's boot", () => {
  it("does not change by itself", async () => {
    await quiet();
    expect((await stack.must("up")).ops).toEqual({});
  });

  it("does not change when only the machine is changed", async () => {
    await stack.declare({ domains: { node: node({ memoryMiB: 80, title: "restarted" }) } });
    expect((await stack.must("preview")).ops).toEqual({ node: ["update"] });
    expect((await stack.must("up")).ops).toEqual({ node: ["update"] });
    await quiet();
  });

  it("does not change over a state that was written before boots were measured", async () => {
    const file = join(stack.project.layout.folder, "backend/.pulumi/stacks/hyperlab/dev.json");
    const written = readFileSync(file, "utf8");
    const earlier = written.replace(/"bootSeconds": ?0,/, "");
    expect(earlier).not.toContain("bootSeconds");
    writeFileSync(file, earlier);
    await quiet();
    expect((await stack.must("up")).ops).toEqual({});
  });
});
