import { existsSync, writeFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openConnection } from "../../../providers/libvirt/client/handshake.ts";
import { openSshTransport } from "../../../providers/libvirt/client/ssh-transport.ts";
import type { Transport } from "../../../providers/libvirt/client/transport.ts";
import { parseLibvirtUri } from "../../../providers/libvirt/client/uri.ts";

/** Stands in for ssh, which nobody can hold between making its socket and listening at it. */
const slowSsh = `#!/usr/bin/python3
import socket, sys, time
path = next(word for word in sys.argv[1:] if word.startswith("/")).split(":")[0]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
time.sleep(0.3)
server.listen()
server.accept()[0].sendall(b"hello")
time.sleep(60)
`;

/** Stands in for ssh to a host without the daemon's socket: once told so, it says why and closes the connection. */
const refusingSsh = `#!/usr/bin/python3
import os, socket, sys, time
folder = os.path.dirname(sys.argv[0])
path = next(word for word in sys.argv[1:] if word.startswith("/")).split(":")[0]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
connection, _ = server.accept()
while not os.path.exists(f"{folder}/connected"):
    time.sleep(0.01)
os.write(2, b"channel 1: open failed\\n")
connection.close()
open(f"{folder}/refused", "w").close()
time.sleep(60)
`;

const target = { kind: "ssh", host: "host", user: undefined, port: undefined, socket: "/run/sock" } as const;

let folder: string;
const path = process.env.PATH;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hyperlab-slow-ssh-"));
  process.env.PATH = `${folder}:${path}`;
});

afterEach(async () => {
  process.env.PATH = path;
  await rm(folder, { recursive: true, force: true });
});

async function useSsh(program: string): Promise<void> {
  await writeFile(join(folder, "ssh"), program);
  await chmod(join(folder, "ssh"), 0o755);
}

/** Holds this process, so that what happens meanwhile is seen only when it goes on. */
function holdUntil(file: string): void {
  const deadline = Date.now() + 60_000;
  while (!existsSync(file)) if (Date.now() > deadline) throw new Error(`no ${file} within 60 s`);
}

it("waits until ssh listens at the socket that it has made", async () => {
  await useSsh(slowSsh);
  const transport = openSshTransport(target, 60_000);
  try {
    const socket = await transport.connect(AbortSignal.timeout(60_000));
    const [first] = await socket.take(1).toArray();
    expect(String(first)).toBe("hello");
  } finally {
    await transport.close();
  }
});

it("tells what ssh said of a connection that was closed before it was used", async () => {
  await useSsh(refusingSsh);
  const transport = openSshTransport(target, 60_000);
  try {
    const heldTransport: Transport = {
      ...transport,
      connect: async (signal) => {
        const socket = await transport.connect(signal);
        writeFileSync(join(folder, "connected"), "");
        holdUntil(join(folder, "refused"));
        return socket;
      },
    };
    const connection = openConnection(
      {
        uri: "qemu+ssh://host/system",
        target: parseLibvirtUri("qemu+ssh://host/system"),
        transport: heldTransport,
        connectTimeoutMs: 60_000,
        keepAliveIntervalMs: 60_000,
        keepAliveCount: 3,
        serverKeepAlive: false,
      },
      AbortSignal.timeout(90_000),
    );
    await expect(connection).rejects.toThrow(/ssh said: .*channel 1: open failed/);
  } finally {
    await transport.close();
  }
});
