import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FakeEngine } from "../../support/fake-engine.ts";
import { PluginClient, spawnPlugin, urnOf, wireError } from "../../support/plugin-client.ts";
import { waitFor } from "../../support/wait.ts";
import { tinyType } from "./tiny.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../../..");
const launcher = join(root, "providers/command/pulumi-resource-command");

let folder: string;
let program: string;
let bundledFiles: string[];

/** A checkout in miniature: the launcher, the bundle where the build puts it, and a Node beside. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plugin-process-"));
  program = join(folder, "providers/tiny/pulumi-resource-tiny");
  await mkdir(join(folder, "providers/tiny"), { recursive: true });
  await mkdir(join(folder, "node_modules/.bin"), { recursive: true });
  await copyFile(launcher, program);
  await chmod(program, 0o755);
  await symlink(process.execPath, join(folder, "node_modules/.bin/node"));
  const result = await build({
    entryPoints: [join(root, "test/provider/plugin/tiny-main.ts")],
    outfile: join(folder, "dist/providers/tiny/plugin.cjs"),
    bundle: true,
    platform: "node",
    format: "cjs",
    metafile: true,
    logLevel: "silent",
  });
  bundledFiles = Object.keys(result.metafile.inputs);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let engine: FakeEngine;
const children: ChildProcess[] = [];
beforeEach(async () => {
  engine = await FakeEngine.start();
});
afterEach(() => {
  engine.stop();
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function start(args = [engine.address]) {
  const started = await spawnPlugin(program, args);
  children.push(started.process);
  return { ...started, client: new PluginClient(started.port) };
}

const isAlive = (child: ChildProcess) => child.exitCode === null && child.signalCode === null;

describe("the process of a plugin", () => {
  test("serves behind the launcher and logs to the engine of its argument", async () => {
    const { client } = await start(["-v=9", engine.address]);
    await client.create(urnOf(tinyType, "a"), { path: "/a", content: "x" });
    expect(engine.text()).toContain("line 3");
    client.close();
  });

  test("attaches to an engine that it was not started by", async () => {
    const { client } = await start(["--attach"]);
    await client.attach(engine.address);
    await client.create(urnOf(tinyType, "a"), { path: "/a", content: "x" });
    expect(engine.text()).toContain("line 3");
    client.close();
  });

  test.each([
    ["its standard input ends", (child: ChildProcess) => child.stdin?.end()],
    ["it is interrupted", (child: ChildProcess) => child.kill("SIGINT")],
    ["it is terminated", (child: ChildProcess) => child.kill("SIGTERM")],
    ["the engine does not answer any more", () => engine.stop()],
  ])("ends when %s, and the call under way is told", async (_, end) => {
    const { client, process: child } = await start();
    const hanging = wireError(client.create(urnOf(tinyType, "a"), { path: "/a", content: "hang" }));
    await engine.waitForLine("waiting");
    end(child);
    await waitFor("end of the plugin", () => !isAlive(child));
    expect(child.exitCode).toBe(0);
    expect((await hanging).message).toMatch(/gone|interrupted|terminated/);
    client.close();
  });

  test("ends when its parent is killed, even if somebody else holds its standard input", async () => {
    // The shell gives its own standard input on, as a wrapper would: only the parent's end can be noticed.
    const shell = spawn("/bin/sh", ["-c", `"${program}" ${engine.address} & echo $! >&2; wait`], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    children.push(shell);
    let pid = 0;
    shell.stderr.on("data", (chunk: Buffer) => {
      pid = Number.parseInt(chunk.toString(), 10);
    });
    await new Promise((done) => shell.stdout.once("data", done));
    shell.kill("SIGKILL");
    const gone = () => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    };
    await waitFor("end of the orphan", gone);
  });
});

describe("by hand", () => {
  test("tells version and usage", async () => {
    expect((await run(program, ["--version"])).stdout).toBe("1.2.3\n");
    expect((await run(program, ["--help"])).stdout).toContain("is a plugin of Pulumi");
    const byHand = run(program, []);
    await expect(byHand).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("path: ./providers"),
    });
  });

  test("the launcher works through a link, and says what to do when nothing is built", async () => {
    const link = join(folder, "link");
    await symlink(program, link);
    expect((await run(link, ["--version"])).stdout).toBe("1.2.3\n");
    const bare = join(folder, "bare/providers/tiny");
    await mkdir(bare, { recursive: true });
    await copyFile(launcher, join(bare, "pulumi-resource-tiny"));
    await expect(run(join(bare, "pulumi-resource-tiny"), [])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/plugin tiny is not built.*Run 'npm run build'/),
    });
  });

  test("the launcher refuses an old Node on PATH with the remedy", async () => {
    const old = join(folder, "old");
    const home = join(old, "providers/tiny");
    await mkdir(join(old, "dist/providers/tiny"), { recursive: true });
    await mkdir(home, { recursive: true });
    await mkdir(join(old, "bin"));
    await writeFile(join(old, "dist/providers/tiny/plugin.cjs"), "");
    await writeFile(join(old, "bin/node"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    await copyFile(launcher, join(home, "pulumi-resource-tiny"));
    const start = run(join(home, "pulumi-resource-tiny"), [], {
      env: { PATH: `${join(old, "bin")}:/usr/bin:/bin` },
    });
    await expect(start).rejects.toMatchObject({
      stderr: expect.stringMatching(/needs Node 22 or newer.*npm ci/),
    });
  });
});

test("the bundle holds the protocol and nothing of the SDK's runtime or compiler", () => {
  const packages = new Set(
    bundledFiles.map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]).filter((name) => name),
  );
  expect(packages.has("typescript")).toBe(false);
  const pulumi = bundledFiles.filter((file) => file.includes("@pulumi/pulumi/"));
  expect(pulumi.every((file) => file.includes("@pulumi/pulumi/proto/"))).toBe(true);
});
