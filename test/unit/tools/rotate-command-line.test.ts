import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "../../../tools/process/run.ts";

const folder = mkdtempSync(join(tmpdir(), "hyperlab-rotate-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The command in a process of its own, without a terminal, on a state of its own. */
const rotate = (...args: string[]) =>
  run(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "tools/main.ts", "hyperlab", "rotate", ...args],
    { env: { ...process.env, XDG_STATE_HOME: folder, HYPERLAB_STACK: "", PULUMI_BACKEND_URL: "" } },
  );

describe("hyperlab rotate", () => {
  it("says which keys there are, what happens, and where users' own keys are changed", async () => {
    const { code, stdout } = await rotate("--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Usage: hyperlab rotate \[options\] KEY/);
    for (const key of ["slurm-key", "db-password", "ssh-host-keys", "user-keys"])
      expect(stdout).toMatch(new RegExp(`^  ${key} `, "m"));
    expect(stdout).toMatch(/own\s+public keys stand in the cluster file/);
    expect(stdout).not.toContain("npm run");
  });

  it("wants a key that it knows", async () => {
    for (const words of [[], ["all"]]) {
      const { code, stderr } = await rotate(...words);
      expect(code).toBe(2);
      expect(stderr).toMatch(/key/);
    }
  });
});
