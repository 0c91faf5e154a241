import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Context } from "../../../tools/commands/context.ts";
import { type DownOptions, removeStack } from "../../../tools/commands/down.ts";
import { checkpoint } from "../../../tools/engine/query.ts";
import { cacheFolder } from "../../../tools/paths.ts";
import { Refusal } from "../../../tools/preflight/refusal.ts";
import { sshFiles } from "../../../tools/ssh/client-files.ts";
import { type EngineProject, engineProject } from "../../support/engine-project.ts";

let project: EngineProject;
let context: Context;
let folder: string;

/** The protected resource needs what the stack keeps for itself, as a state volume needs owner and keys. */
const program = (protect: boolean): string => `import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
const identity = new pulumi.Stash("identity", { input: String(Math.random()) }, { ignoreChanges: ["input"] });
export const identityOutput = identity.output;
const environment = { IDENTITY: identity.output };
const made = (name) => ({ create: "echo > ${folder}/" + name, delete: "rm ${folder}/" + name, environment });
new local.Command("state", made("state"), { protect: ${protect} });
new local.Command("machine", made("machine"));
`;
const down = (options: DownOptions): Promise<number> => removeStack(context, project.session, options);
const made = (): string[] => ["state", "machine"].filter((name) => existsSync(join(folder, name)));

beforeEach(async () => {
  project = await engineProject({ program: "export const nothing = 1;" });
  const { layout, report, root } = project;
  context = { root, cache: cacheFolder(), report, layout, interactive: false, env: process.env };
  folder = join(layout.folder, "made");
  await mkdir(folder);
});
afterEach(() => project.dispose());

describe("removing a stack", () => {
  it("removes everything that was made, the stack included, and nothing else", async () => {
    await project.setProgram(program(false));
    await project.mustRun("up");
    expect(made()).toEqual(["state", "machine"]);
    const foreign = join(folder, "foreign");
    await writeFile(foreign, "mine");
    const ssh = sshFiles(project.layout.folder, "dev");
    await mkdir(ssh.folder, { recursive: true });
    await writeFile(ssh.config, "Host lab\n");

    expect(await down({ yes: false, keepProtected: false })).toBe(0);
    expect(made()).toEqual([]);
    expect(readFileSync(foreign, "utf8")).toBe("mine");
    expect(existsSync(ssh.folder)).toBe(false);
    expect((await checkpoint(project.session, project.layout)).exists).toBe(false);
    expect(existsSync(join(project.layout.folder, "passphrase"))).toBe(true);
    expect(readFileSync(project.layout.stackFile, "utf8")).toContain("encryptionsalt");
  });

  it("says so where there is nothing", async () => {
    expect(await down({ yes: false, keepProtected: false })).toBe(0);
    expect(project.shown()).toContain("Stack dev has nothing to remove.");
    expect(await down({ yes: false, keepProtected: false })).toBe(0);
  });
});

describe("protected volumes", () => {
  beforeEach(async () => {
    await project.setProgram(program(true));
    await project.mustRun("up");
  });

  it("are listed, and nothing is removed where nobody can be asked", async () => {
    const failing = down({ yes: false, keepProtected: false });
    await expect(failing).rejects.toBeInstanceOf(Refusal);
    await expect(failing).rejects.toThrow("--keep-protected");
    expect(project.shown()).toContain("  Command state");
    expect(made()).toEqual(["state", "machine"]);
  });

  it("are kept on request with what they need, and used again by the next up", async () => {
    const before = await project.outputs();
    expect(await down({ yes: false, keepProtected: true })).toBe(0);
    expect(made()).toEqual(["state"]);
    expect(project.shown()).toContain("Kept because they are protected: Command state.");
    await project.mustRun("up");
    expect(made()).toEqual(["state", "machine"]);
    expect(await project.outputs()).toEqual(before);
    expect(before).toEqual({ identityOutput: expect.stringMatching(/^0\./) });
  });

  it("are removed on request", async () => {
    expect(await down({ yes: true, keepProtected: false })).toBe(0);
    expect(made()).toEqual([]);
    expect((await checkpoint(project.session, project.layout)).exists).toBe(false);
  });
});
