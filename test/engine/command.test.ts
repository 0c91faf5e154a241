/**
 * One program of local and remote commands, run by the real engine; the assertions are the documented behaviour of
 * @pulumi/command 1.2.1. HYPERLAB_TEST_COMMAND_PLUGIN=official runs it against the official plugin, which the engine then
 * has to obtain; the default is providers/command.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nameOf, PulumiProject, stagePlugin } from "../support/pulumi.ts";
import { Sshd } from "../support/sshd.ts";

const official = process.env.HYPERLAB_TEST_COMMAND_PLUGIN === "official";

let sshd: Sshd;
let project: PulumiProject;
let folder: string;
let staged: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "traces-"));
  mkdirSync(join(folder, "source/deep"), { recursive: true });
  writeFileSync(join(folder, "source/a.txt"), "a");
  writeFileSync(join(folder, "source/deep/b.txt"), "b");
  sshd = await Sshd.start();
  staged = mkdtempSync(join(tmpdir(), "staged-"));
  const plugins: Record<string, string> = official
    ? {}
    : { command: await stagePlugin(staged, "command", "providers/command/main.ts") };
  project = await PulumiProject.create("test/engine/command/program.ts", plugins);
  await project.config({
    phase: "one",
    folder,
    port: String(sshd.port),
    user: sshd.user,
    hostKey: sshd.hostKey,
  });
  await project.config({ privateKey: sshd.privateKey, token: "token-4711" }, true);
});

afterAll(async () => {
  await project?.run(["destroy", "--stack", "dev", "--yes", "--skip-preview"]);
  project?.remove();
  await sshd?.stop();
  for (const path of [folder, staged]) if (path !== undefined) rmSync(path, { recursive: true, force: true });
});

const trace = (name: string) => readFileSync(join(folder, name), "utf8").trim().split("\n");
const ops = async () =>
  Object.fromEntries((await project.preview()).map((step) => [nameOf(step.urn), step.op]));

describe("one program", () => {
  test("a preview plans creation and executes nothing", async () => {
    const planned = await ops();
    for (const name of ["hello", "steps", "cat", "copied", "listed"]) expect(planned[name]).toBe("create");
    expect(() => trace("steps")).toThrow("ENOENT");
    expect(() => trace("remote")).toThrow("ENOENT");
  });

  test("up runs every create command and gives its output", async () => {
    await project.up();
    const { results } = await project.outputs();
    expect(results).toEqual({
      hello: { stdout: "hello", stderr: "oops" },
      steps: "created-one",
      details: `${folder}\nfrom stdin\ntoken-4711`,
      triggered: "",
      triggeredUpdate: "",
      assets: ["made/a.txt", "made/secret.txt"],
      ran: "run",
      cat: { stdout: "to remote: hello", stderr: "remote-oops" },
      remoteSteps: "created-one",
      listed: "to/source/a.txt\nto/source/deep/b.txt",
    });
    expect(trace("steps")).toEqual(["create one"]);
    expect(trace("remote")).toEqual(["create one"]);
    expect(trace("copied/text")).toEqual(["text of phase one"]);
  });

  test("the state holds no connection, key or secret variable in clear", async () => {
    const { text, resources } = await project.state();
    const key = sshd.privateKey.split("\n")[1] ?? "";
    expect(key.length).toBeGreaterThan(20);
    expect(text).not.toContain(key);
    const details = resources.find(({ urn }) => nameOf(urn) === "details");
    expect(JSON.stringify([details?.inputs, details?.outputs?.environment])).not.toContain("token-4711");
  });

  test("a second up changes nothing", async () => {
    expect(await ops()).toEqual({});
    await project.up("--expect-no-changes");
    expect(trace("triggered")).toEqual(["create"]);
  });

  test("changed inputs run `update`, changed triggers replace", async () => {
    await project.config({ phase: "two" });
    const planned = await ops();
    expect(planned).toMatchObject({ steps: "update", "remote-steps": "update", text: "update" });
    expect(planned.triggered).toBe("replace");
    expect(planned.hello).toBeUndefined();
    await project.up();
    const { results } = await project.outputs();
    expect(results).toMatchObject({ steps: "updated-two", remoteSteps: "updated-two" });
    expect(trace("steps")).toEqual(["create one", "update two after created-one"]);
    expect(trace("remote")).toEqual(["create one", "update two after created-one"]);
    expect(trace("triggered")).toEqual(["create", "create", "delete"]);
    expect(trace("copied/text")).toEqual(["text of phase two"]);
  });

  test("a changed trigger runs `update` where there is one", () => {
    // The official plugin replaces instead (pulumi/pulumi-command#855), against its own documentation.
    expect(trace("triggered-update")).toEqual(["create", official ? "create" : "update"]);
  });

  test("a changed file in a copied directory is copied, and what is triggered by it runs again", async () => {
    writeFileSync(join(folder, "source/c.txt"), "c");
    await project.up();
    const { results } = await project.outputs();
    expect(results).toMatchObject({ listed: "to/source/a.txt\nto/source/c.txt\nto/source/deep/b.txt" });
  });

  test("a failed command fails the update with its output; nothing else is lost", async () => {
    await project.config({ phase: "broken" });
    const { code, output } = await project.run(["up", "--stack", "dev", "--yes", "--skip-preview"]);
    expect(code).not.toBe(0);
    expect(output).toMatch(/exit status 7: running/);
    expect(output).toContain("the output");
    expect(output).toContain("the reason");
    const { resources } = await project.state();
    expect(resources.map(({ urn }) => nameOf(urn))).not.toContain("broken");
    await project.config({ phase: "two" });
    await project.up();
    expect(await ops()).toEqual({});
  });

  test("a refresh reads nothing new", async () => {
    await project.must(["refresh", "--stack", "dev", "--yes", "--skip-preview", "--expect-no-changes"]);
  });

  test("destroy runs the delete commands with the last output", async () => {
    await project.must(["destroy", "--stack", "dev", "--yes", "--skip-preview"]);
    expect(trace("steps").at(-1)).toMatch(/^delete two after updated-two$/);
    expect(trace("remote").at(-1)).toBe("delete after updated-two");
    expect((await project.state()).resources).toEqual([]);
    expect(readFileSync(join(folder, "copied/to/source/a.txt"), "utf8")).toBe("a");
  });
});
