/** The plugin base under the real engine: what it hands to a provider, and what becomes of a provider's answers. */
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nameOf, PulumiProject, stagePlugin } from "../support/pulumi.ts";
import { waitFor } from "../support/wait.ts";

let staged: string;
let project: PulumiProject;

beforeEach(async () => {
  staged = mkdtempSync(join(tmpdir(), "staged-"));
  const tiny = await stagePlugin(staged, "tiny", "test/provider/plugin/tiny-main.ts");
  project = await PulumiProject.create("test/engine/plugin/program.ts", { tiny });
  await project.config({ "tiny:uri": "test" });
});
afterEach(() => {
  project?.remove();
  rmSync(staged, { recursive: true, force: true });
});

/** Process ids of the staged plugin. */
async function plugins(): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "");
    if (line.includes(join(staged, "dist/providers/tiny/plugin.cjs"))) found.push(Number(entry));
  }
  return found;
}

const upArguments = ["up", "--stack", "dev", "--yes", "--skip-preview"];

test("a preview shows log lines under their resource, and what is unknown stays unknown", async () => {
  await project.config({ content: "x" });
  const output = await project.must(["preview", "--stack", "dev", "--diff"]);
  expect(output).toContain("would create urn:pulumi:dev::test::tiny:index:File::first");
  expect(output).toContain("would create urn:pulumi:dev::test::tiny:index:File::second");
});

test("secrets are encrypted in the state, outputs arrive, and the process ends with the engine", async () => {
  await project.config({ content: "hello" });
  await project.up();
  expect(await project.outputs()).toEqual({ sizes: [5, "size is 5".length], token: "made" });
  const { text } = await project.state();
  expect(text).not.toContain('"made"');
  await waitFor("end of the plugin", async () => (await plugins()).length === 0);
});

test.each([["half"], ["huge 300000"]])(
  "a partial create (%s) is recorded and repaired later",
  async (content) => {
    await project.config({ content });
    const { code, output } = await project.run(upArguments);
    expect(code).not.toBe(0);
    // Of a partial failure the engine shows the reasons, not the message.
    expect(output).toContain(content === "half" ? "* no answer within 5 s" : "* huge");
    const { resources } = await project.state();
    const first = resources.find(({ urn }) => nameOf(urn) === "first");
    expect(first?.id).toBe("/first");
    expect(first?.initErrors).toEqual([content === "half" ? "no answer within 5 s" : "huge"]);
    // The engine keeps the requested inputs here, although the error carries others.
    expect(first?.inputs).toMatchObject({ content });
    // The state of the second kind is larger than what most HTTP libraries accept in a header.
    if (content !== "half") expect(String(first?.outputs?.text).length).toBe(300_000);
    const steps = await project.preview();
    expect(steps.find(({ urn }) => nameOf(urn) === "first")?.op).toMatch(/update|replace/);
  },
);

test("an error for the user is shown as it is, a defect is named one", async () => {
  await project.config({ content: "refuse" });
  expect((await project.run(upArguments)).output).toContain("no space left in pool a");
  await project.config({ content: "defect" });
  expect((await project.run(upArguments)).output).toContain("internal error of the plugin, please report it");
});

test("an interrupted update ends the call under way", async () => {
  await project.config({ content: "hang" });
  const engine = project.start(upArguments);
  let output = "";
  engine.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ended = new Promise((resolve) => engine.once("close", resolve));
  await waitFor("the call under way", () => output.includes("first creating"));
  await waitFor("the plugin", async () => (await plugins()).length > 0);
  engine.kill("SIGINT");
  await ended;
  expect(output).toContain("cancelled by the user");
  await waitFor("end of the plugin", async () => (await plugins()).length === 0);
});

test("a killed engine takes its plugin with it", async () => {
  await project.config({ content: "hang" });
  const engine = project.start(upArguments);
  let output = "";
  engine.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await waitFor("the call under way", () => output.includes("first creating"));
  engine.kill("SIGKILL");
  await waitFor("end of the plugin", async () => (await plugins()).length === 0);
});
