import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Archive, Asset, Unknown } from "../../../providers/plugin/index.ts";
import { type PluginUnderTest, urnOf, wireError } from "../../support/plugin-client.ts";
import { waitFor } from "../../support/wait.ts";
import { Driver, secret, startCommandPlugin, tokens } from "./commands.ts";

let plugin: PluginUnderTest;
let local: Driver;
let folder: string;

beforeAll(async () => {
  plugin = await startCommandPlugin();
  local = new Driver(plugin, tokens.local);
});
afterAll(() => plugin.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "command-"));
  plugin.engine.lines.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string) => join(folder, name);
const read = (name: string) => readFileSync(file(name), "utf8");
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
};

describe("running", () => {
  test("captures both streams without their last line end, and makes an id of the name", async () => {
    const created = await local.create({ create: "printf 'a\\n\\n'; echo err >&2" }, { name: "echo" });
    expect(created.state).toMatchObject({ stdout: "a\n", stderr: "err", addPreviousOutputInEnv: true });
    expect(created.id).toMatch(/^echo[0-9a-f]{8}$/);
  });

  test("without a create command nothing runs and the outputs are empty", async () => {
    expect((await local.create({ delete: "true" })).state).toMatchObject({ stdout: "", stderr: "" });
  });

  test("interpreter, dir, environment and stdin", async () => {
    const created = await local
      .create({
        interpreter: ["/bin/sh", "-e", "-c"],
        create: 'false; echo "not reached"',
        dir: folder,
      })
      .then(
        () => "created",
        () => "failed",
      );
    expect(created).toBe("failed");
    const other = await local.create({
      interpreter: ["/usr/bin/env", "cat"],
      create: "-",
      stdin: "from stdin ✓\n",
    });
    expect(other.state.stdout).toBe("from stdin ✓");
    const third = await local.create({ create: 'pwd; echo "$A"', dir: folder, environment: { A: "b c" } });
    expect(third.state.stdout).toBe(`${folder}\nb c`);
  });

  test("a command that does not read its input, or gets none, ends", async () => {
    const big = "x".repeat(1_000_000);
    expect((await local.create({ create: "echo done", stdin: big })).state.stdout).toBe("done");
    expect((await local.create({ create: "cat; echo done" })).state.stdout).toBe("done");
  });

  test("a directory that does not exist is named", async () => {
    const error = await wireError(local.create({ create: "true", dir: file("missing") }));
    expect(error.message).toMatch(/cannot run in dir .*missing.*ENOENT.*create the directory/);
  });

  test("an interpreter that does not exist is named", async () => {
    const error = await wireError(local.create({ create: "x", interpreter: ["/no/such/program"] }));
    expect(error.message).toMatch(/cannot start \/no\/such\/program.*ENOENT/);
  });

  test("a failed command says how it ended, which it was, and what it wrote", async () => {
    const error = await wireError(local.create({ create: "echo out; echo why >&2; exit 3" }));
    expect(error.message).toBe('exit status 3: running "echo out; echo why >&2; exit 3":\nout\nwhy');
    expect(error.partial).toBeUndefined();
    const killed = await wireError(local.create({ create: "kill -9 $$" }));
    expect(killed.message).toBe('signal: SIGKILL: running "kill -9 $$"');
  });

  test("of a long output the error quotes the end", async () => {
    const error = await wireError(local.create({ create: "seq 1 20000; echo the reason; exit 1" }));
    expect(error.message).toContain("[earlier output left out]");
    expect(error.message.endsWith("the reason")).toBe(true);
    expect(error.message.length).toBeLessThan(20_000);
  });

  test("output is decoded as a whole, not by the piece", async () => {
    const created = await local.create({
      create: "i=0; while [ $i -lt 20000 ]; do printf 'ä€😀'; i=$((i+1)); done",
    });
    expect(created.state.stdout === "ä€😀".repeat(20_000)).toBe(true);
  });
});

describe("logging", () => {
  test.each([
    [undefined, ["err", "out"]],
    ["stdoutAndStderr", ["err", "out"]],
    ["stdout", ["out"]],
    ["stderr", ["err"]],
    ["none", []],
  ])("%s", async (logging, expected) => {
    const created = await local.create({ create: "echo out; echo err >&2", logging });
    expect(plugin.engine.lines.map((line) => line.message).sort()).toEqual(expected);
    expect(plugin.engine.lines.every((line) => line.ephemeral && line.urn === created.urn)).toBe(true);
    expect(created.state).toMatchObject({ stdout: "out", stderr: "err" });
  });

  test("lines are shown while the command runs", async () => {
    const running = local.create({ create: `echo first; while [ ! -e ${file("go")} ]; do sleep 0.05; done` });
    await plugin.engine.waitForLine("first");
    writeFileSync(file("go"), "");
    await running;
  });
});

describe("life cycle", () => {
  test("update runs `update` with the last output; delete runs with the output of the update", async () => {
    const log = file("log");
    const inputs = {
      create: `echo created | tee -a ${log}`,
      update: `echo "updated after $PULUMI_COMMAND_STDOUT" | tee -a ${log}; echo warn >&2`,
      delete: `echo "deleted after $PULUMI_COMMAND_STDOUT/$PULUMI_COMMAND_STDERR" >> ${log}`,
    };
    const created = await local.create(inputs);
    const updated = await local.update(created, { ...inputs, environment: { A: "1" } });
    expect(updated.state).toMatchObject({ stdout: "updated after created", stderr: "warn" });
    await local.delete(updated);
    expect(read("log")).toBe("created\nupdated after created\ndeleted after updated after created/warn\n");
  });

  test("without `update` an update runs `create`; without any the outputs stay", async () => {
    const created = await local.create({ create: "echo one" });
    const updated = await local.update(created, { create: "echo two" });
    expect(updated.state.stdout).toBe("two");
    expect((await local.update(updated, { delete: "true" })).state).toMatchObject({
      stdout: "two",
      delete: "true",
    });
  });

  test("the last output stays out of the environment when that is wanted, and when it is too long", async () => {
    const show = 'echo "[$PULUMI_COMMAND_STDOUT]"';
    const created = await local.create({ create: "echo one", addPreviousOutputInEnv: false });
    const off = await local.update(created, { create: show, addPreviousOutputInEnv: false });
    expect(off.state.stdout).toBe("[]");
    const long = await local.create({ create: "head -c 200000 /dev/zero | tr '\\0' x" });
    expect((await local.update(long, { create: show })).state.stdout).toBe("[]");
    expect(plugin.engine.text()).toMatch(/PULUMI_COMMAND_STDOUT is left out: .* 200022 bytes/);
  });

  test("a preview executes nothing and accepts unknown values", async () => {
    const touch = `touch ${file("touched")}`;
    const preview = await local.create(
      { create: touch, environment: { A: new Unknown() }, stdin: new Unknown() },
      { preview: true },
    );
    expect(preview.id).toBe("");
    expect(preview.state).toMatchObject({ create: touch, stdout: new Unknown(), stderr: new Unknown() });
    const created = await local.create({ create: "echo one" });
    const updated = await local.update(created, { create: touch }, { preview: true });
    expect(updated.state).toMatchObject({ create: touch, stdout: new Unknown() });
    expect(existsSync(file("touched"))).toBe(false);
  });

  test("changed inputs are updates; a changed trigger replaces unless there is an `update` command", async () => {
    const plain = await local.create({ create: "true", triggers: ["a", { b: 1 }] });
    expect(await local.diff(plain, { create: "true", triggers: ["a", { b: 1 }] })).toMatchObject({
      changes: "none",
    });
    expect(await local.diff(plain, { create: "echo", triggers: ["a", { b: 1 }] })).toMatchObject({
      detailed: { create: "update" },
      replaces: [],
    });
    expect(await local.diff(plain, { create: "true", triggers: ["a", { b: 2 }] })).toMatchObject({
      detailed: { "triggers[1].b": "updateReplace" },
      replaces: ["triggers[1].b"],
    });
    expect((await local.diff(plain, { create: "true" })).detailed).toEqual({ triggers: "deleteReplace" });
    const withUpdate = await local.create({ create: "true", update: "true", triggers: ["a"] });
    expect(await local.diff(withUpdate, { create: "true", update: "true", triggers: ["b"] })).toMatchObject({
      changes: "some",
      detailed: { triggers: "update" },
      replaces: [],
    });
  });

  test("the recorded state is what a refresh gives", async () => {
    const created = await local.create({ create: "echo one" });
    const again = await plugin.client.read(created.urn, created.id, created.state, created.inputs);
    expect(again).toMatchObject({ id: created.id, outputs: created.state, inputs: created.inputs });
    const error = await wireError(plugin.client.read(created.urn, "some-id"));
    expect(error.message).toContain("cannot be imported");
  });
});

describe("files", () => {
  test("assetPaths and archivePaths return what the globs match", async () => {
    mkdirSync(file("src/deep"), { recursive: true });
    for (const name of ["src/index.js", "src/secret.js", "src/deep/a.js", "note.txt"]) {
      writeFileSync(file(name), name);
    }
    const created = await local.create({
      create: "echo made > made.txt",
      dir: folder,
      assetPaths: ["*.txt"],
      archivePaths: ["src/**.js", "!**secret.*"],
    });
    const { assets, archive } = created.state;
    expect(Object.keys(assets ?? {})).toEqual(["made.txt", "note.txt"]);
    const made = assets !== null && typeof assets === "object" && "made.txt" in assets && assets["made.txt"];
    if (!(made instanceof Asset)) throw new Error("made.txt is not an asset");
    expect(made.content).toEqual({ from: "path", path: file("made.txt") });
    expect(made.hash).toBe(createHash("sha256").update("made\n").digest("hex"));
    if (!(archive instanceof Archive) || archive.content?.from !== "assets") throw new Error("no archive");
    expect(Object.keys(archive.content.assets)).toEqual(["src/deep/a.js", "src/index.js"]);
  });
});

describe("secrets", () => {
  test("are masked in log lines and errors, and a secret command is in no process list", async () => {
    const command = `echo "token is $TOKEN hunter2-in-command"; cat /proc/$$/cmdline | tr '\\0' ' '; exit 1`;
    const error = await wireError(
      local.create({ create: secret(command), environment: { TOKEN: secret("hunter2-in-env") } }),
    );
    expect(error.message).toMatch(/^exit status 1: running \[secret\]:\ntoken is \[secret\]/);
    const shown = error.message + plugin.engine.lines.map((line) => line.message).join("\n");
    expect(shown).not.toContain("hunter2-in-env");
    expect(shown).toMatch(/\/bin\/sh -c eval/);
    const succeeded = await local.create({ create: secret("printf '%s\\n' one; x=2\necho $x $0") });
    expect(succeeded.state.stdout).toBe("one\n2 /bin/sh");
    expect(succeeded.state.create).toEqual(secret("printf '%s\\n' one; x=2\necho $x $0"));
  });
});

describe("ends", () => {
  test("cancelling ends the whole process group", async () => {
    const other = await startCommandPlugin();
    try {
      const driver = new Driver(other, tokens.local);
      const command = `trap '' TERM; sleep 1000 & echo $! > ${file("pid")}; echo started; wait; sleep 1000`;
      const running = wireError(driver.create({ create: command }));
      await other.engine.waitForLine("started");
      await other.client.cancel();
      expect(await running).toMatchObject({ code: status.CANCELLED, message: "cancelled by the user" });
      const pid = Number(read("pid"));
      await waitFor("end of the child", () => !isAlive(pid));
    } finally {
      await other.stop();
    }
  });

  test("a time limit ends the command", async () => {
    const error = await wireError(local.create({ create: "sleep 1000" }, { timeoutSeconds: 0.3 }));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
  });

  test("a process in the background that keeps the output open does not hold the command", async () => {
    const created = await local.create({ create: `sleep 1000 & echo $! > ${file("pid")}; echo done` });
    const pid = Number(read("pid"));
    try {
      expect(created.state.stdout).toBe("done");
      expect(isAlive(pid)).toBe(true);
      expect(plugin.engine.text()).toContain("keeps its output open");
    } finally {
      process.kill(pid, "SIGKILL");
    }
  });
});

describe("checks", () => {
  test("every wrong input is named", async () => {
    const { failures } = await plugin.client.check(
      urnOf(tokens.local, "cmd"),
      {},
      {
        creat: "x",
        create: 1,
        environment: { A: 1 },
        interpreter: "sh",
        logging: "all",
        addPreviousOutputInEnv: "no",
      },
    );
    expect(failures).toEqual([
      { property: "creat", reason: expect.stringContaining("there is no such property; the properties are") },
      { property: "create", reason: "must be a string" },
      { property: "logging", reason: "must be one of stdout, stderr, stdoutAndStderr, none" },
      { property: "interpreter", reason: "must be a list of strings" },
      { property: "environment", reason: "must be a map of strings" },
      { property: "addPreviousOutputInEnv", reason: "must be true or false" },
    ]);
  });
});

describe("local.run", () => {
  test("runs at each call and returns outputs and arguments", async () => {
    const { outputs } = await plugin.client.invoke(
      "command:local:run",
      { command: "cat", stdin: "hi\n" },
      { preview: true },
    );
    expect(outputs).toMatchObject({ command: "cat", stdout: "hi", stderr: "" });
    const failed = await plugin.client.invoke("command:local:run", {});
    expect(failed.failures).toEqual([{ property: "command", reason: "is required" }]);
  });
});
