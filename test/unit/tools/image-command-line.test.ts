import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { run } from "../../../tools/process/run.ts";

const folder = mkdtempSync(join(tmpdir(), "hyperlab-image-line-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const image = (...args: string[]) =>
  run(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "tools/main.ts", "hyperlab", "image", ...args],
    {
      env: {
        ...process.env,
        XDG_STATE_HOME: folder,
        XDG_CACHE_HOME: folder,
        HYPERLAB_STACK: "",
        PULUMI_BACKEND_URL: "",
      },
    },
  );

it.each(["list", "update", "prune"])("hyperlab image %s explains itself", async (name) => {
  const { code, stderr, stdout } = await image(name, "--help");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain(`Usage: hyperlab image ${name} [options]`);
});

it("an empty cache is shown as such, and --json is data alone", async () => {
  expect((await image("list")).stdout).toContain("No image was built on this machine yet.");
  expect(JSON.parse((await image("list", "--json")).stdout)).toEqual([]);
});

it("wishes that exclude each other are refused", async () => {
  const both = await image("update", "--newest", "--snapshot", "2026-11-01");
  expect(both.code).toBe(1);
  expect(both.stderr).toContain("exclude each other");
  expect((await image("update", "--json")).stderr).toContain("--json needs --dry-run");
});
