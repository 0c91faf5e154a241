import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type PropertyMap, Unknown } from "../../../providers/plugin/index.ts";
import { type PluginUnderTest, urnOf, wireError } from "../../support/plugin-client.ts";
import { Sshd } from "../../support/sshd.ts";
import { waitFor } from "../../support/wait.ts";
import { Driver, secret, startCommandPlugin, tokens } from "./commands.ts";

let sshd: Sshd;
let plugin: PluginUnderTest;
let remote: Driver;
let folder: string;

beforeAll(async () => {
  sshd = await Sshd.start();
  plugin = await startCommandPlugin();
  remote = new Driver(plugin, tokens.remote);
});
afterAll(async () => {
  await plugin.stop();
  await sshd.stop();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "command-"));
  plugin.engine.lines.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string) => join(folder, name);
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
};
const withConnection = (inputs: PropertyMap): PropertyMap => ({ connection: sshd.connection({}), ...inputs });

describe("running", () => {
  test("captures both streams, passes stdin, and makes an id of the name", async () => {
    const created = await remote.create(
      withConnection({ create: "cat; echo err >&2", stdin: "from stdin ✓\n" }),
      { name: "echo" },
    );
    expect(created.state).toMatchObject({ stdout: "from stdin ✓", stderr: "err" });
    expect(created.id).toMatch(/^echo[0-9a-f]{8}$/);
  });

  test("a command that does not read its input, or gets none, ends", async () => {
    const big = "x".repeat(3_000_000);
    expect((await remote.create(withConnection({ create: "echo done", stdin: big }))).state.stdout).toBe(
      "done",
    );
    expect((await remote.create(withConnection({ create: "cat; echo done" }))).state.stdout).toBe("done");
  });

  test("large input and output pass unharmed", async () => {
    const big = "0123456789ä".repeat(200_000);
    const created = await remote.create(withConnection({ create: "cat", stdin: big, logging: "none" }));
    expect(created.state.stdout === big).toBe(true);
  });

  test.each([
    [undefined, ["err", "out"]],
    ["stdout", ["out"]],
    ["stderr", ["err"]],
    ["none", []],
  ])("logging %s", async (logging, expected) => {
    const created = await remote.create(withConnection({ create: "echo out; echo err >&2", logging }));
    expect(plugin.engine.lines.map((line) => line.message).sort()).toEqual(expected);
    expect(plugin.engine.lines.every((line) => line.ephemeral && line.urn === created.urn)).toBe(true);
  });

  test("a failed command says how it ended, which it was, and what it wrote; it is not tried again", async () => {
    const command = `echo x >> ${file("runs")}; echo why >&2; exit 3`;
    const connection = sshd.connection({ dialErrorLimit: 5 });
    const error = await wireError(remote.create({ connection, create: command }));
    expect(error.message).toBe(`exit status 3: running ${JSON.stringify(command)}:\nwhy`);
    expect(readFileSync(file("runs"), "utf8")).toBe("x\n");
    const killed = await wireError(remote.create(withConnection({ create: "kill -9 $$" })));
    expect(killed.message).toBe('signal: SIGKILL: running "kill -9 $$"');
  });

  test("a process in the background that keeps the output open does not hold the command", async () => {
    const created = await remote.create(
      withConnection({ create: `sleep 1000 & echo $! > ${file("pid")}; echo done` }),
    );
    expect(created.state.stdout).toBe("done");
    process.kill(Number(readFileSync(file("pid"), "utf8")), "SIGKILL");
  });
});

describe("environment", () => {
  test("variables that the server accepts reach the command", async () => {
    const created = await remote.create(
      withConnection({ create: 'echo "$TEST_A|$TEST_B"', environment: { TEST_A: "a b", TEST_B: "ü" } }),
    );
    expect(created.state.stdout).toBe("a b|ü");
  });

  test("a variable that the server refuses is an error before the command runs", async () => {
    const create = `touch ${file("ran")}`;
    const error = await wireError(
      remote.create(withConnection({ create, environment: { TEST_A: "1", OTHER: "2" } })),
    );
    expect(error.message).toMatch(/does not accept the environment variable OTHER: .*AcceptEnv/);
    expect(() => readFileSync(file("ran"))).toThrow("ENOENT");
  });

  test("the last output is passed on; where the server refuses it, a warning says so and the command runs", async () => {
    const show = 'echo "[$PULUMI_COMMAND_STDOUT]"';
    const created = await remote.create(withConnection({ create: "echo one" }));
    expect((await remote.update(created, withConnection({ create: show }))).state.stdout).toBe("[one]");
    const strict = await Sshd.start({ acceptEnv: "NOTHING" });
    try {
      const connection = strict.connection({});
      const other = await remote.create({ connection, create: "echo one" });
      expect((await remote.update(other, { connection, create: show })).state.stdout).toBe("[]");
      expect(plugin.engine.text()).toMatch(/does not accept .* PULUMI_COMMAND_STDOUT.*runs without it/);
    } finally {
      await strict.stop();
    }
  });
});

describe("life cycle", () => {
  test("create, update and delete use their commands and the recorded connection", async () => {
    const log = file("log");
    const inputs = withConnection({
      create: `echo created | tee -a ${log}`,
      update: `echo updated after $PULUMI_COMMAND_STDOUT | tee -a ${log}`,
      delete: `echo deleted after $PULUMI_COMMAND_STDOUT >> ${log}`,
    });
    const created = await remote.create(inputs);
    const updated = await remote.update(created, { ...inputs, stdin: "x" });
    await remote.delete(updated);
    expect(readFileSync(log, "utf8")).toBe(
      "created\nupdated after created\ndeleted after updated after created\n",
    );
  });

  test("a preview connects nowhere and accepts unknown values", async () => {
    const connection = { host: new Unknown(), privateKey: secret("not a key") };
    const preview = await remote.create({ connection, create: "true" }, { preview: true });
    expect(preview).toMatchObject({ id: "", state: { stdout: new Unknown(), stderr: new Unknown() } });
    await remote.create({ connection: new Unknown(), create: "true" }, { preview: true });
  });

  test("the connection gets its defaults and is secret", async () => {
    const { inputs } = await plugin.client.check(
      urnOf(tokens.remote, "cmd"),
      {},
      {
        connection: { host: "a", proxy: { host: "b" } },
      },
    );
    const defaults = { port: 22, user: "root", dialErrorLimit: 10, perDialTimeout: 15 };
    expect(inputs).toEqual({
      addPreviousOutputInEnv: true,
      connection: expect.objectContaining({
        kind: "secret",
        value: { host: "a", ...defaults, proxy: { host: "b", ...defaults } },
      }),
    });
    const { failures } = await plugin.client.check(
      urnOf(tokens.remote, "cmd"),
      {},
      {
        connection: { port: "22", proxy: { privatKey: "x" } },
      },
    );
    expect(failures).toEqual([
      { property: "connection.host", reason: "is required" },
      { property: "connection.port", reason: "must be a whole number" },
      { property: "connection.proxy.privatKey", reason: expect.stringContaining("no such property") },
      { property: "connection.proxy.host", reason: "is required" },
    ]);
  });
});

describe("ends", () => {
  test("cancelling ends the remote process group", async () => {
    const other = await startCommandPlugin();
    try {
      const driver = new Driver(other, tokens.remote);
      const create = `trap '' TERM; sleep 1000 & echo $! > ${file("pid")}; echo started; wait; sleep 1000`;
      const running = wireError(driver.create(withConnection({ create })));
      await other.engine.waitForLine("started");
      await other.client.cancel();
      expect(await running).toMatchObject({ code: status.CANCELLED, message: "cancelled by the user" });
      const pid = Number(readFileSync(file("pid"), "utf8"));
      await waitFor("end of the child", () => !isAlive(pid));
    } finally {
      await other.stop();
    }
  });

  test("a connection that is lost is an error that says what may still happen", async () => {
    const running = wireError(
      remote.create(withConnection({ create: `echo $$ > ${file("pid")}; echo $PPID; exec sleep 1000` })),
    );
    await waitFor("the first line", () => plugin.engine.lines.length > 0);
    const server = plugin.engine.lines[0]?.message ?? "";
    process.kill(Number(server), "SIGKILL");
    expect((await running).message).toMatch(/connection to .* was lost while the command ran; it may still/);
    process.kill(Number(readFileSync(file("pid"), "utf8")), "SIGKILL");
  });
});

describe("secrets", () => {
  test("are masked in log lines and errors", async () => {
    const error = await wireError(
      remote.create(
        withConnection({
          create: 'cat; echo "$TEST_A"; exit 1',
          stdin: secret("line one\nhunter2-in-stdin"),
          environment: { TEST_A: secret("hunter2-in-env") },
        }),
      ),
    );
    const shown = error.message + plugin.engine.lines.map((line) => line.message).join("\n");
    expect(shown).not.toContain("hunter2");
    expect(shown).toContain("[secret]");
  });
});
