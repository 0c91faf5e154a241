import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { checkpoint } from "../../../tools/engine/query.ts";
import { projectRoot } from "../../../tools/paths.ts";
import { Refusal } from "../../../tools/preflight/refusal.ts";
import { processIsAlive } from "../../../tools/process/run.ts";
import { prepareState } from "../../../tools/state/layout.ts";
import { lockState } from "../../../tools/state/lock.ts";
import { settleState } from "../../../tools/state/settle.ts";
import { withStackLock } from "../../../tools/state/stack-lock.ts";
import { type EngineProject, engineProject } from "../../support/engine-project.ts";
import { waitFor } from "../../support/wait.ts";

let project: EngineProject | undefined;
afterEach(async () => {
  await project?.dispose();
  project = undefined;
});

const IMPORTS = `import * as pulumi from "@pulumi/pulumi";
import { local } from "@pulumi/command";
const config = new pulumi.Config();
`;

/** A resource that says that its creation began and goes on when a gate opens. */
const gated = (folder: string): string => `${IMPORTS}
new local.Command("first", { create: "echo first" });
new local.Command("gated", {
  create: "echo $$ > ${folder}/begun; while [ ! -e ${folder}/gate ]; do sleep 0.1; done; echo made >> ${folder}/made",
  delete: "rm -f ${folder}/made",
}, { dependsOn: [new local.Command("second", { create: "echo second" })] });
`;

const locks = (of: EngineProject): string =>
  join(of.layout.folder, "backend/.pulumi/locks/organization/hyperlab/dev");

describe("the stack file", () => {
  it("is read by the engine from outside the checkout, and salt and secrets stay there", async () => {
    project = await engineProject({
      program: `${IMPORTS}
        export const greeting = config.require("greeting");
        export const hidden = pulumi.secret("the-secret-text");`,
      config: { "hyperlab:greeting": "hello" },
    });
    await project.mustRun("up");
    expect(await project.outputs()).toEqual({ greeting: "hello", hidden: "the-secret-text" });
    expect(readFileSync(join(project.root, "Pulumi.dev.yaml"), "utf8")).toBe(
      "config:\n  hyperlab:greeting: hello\n",
    );
    expect(readFileSync(project.layout.stackFile, "utf8")).toMatch(/^encryptionsalt: /m);
    const state = join(project.layout.folder, "backend/.pulumi/stacks/hyperlab/dev.json");
    expect(readFileSync(state, "utf8")).not.toContain("the-secret-text");
    expect(statSync(project.layout.stackFile).mode & 0o777).toBe(0o600);

    await writeFile(join(project.root, "Pulumi.dev.yaml"), "config:\n  hyperlab:greeting: goodbye\n");
    prepareState(project.layout, project.root);
    await project.mustRun("up");
    expect(await project.outputs()).toMatchObject({ greeting: "goodbye", hidden: "the-secret-text" });
  });

  it("makes the second up change nothing", async () => {
    project = await engineProject({ program: `${IMPORTS}new local.Command("one", { create: "echo one" });` });
    expect((await project.mustRun("up")).changes).toMatchObject({ create: 2 });
    expect((await project.mustRun("up")).changes).toEqual({ same: 2 });
    expect((await project.mustRun("preview", ["--expect-no-changes"])).changes).toEqual({ same: 2 });
  });
});

describe("an engine that is killed in the middle of up", () => {
  it("leaves a lock and an open creation, and the next up settles both with the same result", async () => {
    project = await engineProject({ program: "export const nothing = 1;" });
    const { layout, report, session } = project;
    const folder = join(layout.folder, "work");
    await mkdir(folder);
    await project.setProgram(gated(folder));
    const running = project.run("up");
    await waitFor("the creation to begin", () => existsSync(join(folder, "begun")));
    const held = lockState(layout);
    expect(held.kind).toBe("held");
    if (held.kind !== "held") return;
    await expect(settleState(session, layout, report)).rejects.toThrow(
      `stack dev is in use by process ${held.lock.pid}`,
    );
    process.kill(held.lock.pid, "SIGKILL");
    expect((await running).code).not.toBe(0);
    await waitFor("the engine to be gone", () => !processIsAlive(held.lock.pid));
    expect(lockState(layout)).toMatchObject({ kind: "stale" });
    const begun = Number(readFileSync(join(folder, "begun"), "utf8"));
    await waitFor("the command of the killed run to be gone", () => !processIsAlive(begun));

    expect((await checkpoint(session, layout)).pending).toMatchObject([{ type: "creating" }]);
    await writeFile(join(folder, "gate"), "");
    await settleState(session, layout, report);
    expect(lockState(layout)).toEqual({ kind: "none" });
    expect((await checkpoint(session, layout)).pending).toEqual([]);
    expect(project.shown()).toMatch(/Removing the lock of process \d+ of \S+ since \S+, which is gone/);
    expect(project.shown()).toContain("Creations that a killed run left open are settled: gated");

    await project.mustRun("up");
    expect(readFileSync(join(folder, "made"), "utf8")).toBe("made\n");
    expect((await project.mustRun("up")).changes).toEqual({ same: 4 });
    await project.mustRun("destroy");
    expect(existsSync(join(folder, "made"))).toBe(false);
  });
});

describe("locks that are not ours to remove", () => {
  const lockOf = (pid: number, host: string): string =>
    JSON.stringify({ pid, username: "ada", hostname: host, timestamp: new Date().toISOString() });

  it("stay where another host holds the stack, and the refusal says how to go on", async () => {
    project = await engineProject({ program: "export const nothing = 1;" });
    await mkdir(locks(project), { recursive: true });
    await writeFile(join(locks(project), "a.json"), lockOf(1, "another-host"));
    const failing = settleState(project.session, project.layout, project.report);
    await expect(failing).rejects.toBeInstanceOf(Refusal);
    await expect(failing).rejects.toThrow(
      /process 1 of ada on host another-host .*[\s\S]*pulumi cancel dev --yes/,
    );
    expect(existsSync(join(locks(project), "a.json"))).toBe(true);
  });

  it("stay where one of several is of a living process", async () => {
    project = await engineProject({ program: "export const nothing = 1;" });
    await mkdir(locks(project), { recursive: true });
    const gone = spawn("true");
    await new Promise((resolve) => gone.on("close", resolve));
    await writeFile(join(locks(project), "a.json"), lockOf(gone.pid ?? 0, hostname()));
    await writeFile(join(locks(project), "b.json"), lockOf(process.pid, hostname()));
    await expect(settleState(project.session, project.layout, project.report)).rejects.toThrow(
      "is in use by",
    );
    await rm(join(locks(project), "b.json"));
    await settleState(project.session, project.layout, project.report);
    expect(existsSync(join(locks(project), "a.json"))).toBe(false);
    await project.mustRun("up");
  });
});

describe("a stack whose machines are worked on without the engine", () => {
  it("is not updated meanwhile, and is afterwards", async () => {
    const made = await engineProject({ program: "export const nothing = 1;" });
    project = made;
    const { layout, report, session } = made;
    await withStackLock(layout, async () => {
      expect((await made.run("up")).code).not.toBe(0);
      await expect(settleState(session, layout, report)).rejects.toThrow(
        `is in use by process ${process.pid}`,
      );
    });
    expect(made.shown()).toContain("the stack is currently locked");
    expect(lockState(layout)).toEqual({ kind: "none" });
    await made.mustRun("up");
  });
});

describe("an interrupt", () => {
  it("reaches the engine once, is waited for, and the next up goes on", async () => {
    project = await engineProject({ program: "export const nothing = 1;" });
    const folder = join(project.layout.folder, "work");
    await mkdir(folder);
    await project.setProgram(gated(folder));
    const running = project.run("up");
    await waitFor("the creation to begin", () => existsSync(join(folder, "begun")));
    // A terminal, the shell and npm may each pass the same key press on.
    for (let times = 0; times < 3; times += 1) process.emit("SIGINT");
    await writeFile(join(folder, "gate"), "");
    const result = await running;
    expect(result).toMatchObject({ code: 130, interrupted: true });
    expect(project.shown().match(/Interrupted: what has begun is brought to an end/g)).toHaveLength(1);
    expect(project.shown()).not.toContain("Stopping at once");
    expect(lockState(project.layout)).toEqual({ kind: "none" });
    await settleState(project.session, project.layout, project.report);
    await project.mustRun("up");
    expect((await readFile(join(folder, "made"), "utf8")).trim().split("\n").length).toBeGreaterThanOrEqual(
      1,
    );
  });
});

describe("an engine that cannot run the program", () => {
  it("shows the program's error and where the whole output is", async () => {
    const plainStacks = join(projectRoot(), "lab", "plain-stacks.ts");
    project = await engineProject({ program: `import "${plainStacks}";\nexport const nothing = 1;` });
    const begin = performance.now();
    await project.mustRun("up");
    const middle = performance.now();
    await project.setProgram(`import "${plainStacks}";\nthrow new Error("the cluster file is wrong");`);
    const result = await project.run("up");
    expect(result.code).not.toBe(0);
    // Without plain-stacks.ts Node needs a minute to print it, on a machine that does nothing else.
    expect(performance.now() - middle).toBeLessThan(middle - begin + 50_000);
    expect(project.shown()).toContain("the cluster file is wrong");
    expect(readFileSync(result.log, "utf8")).toContain("the cluster file is wrong");
  });
});
