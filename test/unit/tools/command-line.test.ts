import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "../../../tools/process/run.ts";

const folder = mkdtempSync(join(tmpdir(), "hyperlab-command-line-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The program behind `npm run`, without a terminal, on a state of its own. */
const cli = (...args: string[]) =>
  run(process.execPath, ["--disable-warning=ExperimentalWarning", "tools/main.ts", ...args], {
    env: { ...process.env, XDG_STATE_HOME: folder, HYPERLAB_STACK: "", PULUMI_BACKEND_URL: "" },
  });

const commands = ["up", "preview", "ssh", "down", "test", "test:e2e", "test:faults", "bench"];

describe("usage", () => {
  it.each(commands)("of %s is what a person types, without tabs and colours", async (name) => {
    const { code, stderr, stdout } = await cli(name, "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`^Usage: npm run ${name} -- \\[options\\]`));
    expect(stdout).not.toMatch(/\t|\p{Cc}\[/u);
  });

  it("lists every command, and says what exit codes mean", async () => {
    const { code, stdout } = await cli("--help");
    expect(code).toBe(0);
    for (const name of commands) expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
    expect(stdout).toContain("Exit codes: 0 done");
  });

  it("is shown where no command is given, which is wrong usage", async () => {
    const { code, stderr, stdout } = await cli();
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Usage: npm run COMMAND -- [options]");
  });
});

describe("hyperlab", () => {
  const hyperlab = (...args: string[]) => cli("hyperlab", ...args);
  const stackCommands = ["up", "preview", "ssh", "down"];

  it.each(stackCommands)("has %s, without the two hyphens that npm needs", async (name) => {
    const { code, stdout } = await hyperlab(name, "--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: hyperlab ${name} \\[options\\]`));
    expect(stdout).not.toContain("npm run");
  });

  it("lists its commands, and names the one that was meant", async () => {
    const { code, stdout } = await hyperlab("--help");
    expect(code).toBe(0);
    for (const name of stackCommands) expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
    const wrong = await hyperlab("previw");
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/Did you mean preview\?[\s\S]*hyperlab --help/);
  });
});

describe("wrong usage", () => {
  it.each([
    [["pu"], /unknown command 'pu'[\s\S]*Commands and options: node tools\/bootstrap.mjs --help/],
    [["previw"], /Did you mean preview\?/],
    [["down", "--nope"], /unknown option '--nope'[\s\S]*Usage: npm run down -- --help/],
    [["up", "now"], /too many arguments/],
  ])("%j ends with 2 and a hint", async (args, hint) => {
    const { code, stderr, stdout } = await cli(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(hint);
  });

  it("names a stack that is not there; the option stands behind the command, as npm passes it on", async () => {
    const { code, stderr } = await cli("up", "--stack", "nix");
    expect(code).toBe(1);
    expect(stderr).toContain("there is no stack nix");
  });

  it("says what to do where there is nothing to log in to yet", async () => {
    const { code, stderr } = await cli("ssh", "--", "sinfo");
    expect(code).toBe(1);
    expect(stderr).toBe("stack dev has no machines to log in to; bring them up first: npm run up\n");
  });
});
