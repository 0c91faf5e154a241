import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { type OwnSshHost, startOwnSshHost } from "../../support/ssh-host.ts";
import { freePort } from "../../support/sshd.ts";
import { waitFor } from "../../support/wait.ts";

let daemon: OwnLibvirtd;
let sshd: OwnSshHost;
let client: LibvirtClient | undefined;
const before = { path: process.env.PATH, temporary: process.env.TMPDIR };

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  sshd = await startOwnSshHost();
  process.env.PATH = sshd.path;
  process.env.TMPDIR = daemon.directory;
});
afterEach(async () => {
  await client?.close();
  client = undefined;
});
afterAll(async () => {
  process.env.PATH = before.path;
  if (before.temporary === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before.temporary;
  await sshd?.stop();
  await daemon?.stop();
});

const uri = () => `qemu+ssh://${sshd.host}/system?socket=${daemon.socket}`;

async function tunnels(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith("hyperlab-ssh-"));
}

describe("over ssh", () => {
  it("everything works, by names and keys of ssh's own configuration, over one ssh", async () => {
    client = createLibvirtClient(uri());
    expect(await client.getType()).toBe("QEMU");
    const connected = client;
    const answers = await Promise.all(Array.from({ length: 100 }, () => connected.getHostname()));
    expect(new Set(answers).size).toBe(1);
    const unsubscribe = await client.onDomainLifecycle(() => {});
    unsubscribe();
    const pool = await client.storagePoolDefineXml(
      `<pool type='dir'><name>remote</name><target><path>${daemon.directory}/remote</path></target></pool>`,
    );
    await client.storagePoolBuild(pool);
    await client.storagePoolCreate(pool);
    const vol = await client.storageVolCreateXml(
      pool,
      "<volume><name>v</name><capacity unit='MiB'>4</capacity><target><format type='raw'/></target></volume>",
    );
    const content = Buffer.alloc(4 * 1024 * 1024, "hyperlab");
    await client.storageVolUpload(vol, [content]);
    const pieces: Uint8Array[] = [];
    for await (const piece of client.storageVolDownload(vol)) pieces.push(piece);
    expect(Buffer.concat(pieces).equals(content)).toBe(true);
    expect(await tunnels()).toHaveLength(1);
    await client.close();
    expect(await tunnels()).toEqual([]);
  });

  it("a daemon that restarts is found again through the same ssh", async () => {
    client = createLibvirtClient(uri());
    await client.getType();
    await daemon.kill();
    const pending = client.getType();
    await daemon.start();
    expect(await pending).toBe("QEMU");
  });

  it("an ssh that dies is started again", async () => {
    client = createLibvirtClient(uri());
    await client.getType();
    const [old] = await tunnels();
    await sshd.dropSessions();
    await waitFor("end of the old ssh", async () => !(await tunnels()).includes(old ?? ""));
    expect(await client.getType()).toBe("QEMU");
  });

  it("nothing stays when this process is killed", async () => {
    const module = new URL("../../../providers/libvirt/client/index.ts", import.meta.url);
    const program = `
      const { createLibvirtClient } = await import(${JSON.stringify(module.href)});
      const client = createLibvirtClient(${JSON.stringify(uri())});
      console.log(await client.getType());
      setInterval(() => {}, 1000);`;
    const child: ChildProcess = spawn(
      process.execPath,
      ["--experimental-strip-types", "--no-warnings", "--input-type=module", "--eval", program],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    try {
      let said = "";
      child.stdout?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
      await waitFor("connection of the other process", () => said.includes("QEMU"));
      expect(await tunnels()).toHaveLength(1);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    await waitFor("end of its ssh", async () => (await tunnels()).length === 0);
  });
});

describe("what fails", () => {
  it("a host without sshd: its name and ssh's own words", async () => {
    const port = await freePort();
    client = createLibvirtClient(`qemu+ssh://ada@127.0.0.1:${port}/system`);
    await expect(client.getType()).rejects.toMatchObject({
      name: "LibvirtConnectionError",
      kind: "unreachable",
      outcome: "not-done",
      message: expect.stringMatching(
        /cannot connect to qemu\+ssh:.*ssh to ada@127\.0\.0\.1 port \d+ failed; ssh said: .*Connection refused/,
      ),
    });
    expect(await tunnels()).toEqual([]);
  });

  it("a host that never answers: within the deadline", async () => {
    const silent: Server = createServer(() => {});
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    if (address === null || typeof address === "string") throw new Error("no port was given");
    client = createLibvirtClient(`qemu+ssh://127.0.0.1:${address.port}/system`, { connectTimeoutMs: 1_000 });
    try {
      // Less than what is waited for by default.
      await expect(client.getType({ timeoutMs: 25_000 })).rejects.toMatchObject({
        kind: "unreachable",
        message: expect.stringMatching(/127\.0\.0\.1/),
      });
    } finally {
      silent.close();
    }
  });

  it("a key that is not allowed", async () => {
    client = createLibvirtClient(`qemu+ssh://nobody@${sshd.host}/system`);
    await expect(client.getType()).rejects.toThrow(
      /nobody@hyperlab-test-host failed; ssh said: .*Permission denied/,
    );
  });

  it("a remote host without the socket", async () => {
    client = createLibvirtClient(`qemu+ssh://${sshd.host}/system?socket=/nowhere`);
    await expect(client.getType()).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringMatching(/ssh said: .*open failed/),
    });
  });
});
