import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "../../../tools/process/run.ts";

const folder = mkdtempSync(join(tmpdir(), "hyperlab-power-commands-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hyperlab = (...args: string[]) =>
  run(process.execPath, ["--disable-warning=ExperimentalWarning", "tools/main.ts", "hyperlab", ...args], {
    env: { ...process.env, XDG_STATE_HOME: folder, HYPERLAB_STACK: "", PULUMI_BACKEND_URL: "" },
  });

describe("start, stop and restart", () => {
  it.each(["start", "stop", "restart"])("%s says how it is used, and which names there are", async (name) => {
    const { code, stdout } = await hyperlab(name, "--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: hyperlab ${name} \\[options\\] MACHINE\\.\\.\\.`));
    expect(stdout).toContain("compute for all compute nodes");
    expect(stdout).not.toMatch(/\t|\p{Cc}\[/u);
  });

  it.each([
    [["stop"], /missing required argument 'machine'/],
    [["stop", "compute-1", "--reason", "fan"], /--reason goes with --temporary only/],
    [["start", "compute-1", "--temporary"], /unknown option '--temporary'/],
  ])("%j is wrong usage", async (args, hint) => {
    const { code, stderr, stdout } = await hyperlab(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(hint);
  });

  it("name a machine that is not there before anything is prepared", async () => {
    for (const args of [["stop"], ["stop", "--temporary"], ["start"], ["restart"]]) {
      const { code, stderr } = await hyperlab(...args, "computte");
      expect(code).toBe(1);
      expect(stderr).toContain(
        "cluster dev has no machine or group computte (did you mean compute?); it has: ",
      );
    }
  });
});
