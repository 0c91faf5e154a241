import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openSshTransport } from "../../../providers/libvirt/client/ssh-transport.ts";

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

let folder: string;
const path = process.env.PATH;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hyperlab-slow-ssh-"));
  await writeFile(join(folder, "ssh"), slowSsh);
  await chmod(join(folder, "ssh"), 0o755);
  process.env.PATH = `${folder}:${path}`;
});

afterEach(async () => {
  process.env.PATH = path;
  await rm(folder, { recursive: true, force: true });
});

it("waits until ssh listens at the socket that it has made", async () => {
  const target = {
    kind: "ssh",
    host: "host",
    user: undefined,
    port: undefined,
    socket: "/run/sock",
  } as const;
  const transport = openSshTransport(target, 10_000);
  try {
    const socket = await transport.connect(AbortSignal.timeout(10_000));
    const [first] = await socket.take(1).toArray();
    expect(String(first)).toBe("hello");
  } finally {
    await transport.close();
  }
});
