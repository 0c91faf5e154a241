/** The commands `hyperlab host …` as a person calls them, on a state that says what is on libvirt's test driver. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { PropertyMap } from "../../../providers/plugin/index.ts";
import { createContext } from "../../../tools/commands/context.ts";
import { evacuateHost } from "../../../tools/commands/host-evacuate.ts";
import { run } from "../../../tools/process/run.ts";
import { Reporter } from "../../../tools/report/progress.ts";
import { lockState } from "../../../tools/state/lock.ts";
import { Machine, owner, Stack, urnOf } from "../domain/harness.ts";
import { node, TestDriver } from "../domain/test-driver.ts";

const host = new TestDriver();
const folder = mkdtempSync(join(tmpdir(), "hyperlab-host-commands-"));
afterEach(() => rmSync(join(folder, "hyperlab"), { recursive: true, force: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hyperlab = (...args: string[]) =>
  run(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", "tools/main.ts", "hyperlab", "host", ...args],
    {
      env: { ...process.env, XDG_STATE_HOME: folder, HYPERLAB_STACK: "", PULUMI_BACKEND_URL: "", CI: "true" },
    },
  );

/** Guests without an agent: nobody has to be asked. */
const inputsOf = (name: string, number: number): PropertyMap =>
  node({
    name,
    autostart: true,
    deriveSshHostKey: false,
    interfaces: [{ network: "default", mac: `52:54:00:00:00:${number}`, address: `192.168.122.${number}` }],
    quiesce: { hook: "never" },
    ready: { wait: "none" },
  });

async function makeLab(): Promise<void> {
  const provider = "urn:pulumi:dev::lab::pulumi:providers:libvirt::host";
  const machines = ["controller", "node-1"].map((name, index) => ({
    name,
    inputs: inputsOf(name, 10 + index),
  }));
  const resources: object[] = [
    {
      urn: provider,
      id: "1",
      type: "pulumi:providers:libvirt",
      inputs: { uri: host.client.uri, owner },
    },
  ];
  for (const { inputs, name } of machines) {
    const made = await new Machine(host.stack, name).create(inputs);
    resources.push({
      urn: urnOf(name),
      id: name,
      type: "libvirt:index:Domain",
      provider: `${provider}::1`,
      dependencies: name === "controller" ? [] : [urnOf("controller")],
      inputs,
      outputs: made.state,
    });
  }
  const stacks = join(folder, "hyperlab", "backend", ".pulumi", "stacks", "hyperlab");
  mkdirSync(stacks, { recursive: true });
  writeFileSync(
    join(stacks, "dev.json"),
    JSON.stringify({ version: 3, checkpoint: { latest: { resources } } }),
  );
}

const power = async () => [await host.power("controller"), await host.power("node-1")];
const report = z.object({
  host: z.string(),
  findings: z.array(
    z.object({
      id: z.string(),
      state: z.enum(["passed", "warning", "error", "unknown"]),
      what: z.string(),
      why: z.string(),
      remedy: z.string(),
    }),
  ),
});

describe("hyperlab host", () => {
  it("evacuates and returns, machine by machine, and says what there is to do between the two", async () => {
    await makeLab();
    await new Machine(new Stack(host.client, { owner: "another" }), "foreign").create({
      ...inputsOf("foreign", 30),
      interfaces: [],
    });
    const evacuated = await hyperlab("evacuate", "--reason", "new memory");
    expect({ code: evacuated.code, stderr: evacuated.stderr }).toEqual({ code: 0, stderr: "" });
    expect(evacuated.stdout).toMatch(
      /foreign runs on the host and is not touched \(another stack\)[\s\S]*✓ node-1: stopped[\s\S]*✓ controller: stopped[\s\S]*until: hyperlab host return/,
    );
    expect(await power()).toEqual(["shutoff", "shutoff"]);
    expect(await host.power("foreign")).toBe("running");

    const checked = await hyperlab("check", "--json");
    const { findings } = report.parse(JSON.parse(checked.stdout));
    expect(findings.find(({ id }) => id === "autostart")).toMatchObject({
      state: "warning",
      remedy: expect.stringContaining("hyperlab host return"),
    });

    const again = await hyperlab("evacuate");
    expect(again.stdout).toContain("No machine of this stack runs on the host.");
    const returned = await hyperlab("return");
    expect({ code: returned.code, stderr: returned.stderr }).toEqual({ code: 0, stderr: "" });
    expect(returned.stdout).toMatch(/✓ controller: returned[\s\S]*✓ node-1: returned/);
    expect(await power()).toEqual(["running", "running"]);
    expect((await hyperlab("return")).stdout).toContain("No machine of this stack waits to return.");
  });

  it("checks: a row for each check, the exit code by the worst, JSON alone on standard output", async () => {
    await makeLab();
    const json = await hyperlab("check", "--json");
    const { findings, host: uri } = report.parse(JSON.parse(json.stdout));
    expect(uri).toBe(host.client.uri);
    expect(json.code).toBe(findings.some(({ state }) => state === "error") ? 1 : 0);
    const table = await hyperlab("check");
    expect(table.code).toBe(json.code);
    for (const { id, state } of findings) expect(table.stdout).toMatch(new RegExp(`^${state} +${id} `, "m"));
    expect(table.stdout).not.toMatch(/\p{Cc}\[/u);
  });

  it("prepares by showing only, unless it is told to write", async () => {
    await makeLab();
    const shown = await hyperlab("prepare");
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/unknown: |Nothing to do|^\+\+\+ /m);
  });

  it("refuses to work on a stack that somebody else works on", async () => {
    await makeLab();
    const locks = join(folder, "hyperlab", "backend", ".pulumi", "locks", "organization", "hyperlab", "dev");
    mkdirSync(locks, { recursive: true });
    const lock = { pid: 1, username: "eve", hostname: "elsewhere", timestamp: "2026-01-01T00:00:00Z" };
    writeFileSync(join(locks, "a.json"), JSON.stringify(lock));
    const refused = await hyperlab("evacuate");
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("process 1 of eve on host elsewhere");
    expect(await power()).toEqual(["running", "running"]);
  });

  it("holds the stack from its question to its end, so that no change begins meanwhile", async () => {
    await makeLab();
    const env = { ...process.env, XDG_STATE_HOME: folder, PULUMI_BACKEND_URL: "" };
    const report = new Reporter({ write: () => undefined, isTerminal: false, columns: 200 }, false);
    const context = { ...createContext("dev", env), report, interactive: true };
    const options = { host: undefined, yes: false, reason: "new memory" };
    const code = await evacuateHost(context, options, async () => {
      expect(lockState(context.layout)).toMatchObject({ kind: "held", lock: { pid: process.pid } });
      const refused = await hyperlab("return");
      expect({ code: refused.code, stderr: refused.stderr }).toEqual({
        code: 3,
        stderr: expect.stringContaining(`stack dev is in use by process ${process.pid}`),
      });
      return "y";
    });
    expect({ code, power: await power() }).toEqual({ code: 0, power: ["shutoff", "shutoff"] });
    expect(lockState(context.layout)).toEqual({ kind: "none" });
  });

  it("says that there is nothing where nothing was brought up", async () => {
    const nothing = await hyperlab("evacuate");
    expect(nothing.code).toBe(1);
    expect(nothing.stderr).toContain("stack dev has no machines on any host");
  });
});
