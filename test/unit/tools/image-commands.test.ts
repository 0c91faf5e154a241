import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ResolvedPackage } from "../../../images/simulation.ts";
import type { Context } from "../../../tools/commands/context.ts";
import { imageList, imagePrune } from "../../../tools/commands/image.ts";
import { imageUpdate, type UpdateEdges } from "../../../tools/commands/image-update.ts";
import { Reporter } from "../../../tools/report/progress.ts";
import { prepareState, stateLayout } from "../../../tools/state/layout.ts";
import { labText } from "../config/lab-text.ts";

const [used, unused] = ["1".repeat(16), "2".repeat(16)];
const file = labText({ hpc: "image: { revision: 3 } # ours" });
let root = "";
let shown = "";
let context: Context;
const stacks = () => join(root, "state/backend/.pulumi/stacks/hyperlab");
const images = () => join(root, "cache/images");

function store(id: string, slurm: string): void {
  const manifest = { id, sizeBytes: 5, packages: [`slurmctld ${slurm}`, "openssl 3.5.1-1"], recipe: {} };
  writeFileSync(join(images(), `${id}.json`), JSON.stringify(manifest));
  writeFileSync(join(images(), `${id}.qcow2`), "image");
}

function deploy(stack: string, id: string): void {
  const resource = (type: string, name: string, inputs: object) => ({
    urn: `urn:pulumi:x::y::${type}::${name}`,
    type,
    inputs,
  });
  const resources = [
    resource("libvirt:index:Volume", "lab-base", {
      name: "v",
      source: { id, path: `${images()}/${id}.qcow2` },
    }),
    resource("libvirt:index:Domain", "lab-compute-01", { rootDisk: { image: "v" } }),
    resource("libvirt:index:Domain", "lab-controller", { rootDisk: { image: "v" } }),
  ];
  writeFileSync(join(stacks(), `${stack}.json`), JSON.stringify({ checkpoint: { latest: { resources } } }));
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hyperlab-image-"));
  shown = "";
  writeFileSync(join(root, "Pulumi.yaml"), "name: hyperlab\nruntime: nodejs\n");
  writeFileSync(join(root, "Pulumi.dev.yaml"), "config:\n  hyperlab:file: lab.yaml\n");
  writeFileSync(join(root, "lab.yaml"), file);
  const layout = stateLayout({ root, stack: "dev", folder: join(root, "state"), env: {} });
  prepareState(layout, root);
  mkdirSync(stacks(), { recursive: true });
  mkdirSync(images(), { recursive: true });
  const write = (text: string) => {
    shown += text;
  };
  const report = new Reporter({ write, isTerminal: false, columns: 200 });
  context = { root, cache: join(root, "cache"), report, layout, interactive: true, env: {} };
  store(used, "24.11.5-4");
  store(unused, "24.11.4-1");
  deploy("dev", used);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const answer = (text: string) => async () => text;

describe("image list", () => {
  it("shows each image with its SLURM and who uses it", async () => {
    expect(await imageList(context, { json: false })).toBe(0);
    const lines = shown.split("\n");
    expect(lines.find((line) => line.startsWith(used))).toMatch(
      /24\.11\.5-4 .*stack dev \(lab-compute-01, lab-controller\)$/,
    );
    expect(lines.find((line) => line.startsWith(unused))).toMatch(/24\.11\.4-1 .*nothing$/);
  });
});

describe("image prune", () => {
  const there = (id: string) => [".json", ".qcow2"].map((ending) => existsSync(join(images(), id + ending)));

  it("removes what no stack uses, after a yes", async () => {
    expect(await imagePrune(context, { yes: false }, answer("no"))).toBe(1);
    expect(there(unused)).toEqual([true, true]);
    expect(await imagePrune(context, { yes: false }, answer("y"))).toBe(0);
    expect([there(used), there(unused)]).toEqual([
      [true, true],
      [false, false],
    ]);
    shown = "";
    expect(await imagePrune(context, { yes: true })).toBe(0);
    expect(shown).toContain("Every image is in use");
  });

  it("keeps what another stack of the state folder uses, and what one takes while the person thinks", async () => {
    deploy("other", unused);
    expect(await imagePrune(context, { yes: true })).toBe(0);
    expect(there(unused)).toEqual([true, true]);
    rmSync(join(stacks(), "other.json"));
    const takes = async () => {
      deploy("other", unused);
      return "y";
    };
    expect(await imagePrune(context, { yes: false }, takes)).toBe(0);
    expect(there(unused)).toEqual([true, true]);
  });

  it("removes nothing where a stack's state cannot be read, or nobody can be asked", async () => {
    expect(await imagePrune({ ...context, interactive: false }, { yes: false })).toBe(1);
    writeFileSync(join(stacks(), "broken.json"), "{");
    await expect(imagePrune(context, { yes: true })).rejects.toThrow(
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
  const text = () => readFileSync(join(root, "lab.yaml"), "utf8");

  it("lists packages and machines, and changes nothing, with --dry-run", async () => {
    expect(await imageUpdate(context, { ...options, dryRun: true }, edges(newer))).toBe(0);
    expect(shown).toContain("Security updates (1):\n  openssl 3.5.1-1 -> 3.5.4-1\nChanged (1):");
    expect(shown).toContain("To be rebuilt, one after another: lab-controller, lab-compute-01\n");
    expect(text()).toBe(file);
  });

  it("shows the lines, asks, writes them and brings the stack up", async () => {
    const brought: string[] = [];
    const bringUp = async () => {
      brought.push(text());
      writeFileSync(join(stacks(), "dev.json"), "{}");
      return 1;
    };
    expect(await imageUpdate(context, options, edges(newer, { question: answer("y"), bringUp }))).toBe(1);
    const after = file.replace("revision: 3", "revision: 4");
    expect(shown).toContain("- ".concat(lineOf(file)));
    expect(shown).toContain("+ ".concat(lineOf(after)));
    expect(brought).toEqual([after]);
    // It began: what it began with stays declared.
    expect(text()).toBe(after);
  });

  it("puts the file back where up changed nothing, and does not write it after a no", async () => {
    const refused = edges(newer, { question: answer("y"), bringUp: async () => 1 });
    expect(await imageUpdate(context, options, refused)).toBe(1);
    expect(text()).toBe(file);
    expect(shown).toContain("lab.yaml is as it was before");
    expect(await imageUpdate(context, options, edges(newer, { question: answer("n") }))).toBe(1);
    expect(await imageUpdate({ ...context, interactive: false }, options, edges(newer))).toBe(1);
    expect(text()).toBe(file);
  });

  it("takes a moment, and refuses what is none before anything is asked for", async () => {
    const bringUp = async () => 0;
    const wish = { ...options, snapshot: "2026-11-01", yes: true };
    const recipes: (string | undefined)[] = [];
    const resolve: UpdateEdges["resolve"] = async (recipe) => {
      recipes.push(recipe.snapshot);
      return newer;
    };
    expect(await imageUpdate(context, wish, { resolve, bringUp })).toBe(0);
    expect(recipes).toEqual(["20261101T000000Z"]);
    expect(text()).toContain("image: { snapshot: 2026-11-01, revision: 3 } # ours");
    const wrong = { ...wish, snapshot: "last week" };
    await expect(imageUpdate(context, wrong, edges(newer))).rejects.toThrow("a date such as 2026-11-01");
  });

  it("stops where SLURM would go back, and where nothing is new", async () => {
    const older = [{ name: "slurmctld", version: "24.05.1-1", security: false }];
    expect(await imageUpdate(context, { ...options, yes: true }, edges(older))).toBe(1);
    expect(shown).toContain("would go from SLURM 24.11.5-4 back to 24.05.1-1");
    const same = [
      { name: "slurmctld", version: "24.11.5-4", security: false },
      { name: "openssl", version: "3.5.1-1", security: false },
    ];
    expect(await imageUpdate(context, { ...options, yes: true }, edges(same))).toBe(0);
    expect(shown).toContain("exactly these packages already");
    expect(text()).toBe(file);
  });
});

const lineOf = (of: string): string => of.split("\n").find((line) => line.includes("image:")) ?? "?";
