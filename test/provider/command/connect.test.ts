import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ssh2 from "ssh2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PluginUnderTest, wireError } from "../../support/plugin-client.ts";
import { freePort, makeKey, Sshd } from "../../support/sshd.ts";
import { waitFor } from "../../support/wait.ts";
import { Driver, startCommandPlugin, tokens } from "./commands.ts";

let sshd: Sshd;
let plugin: PluginUnderTest;
let remote: Driver;

beforeAll(async () => {
  sshd = await Sshd.start();
  plugin = await startCommandPlugin();
  remote = new Driver(plugin, tokens.remote);
});
afterAll(async () => {
  await plugin.stop();
  await sshd.stop();
});

const create = "echo connected";

describe("host key", () => {
  test("the right key connects", async () => {
    const connection = sshd.connection({ hostKey: sshd.hostKey });
    expect((await remote.create({ connection, create })).state.stdout).toBe("connected");
    const known = sshd.connection({ hostKey: `[127.0.0.1]:${sshd.port} ${sshd.hostKey}` });
    expect((await remote.create({ connection: known, create })).state.stdout).toBe("connected");
  });

  test("another key is an error at once, with both keys", async () => {
    const other = `${makeKey(join(sshd.folder, "other"))}.pub`;
    const hostKey = readFileSync(other, "utf8");
    const error = await wireError(
      remote.create({ connection: sshd.connection({ hostKey, dialErrorLimit: -1 }), create }),
    );
    expect(error.message).toContain("has another host key than connection.hostKey says");
    expect(error.message).toContain(hostKey.split(" ").slice(0, 2).join(" "));
    expect(error.message).toContain(sshd.hostKey.split(" ").slice(0, 2).join(" "));
  });

  test("a type of key that the server does not have is named", async () => {
    const hostKey = readFileSync(`${makeKey(join(sshd.folder, "ecdsa"), "ecdsa")}.pub`, "utf8");
    const error = await wireError(
      remote.create({ connection: sshd.connection({ hostKey, dialErrorLimit: -1 }), create }),
    );
    expect(error.message).toContain("has no host key of type ecdsa-sha2-nistp256");
  });

  test("what is no key is refused with an example", async () => {
    const error = await wireError(
      remote.create({ connection: sshd.connection({ hostKey: "SHA256:abc" }), create }),
    );
    expect(error.message).toMatch(/hostKey is not a public key.*ssh-keyscan/);
  });
});

describe("retries", () => {
  test("go on until the server is there", async () => {
    const late = await Sshd.start({ stopped: true });
    try {
      const connection = late.connection({ dialErrorLimit: -1 });
      const running = remote.create({ connection, create });
      await plugin.engine.waitForLine("ECONNREFUSED");
      await late.run();
      expect((await running).state.stdout).toBe("connected");
      const retries = plugin.engine.lines.filter((line) => line.message.includes("trying again"));
      expect(retries.every((line) => line.ephemeral)).toBe(true);
    } finally {
      await late.stop();
    }
  });

  test("end at the limit with the last reason", async () => {
    const port = await freePort();
    const connection = sshd.connection({ port, dialErrorLimit: 2 });
    const error = await wireError(remote.create({ connection, create }));
    expect(error.message).toMatch(
      new RegExp(`^cannot connect to \\S+@127.0.0.1:${port} after 3 attempts: .*ECONNREFUSED`),
    );
  });

  test("each attempt has its time limit", async () => {
    // A listener that never says anything.
    const port = await freePort();
    const silent = spawn(process.execPath, [
      "-e",
      `require("net").createServer(() => {}).listen(${port}, "127.0.0.1", () => console.log("up"))`,
    ]);
    try {
      await new Promise((resolve) => silent.stdout.once("data", resolve));
      const connection = sshd.connection({ port, perDialTimeout: 1, dialErrorLimit: 1 });
      const error = await wireError(remote.create({ connection, create }));
      expect(error.message).toMatch(/after 2 attempts: Timed out while waiting for handshake/);
    } finally {
      silent.kill();
    }
  });

  test("stop when the update is cancelled", async () => {
    const other = await startCommandPlugin();
    try {
      const port = await freePort();
      const driver = new Driver(other, tokens.remote);
      const running = wireError(
        driver.create({ connection: sshd.connection({ port, dialErrorLimit: -1 }), create }),
      );
      await other.engine.waitForLine("trying again");
      await other.client.cancel();
      expect((await running).message).toBe("cancelled by the user");
    } finally {
      await other.stop();
    }
  });
});

describe("login", () => {
  test("with an encrypted private key", async () => {
    const key = makeKey(join(sshd.folder, "encrypted"), "ed25519", "open sesame");
    execFileSync("sh", ["-c", `cat ${key}.pub >> ${join(sshd.folder, "authorized_keys")}`]);
    const privateKey = readFileSync(key, "utf8");
    const connection = sshd.connection({ privateKey, privateKeyPassword: "open sesame" });
    expect((await remote.create({ connection, create })).state.stdout).toBe("connected");
    for (const privateKeyPassword of ["wrong", undefined]) {
      const error = await wireError(
        remote.create({ connection: sshd.connection({ privateKey, privateKeyPassword }), create }),
      );
      expect(error.message).toMatch(/the private key for .* cannot be used: .*privateKeyPassword/);
      expect(error.message).not.toContain(privateKey);
    }
  });

  test("with an agent, given or from SSH_AUTH_SOCK", async () => {
    const socket = join(sshd.folder, "agent");
    const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    const before = process.env.SSH_AUTH_SOCK;
    try {
      const add = () => {
        try {
          execFileSync("ssh-add", ["-q", join(sshd.folder, "client")], {
            env: { ...process.env, SSH_AUTH_SOCK: socket },
            stdio: "ignore",
          });
          return true;
        } catch {
          return false;
        }
      };
      await waitFor("ssh-agent", add);
      const connection = sshd.connection({ privateKey: undefined, agentSocketPath: socket });
      expect((await remote.create({ connection, create })).state.stdout).toBe("connected");
      process.env.SSH_AUTH_SOCK = socket;
      const fromEnvironment = sshd.connection({ privateKey: undefined });
      expect((await remote.create({ connection: fromEnvironment, create })).state.stdout).toBe("connected");
    } finally {
      if (before === undefined) delete process.env.SSH_AUTH_SOCK;
      else process.env.SSH_AUTH_SOCK = before;
      agent.kill();
    }
  });

  test("a refused login says what was tried", async () => {
    const privateKey = readFileSync(makeKey(join(sshd.folder, "stranger")), "utf8");
    const before = process.env.SSH_AUTH_SOCK;
    delete process.env.SSH_AUTH_SOCK;
    try {
      const refused = await wireError(remote.create({ connection: sshd.connection({ privateKey }), create }));
      expect(refused.message).toMatch(/after 1 attempts: login refused \(tried publickey\)/);
      const nothing = await wireError(
        remote.create({ connection: sshd.connection({ privateKey: undefined }), create }),
      );
      expect(nothing.message).toContain("names no privateKey, no password and no agent");
    } finally {
      if (before !== undefined) process.env.SSH_AUTH_SOCK = before;
    }
  });

  test.each(["password", "keyboard-interactive"] as const)("by %s", async (method) => {
    // sshd checks passwords of real accounts only; ssh2's server stands in for the login.
    const server = new ssh2.Server({ hostKeys: [readFileSync(join(sshd.folder, "host"))] }, (client) => {
      client.on("authentication", (context) => {
        if (context.method !== method) context.reject([method]);
        else if (context.method === "password") {
          if (context.password === "sesame") context.accept();
          else context.reject();
        } else if (context.method === "keyboard-interactive") {
          context.prompt([{ prompt: "Password: ", echo: false }], (answers) =>
            answers[0] === "sesame" ? context.accept() : context.reject(),
          );
        }
      });
      client.on("session", (accept) => {
        accept().on("exec", (acceptExec) => {
          const stream = acceptExec();
          stream.write("connected\n");
          stream.exit(0);
          stream.end();
        });
      });
      client.on("error", () => {});
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    try {
      const fields = { port, privateKey: undefined, password: "sesame" };
      const done = await remote.create({ connection: sshd.connection(fields), create });
      expect(done.state.stdout).toBe("connected");
      const wrong = { ...fields, password: "wrong-password" };
      const error = await wireError(remote.create({ connection: sshd.connection(wrong), create }));
      expect(error.message).toMatch(/login refused \(tried .*password, keyboard-interactive\)/);
      expect(error.message).not.toContain("wrong-password");
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe("proxy", () => {
  test("connects through the bastion, each with its own key", async () => {
    const bastion = await Sshd.start();
    try {
      const proxy = { ...bastion.connection({}), hostKey: bastion.hostKey };
      const connection = sshd.connection({ hostKey: sshd.hostKey, proxy });
      const done = await remote.create({ connection, create: 'echo "$SSH_CONNECTION"' });
      expect(done.state.stdout).toMatch(new RegExp(`^127.0.0.1 \\d+ 127.0.0.1 ${sshd.port}$`));
      const wrong = { ...proxy, hostKey: sshd.hostKey };
      const error = await wireError(remote.create({ connection: sshd.connection({ proxy: wrong }), create }));
      expect(error.message).toContain(`:${bastion.port} has another host key`);
    } finally {
      await bastion.stop();
    }
  });

  test("a bastion that does not forward, and one that is not there, are named", async () => {
    const closed = await Sshd.start({ config: ["AllowTcpForwarding no"] });
    try {
      const error = await wireError(
        remote.create({ connection: sshd.connection({ proxy: closed.connection({}) }), create }),
      );
      expect(error.message).toMatch(
        new RegExp(`cannot connect to .*:${sshd.port} through proxy .*:${closed.port} after 1 attempts`),
      );
    } finally {
      await closed.stop();
    }
    const gone = await wireError(
      remote.create({ connection: sshd.connection({ proxy: closed.connection({}) }), create }),
    );
    expect(gone.message).toMatch(new RegExp(`cannot connect to proxy .*:${closed.port} after 1 attempts`));
  });
});
