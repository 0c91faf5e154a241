/** `hyperlab start`, `stop` and `restart` with the real engine on a libvirt of the test's own. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { Context } from "../../../tools/commands/context.ts";
import { applyHold, applyPower, type PowerCommand } from "../../../tools/commands/power.ts";
import { bringUp } from "../../../tools/commands/up.ts";
import { cacheFolder } from "../../../tools/paths.ts";
import { prepareState } from "../../../tools/state/layout.ts";
import { labText } from "../../unit/config/lab-text.ts";
import { machine, writeGuestImage } from "../support/guest.ts";
import { Lab, type Stack } from "../support/lab.ts";
import { type Happened, Observer } from "../support/observer.ts";

const [controller, first, second] = ["lab-controller", "lab-compute-01", "lab-compute-02"];
const names = [controller, first, second];
const nothing = { [controller]: "nothing", [first]: "nothing", [second]: "nothing" };
const written = "# The lab of the second floor.\nconfig:\n  # Edit this one.\n  hyperlab:file: lab.yaml\n";

let lab: Lab;
let stack: Stack;

beforeAll(async () => {
  lab = await Lab.start();
  writeGuestImage(lab.folder("one.raw"), "polite", "one");
  stack = await lab.stack("owner-of-power", { program: "test/engine/support/power-program.ts" });
  const { layout, root } = stack.project;
  writeFileSync(stackFile(), written);
  writeFileSync(join(root, "lab.yaml"), labText());
  prepareState(layout, root);
  const rootDisk = { pool: "lab", image: "one", sizeMiB: 4 };
  await stack.declare({
    pools: { pool: { name: "lab", path: lab.folder("pool") } },
    volumes: { one: { name: "one", pool: "lab", source: { path: lab.folder("one.raw"), id: "one" } } },
    domains: Object.fromEntries(
      names.map((name) => [name, machine(name, { rootDisk, rolloutGroup: "lab" })]),
    ),
  });
  await stack.must("up");
});
afterAll(() => lab?.stop());

const stackFile = (): string => join(stack.project.root, "Pulumi.dev.yaml");
const settings = (): unknown => parse(readFileSync(stackFile(), "utf8")).config;

const context = (answer: string | undefined): Context => {
  const { layout, report, root } = stack.project;
  return { root, cache: cacheFolder(), report, layout, interactive: answer !== undefined, env: process.env };
};

/** Runs a piece of work and gives what was shown, what happened to the machines and in which order. */
async function watched(work: () => Promise<number>) {
  const before = stack.project.shown().length;
  const observer = await Observer.start(lab.libvirt);
  try {
    const code = await work();
    const happened: Readonly<Record<string, Happened>> = await observer.result();
    const events = observer.events.filter((event) => / (started|stopped)$/.test(event));
    return { code, happened, events, shown: stack.project.shown().slice(before) };
  } finally {
    observer.stop();
  }
}

const power = (command: PowerCommand, words: string[], answer?: string) =>
  watched(() =>
    applyPower(context(answer), stack.project.session, command, { words, yes: false }, async () => answer),
  );
const hold = (words: string[], reason: string, answer?: string) =>
  watched(() =>
    applyHold(context(answer), stack.project.session, { words, reason, yes: false }, async () => answer),
  );
const up = () => watched(() => bringUp(context(undefined), stack.project.session, { yes: false }));
const off = async (name: string): Promise<boolean> => (await lab.libvirt.domainLookupByName(name))?.id === -1;

describe("stop", () => {
  it("declares nothing and stops nothing where a person says no", async () => {
    const declined = await power("stop", ["compute-2"], "n");
    expect(declined).toMatchObject({ code: 1, happened: nothing });
    expect(declined.shown).toContain("Pulumi.dev.yaml is as it was before.");
    expect(readFileSync(stackFile(), "utf8")).toBe(written);
    expect(readFileSync(stack.project.layout.stackFile, "utf8")).not.toContain("hyperlab:power");
  });

  it("does the same where the preview is refused", async () => {
    const refused = await power("stop", ["controller"]);
    expect(refused).toMatchObject({ code: 1, happened: nothing });
    expect(refused.shown).toContain("lab-controller is declared off while");
    expect(readFileSync(stackFile(), "utf8")).toBe(written);
  });

  it("shows what it declares, keeps the file's comments, and stops that machine for good", async () => {
    const stopped = await power("stop", ["compute-2"], "y");
    expect(stopped).toMatchObject({ code: 0, happened: { ...nothing, [second]: "stopped" } });
    expect(stopped.shown).toContain("Pulumi.dev.yaml:\n  +   hyperlab:power:\n  +     lab-compute-02: off\n");
    expect(stopped.shown).toMatch(/^lab-compute-02 +stop /m);
    expect(readFileSync(stackFile(), "utf8")).toContain("# Edit this one.");
    expect(settings()).toEqual({ "hyperlab:file": "lab.yaml", "hyperlab:power": { [second]: "off" } });
    expect(await up()).toMatchObject({ code: 0, happened: nothing });
  });
});

describe("start", () => {
  it("takes the declaration back and starts the machine", async () => {
    const started = await power("start", ["compute-2"]);
    expect(started).toMatchObject({ code: 0, happened: { ...nothing, [second]: "started" } });
    expect(settings()).toEqual({ "hyperlab:file": "lab.yaml" });
    expect(await up()).toMatchObject({ code: 0, happened: nothing });
  });
});

describe("restart", () => {
  it("restarts each machine of a group once, one after another", async () => {
    const restarted = await power("restart", ["compute"], "y");
    expect(restarted.code).toBe(0);
    expect(restarted.shown).toMatch(/^lab-compute-01 +restart +restartTrigger set to /m);
    expect(restarted.happened).toEqual({ ...nothing, [first]: "restarted", [second]: "restarted" });
    const [one = ""] = restarted.events[0]?.split(" ") ?? [];
    const two = one === first ? second : first;
    expect(restarted.events).toEqual([
      `${one} stopped`,
      `${one} started`,
      `${two} stopped`,
      `${two} started`,
    ]);
    expect(await up()).toMatchObject({ code: 0, happened: nothing });
  });

  it("can be had again, and declines like everything else", async () => {
    const before = readFileSync(stackFile(), "utf8");
    expect(await power("restart", ["compute-1"], "n")).toMatchObject({ code: 1, happened: nothing });
    expect(readFileSync(stackFile(), "utf8")).toBe(before);
    expect((await power("restart", ["compute-1"], "y")).happened).toEqual({
      ...nothing,
      [first]: "restarted",
    });
  });
});

describe("a hold", () => {
  it("stops the machine and declares nothing", async () => {
    const before = readFileSync(stackFile(), "utf8");
    expect(await hold(["compute-1"], "fan", "n")).toMatchObject({ code: 1, happened: nothing });
    const held = await hold(["compute-1"], "a new\nfan", "y");
    expect(held.code).toBe(0);
    expect(held.shown).toMatch(/lab-compute-01: held off since .* by .*@.*: a new fan\./);
    expect(await off(first)).toBe(true);
    expect(readFileSync(stackFile(), "utf8")).toBe(before);
  });

  it("is reported by the preview, and up leaves it", async () => {
    const preview = await stack.must("preview");
    expect(preview.text).toMatch(
      /lab-compute-01: nothing, held off since .*: a new fan; release with: hyperlab start/,
    );
    expect(preview.ops).toEqual({});
    const ran = await up();
    expect(ran).toMatchObject({ code: 0, happened: nothing });
    expect(ran.shown).toContain("held off since");
    expect(await off(first)).toBe(true);
  });

  it("keeps a machine from a restart: an error where it is named, left out of a group", async () => {
    await expect(power("restart", ["compute-1"])).rejects.toThrow(/lab-compute-01 is held off since/);
    const restarted = await power("restart", ["compute"]);
    expect(restarted.happened).toEqual({ ...nothing, [second]: "restarted" });
  });

  it("is released by start, which brings the machine back", async () => {
    const started = await power("start", ["compute-1"]);
    expect(started.code).toBe(0);
    expect(started.shown).toMatch(/lab-compute-01 was held off since .*; released\./);
    expect(started.shown).toMatch(/^lab-compute-01 +start /m);
    expect(await off(first)).toBe(false);
    expect((await up()).happened).toEqual(nothing);
  });

  it("is refused for the controller, and for a machine that is not made", async () => {
    await expect(hold(["all"], "")).rejects.toThrow(/lab-controller cannot be held/);
    writeFileSync(join(stack.project.root, "lab.yaml"), labText().replace("count: 2", "count: 3"));
    try {
      await expect(hold(["compute-3"], "")).rejects.toThrow(/has not made lab-compute-03 yet/);
    } finally {
      writeFileSync(join(stack.project.root, "lab.yaml"), labText());
    }
  });
});

describe("a whole cluster", () => {
  it("is stopped and started", async () => {
    const stopped = await power("stop", ["all"]);
    expect(stopped.happened).toEqual({ [controller]: "stopped", [first]: "stopped", [second]: "stopped" });
    const started = await power("start", ["lab"]);
    expect(started.happened).toEqual({ [controller]: "started", [first]: "started", [second]: "started" });
    expect((await up()).happened).toEqual(nothing);
  });
});
