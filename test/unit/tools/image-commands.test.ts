import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ResolvedPackage } from "../../../images/simulation.ts";
import { imageList, imagePrune } from "../../../tools/commands/image.ts";
import { imageUpdate, type UpdateEdges } from "../../../tools/commands/image-update.ts";
import { ImageLab } from "../../support/image-lab.ts";
import { labText } from "../config/lab-text.ts";

const [used, unused] = ["1".repeat(16), "2".repeat(16)];
const file = labText({ hpc: "image: { revision: 3 } # ours" });
let lab: ImageLab;

beforeEach(() => {
  lab = new ImageLab(file);
  lab.store(used, ["slurmctld 24.11.5-4", "openssl 3.5.1-1"]);
  lab.store(unused, ["slurmctld 24.11.4-1", "openssl 3.5.1-1"]);
  lab.deploy("dev", used);
});
afterEach(() => lab.dispose());

const answer = (text: string) => async () => text;

describe("image list", () => {
  it("shows each image with its SLURM and who uses it", async () => {
    expect(await imageList(lab.context, { json: false })).toBe(0);
    const lines = lab.shown.split("\n");
    expect(lines.find((line) => line.startsWith(used))).toMatch(
      /24\.11\.5-4 .*stack dev \(lab-compute-01, lab-controller\)$/,
    );
    expect(lines.find((line) => line.startsWith(unused))).toMatch(/24\.11\.4-1 .*nothing$/);
  });
});

describe("image prune", () => {
  const there = (id: string) =>
    [".json", ".qcow2"].map((ending) => existsSync(join(lab.images, id + ending)));

  it("removes what no stack uses, after a yes", async () => {
    expect(await imagePrune(lab.context, { yes: false }, answer("no"))).toBe(1);
    expect(there(unused)).toEqual([true, true]);
    expect(await imagePrune(lab.context, { yes: false }, answer("y"))).toBe(0);
    expect([there(used), there(unused)]).toEqual([
      [true, true],
      [false, false],
    ]);
    lab.shown = "";
    expect(await imagePrune(lab.context, { yes: true })).toBe(0);
    expect(lab.shown).toContain("Every image is in use");
  });

  it("keeps what another stack of the state folder uses, and what one takes while the person thinks", async () => {
    lab.deploy("other", unused);
    expect(await imagePrune(lab.context, { yes: true })).toBe(0);
    expect(there(unused)).toEqual([true, true]);
    rmSync(join(lab.stacks, "other.json"));
    const takes = async () => {
      lab.deploy("other", unused);
      return "y";
    };
    expect(await imagePrune(lab.context, { yes: false }, takes)).toBe(0);
    expect(there(unused)).toEqual([true, true]);
  });

  it("removes nothing where a stack's state cannot be read, or nobody can be asked", async () => {
    expect(await imagePrune({ ...lab.context, interactive: false }, { yes: false })).toBe(1);
    writeFileSync(join(lab.stacks, "broken.json"), "{");
    await expect(imagePrune(lab.context, { yes: true })).rejects.toThrow(
      /stack broken .*no image counts as unused/,
    );
    expect(there(unused)).toEqual([true, true]);
  });
});

describe("image update", () => {
  const options = { dryRun: false, yes: false, json: false };
  const newer: ResolvedPackage[] = [
    { name: "openssl", version: "3.5.4-1", security: true },
    { name: "slurmctld", version: "24.11.6-1", security: false },
  ];
  const edges = (
    packages: readonly ResolvedPackage[],
    more: Partial<UpdateEdges> = {},
  ): Partial<UpdateEdges> => ({
    resolve: async () => [...packages],
    bringUp: () => Promise.reject(new Error("nothing is to be brought up")),
    question: () => Promise.reject(new Error("nobody is to be asked")),
    ...more,
  });

  it("lists packages and machines, and changes nothing, with --dry-run", async () => {
    expect(await imageUpdate(lab.context, { ...options, dryRun: true }, edges(newer))).toBe(0);
    expect(lab.shown).toContain("Security updates (1):\n  openssl 3.5.1-1 -> 3.5.4-1\nChanged (1):");
    expect(lab.shown).toContain("To be rebuilt, one after another: lab-controller, lab-compute-01\n");
    expect(lab.file).toBe(file);
  });

  it("shows the lines, asks, writes them and brings the stack up", async () => {
    const brought: string[] = [];
    const bringUp = async () => {
      brought.push(lab.file);
      writeFileSync(join(lab.stacks, "dev.json"), "{}");
      return 1;
    };
    expect(await imageUpdate(lab.context, options, edges(newer, { question: answer("y"), bringUp }))).toBe(1);
    const after = file.replace("revision: 3", "revision: 4");
    expect(lab.shown).toContain("- ".concat(lineOf(file)));
    expect(lab.shown).toContain("+ ".concat(lineOf(after)));
    expect(brought).toEqual([after]);
    // It began: what it began with stays declared.
    expect(lab.file).toBe(after);
  });

  it("puts the file back where up changed nothing, and does not write it after a no", async () => {
    const refused = edges(newer, { question: answer("y"), bringUp: async () => 1 });
    expect(await imageUpdate(lab.context, options, refused)).toBe(1);
    expect(lab.file).toBe(file);
    expect(lab.shown).toContain("lab.yaml is as it was before");
    expect(await imageUpdate(lab.context, options, edges(newer, { question: answer("n") }))).toBe(1);
    expect(await imageUpdate({ ...lab.context, interactive: false }, options, edges(newer))).toBe(1);
    expect(lab.file).toBe(file);
  });

  it("takes a moment, and refuses what is none before anything is asked for", async () => {
    const bringUp = async () => 0;
    const wish = { ...options, snapshot: "2026-11-01", yes: true };
    const recipes: (string | undefined)[] = [];
    const resolve: UpdateEdges["resolve"] = async (recipe) => {
      recipes.push(recipe.snapshot);
      return newer;
    };
    expect(await imageUpdate(lab.context, wish, { resolve, bringUp })).toBe(0);
    expect(recipes).toEqual(["20261101T000000Z"]);
    expect(lab.file).toContain("image: { snapshot: 2026-11-01, revision: 3 } # ours");
    const wrong = { ...wish, snapshot: "last week" };
    await expect(imageUpdate(lab.context, wrong, edges(newer))).rejects.toThrow("a date such as 2026-11-01");
  });

  it("stops where SLURM would go back, and where nothing is new", async () => {
    const older = [{ name: "slurmctld", version: "24.05.1-1", security: false }];
    expect(await imageUpdate(lab.context, { ...options, yes: true }, edges(older))).toBe(1);
    expect(lab.shown).toContain("would go from SLURM 24.11.5-4 back to 24.05.1-1");
    const same = [
      { name: "slurmctld", version: "24.11.5-4", security: false },
      { name: "openssl", version: "3.5.1-1", security: false },
    ];
    expect(await imageUpdate(lab.context, { ...options, yes: true }, edges(same))).toBe(0);
    expect(lab.shown).toContain("exactly these packages already");
    expect(lab.file).toBe(file);
  });
});

const lineOf = (of: string): string => of.split("\n").find((line) => line.includes("image:")) ?? "?";
