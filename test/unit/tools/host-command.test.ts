import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "../../../tools/process/run.ts";

const folder = mkdtempSync(join(tmpdir(), "hyperlab-host-command-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `hyperlab host …` without a terminal, on a state of its own. */
const host = (...args: string[]) =>
  run(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "tools/main.ts", "hyperlab", "host", ...args],
    {
      env: { ...process.env, XDG_STATE_HOME: folder, HYPERLAB_STACK: "", PULUMI_BACKEND_URL: "" },
    },
  );
const commands = ["check", "prepare", "evacuate", "return"];

describe("hyperlab host", () => {
  it("lists its commands", async () => {
    const { code, stdout } = await host("--help");
    expect(code).toBe(0);
    for (const name of commands) expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
  });

  it.each(commands)("%s says how it is called, without tabs and colours", async (name) => {
    const { code, stderr, stdout } = await host(name, "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`^Usage: hyperlab host ${name} \\[options\\]`));
    expect(stdout).not.toMatch(/\t|\p{Cc}\[/u);
  });

  it("check says what its exit code means", async () => {
    expect((await host("check", "--help")).stdout).toMatch(
      /Ends with 0 where no check found an error, with 1/,
    );
  });

  it.each([
    [["chek"], /Did you mean check\?/],
    [["check", "--apply"], /unknown option '--apply'[\s\S]*Usage: hyperlab host check --help/],
    [["evacuate", "node"], /too many arguments/],
  ])("%j is wrong usage", async (args, hint) => {
    const { code, stderr, stdout } = await host(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(hint);
  });

  it.each(["evacuate", "return"])("%s says that there are no machines yet", async (name) => {
    const { code, stderr } = await host(name);
    expect(code).toBe(1);
    expect(stderr).toBe("stack dev has no machines on any host; bring them up first: hyperlab up\n");
  });
});
