/** `hyperlab rotate`: a generation in the stack configuration, previewed and applied as `up` does. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RotatedKey } from "../../../components/hpc-cluster/key-generations.ts";
import { applyRotation } from "../../../tools/commands/rotate.ts";
import { bringUp } from "../../../tools/commands/up.ts";
import { cacheFolder } from "../../../tools/paths.ts";
import { ensureUserKey, identityFiles } from "../../../tools/ssh/own-key.ts";
import { type EngineProject, engineProject } from "../../support/engine-project.ts";

/** What the controller's step does with the generations that the stack declares; where `gate` is missing it fails. */
const program = (gate: string): string => `import * as pulumi from "@pulumi/pulumi";
import { local } from "@pulumi/command";
const keys = new pulumi.Config("hyperlab").getObject("keys") ?? {};
new local.Command("dev-secrets", { create: "cat", update: "test -e ${gate} && cat", stdin: JSON.stringify(keys) });
export const generations = keys;`;

describe("rotate", () => {
  let project: EngineProject;
  let file: string;
  let gate: string;
  const stackFile = (): string => readFileSync(file, "utf8");

  beforeEach(async () => {
    project = await engineProject({ program: "export const nothing = 1;" });
    file = join(project.root, "Pulumi.dev.yaml");
    gate = join(project.layout.folder, "gate");
    await writeFile(gate, "");
    await project.setProgram(program(gate));
  });
  afterEach(() => project.dispose());

  const context = () => {
    const { layout, report, root } = project;
    return { root, cache: cacheFolder(), report, layout, interactive: true, env: process.env };
  };

  async function rotate(answer?: string, yes = false, key: RotatedKey = "slurm-key") {
    const asked: string[] = [];
    const code = await applyRotation(context(), project.session, key, { yes }, async (text) => {
      asked.push(text);
      return answer;
    });
    return { code, asked };
  }

  it("shows what changes, asks, applies, and counts on", async () => {
    await project.mustRun("up");
    const { asked, code } = await rotate("y");
    expect(code).toBe(0);
    expect(asked).toEqual([expect.stringMatching(/new SLURM key.*jobs go on\. Go on\? \[y\/N\] $/)]);
    expect(project.shown()).toContain("Pulumi.dev.yaml: slurm-key goes from generation 1 to 2");
    expect(project.shown()).toContain("No machine is touched.");
    expect(await project.outputs()).toEqual({ generations: { "slurm-key": 2 } });
    expect(await rotate(undefined, true)).toEqual({ code: 0, asked: [] });
    expect(await project.outputs()).toEqual({ generations: { "slurm-key": 3 } });
  });

  it("puts the configuration back, to the letter, for who declines", async () => {
    await writeFile(file, "# mine\nconfig:   # odd\n    hyperlab:file: lab.yaml\n");
    await project.mustRun("up");
    const before = stackFile();
    expect((await rotate("n")).code).toBe(1);
    expect(stackFile()).toBe(before);
    expect(readFileSync(project.layout.stackFile, "utf8")).not.toContain("slurm-key");
    expect(project.shown()).toContain("Pulumi.dev.yaml is as it was before.");
    expect(await project.outputs()).toEqual({ generations: {} });
  });

  it("keeps what was begun: the next run goes on with it", async () => {
    await project.mustRun("up");
    rmSync(gate);
    expect((await rotate("y")).code).toBe(1);
    expect(stackFile()).toContain("slurm-key: 2");
    await writeFile(gate, "");
    await project.mustRun("up");
    expect(await project.outputs()).toEqual({ generations: { "slurm-key": 2 } });
  });

  it("makes a person's key anew where hyperlab made it, and keeps the old one until machines know the new one", async () => {
    await project.mustRun("up");
    const { folder } = project.layout;
    const own = await ensureUserKey(folder, project.root);
    const text = (): string => readFileSync(own ?? "", "utf8");
    const tried = () => identityFiles(folder, project.root).length;
    const first = text();
    expect((await rotate("n", false, "user-keys")).code).toBe(1);
    expect([text(), tried()]).toEqual([first, 1]);
    rmSync(gate);
    expect((await rotate("y", false, "user-keys")).code).toBe(1);
    expect(text()).not.toBe(first);
    expect(tried()).toBe(2);
    await writeFile(gate, "");
    expect(await bringUp(context(), project.session, { yes: true })).toBe(0);
    expect(tried()).toBe(1);
    expect(await project.outputs()).toEqual({ generations: { "user-keys": 2 } });
  });

  it("writes beside the state where the checkout has no file for the stack", async () => {
    await project.mustRun("up");
    rmSync(file);
    expect((await rotate("y")).code).toBe(0);
    expect(existsSync(file)).toBe(false);
    expect(readFileSync(project.layout.stackFile, "utf8")).toMatch(/slurm-key: 2[\s\S]*encryptionsalt/);
  });

  it("refuses where there is no cluster, and changes nothing", async () => {
    await project.setProgram("export const nothing = 1;");
    await project.mustRun("up");
    const before = stackFile();
    await expect(rotate("y")).rejects.toThrow("has made no cluster yet");
    expect(stackFile()).toBe(before);
  });
});
