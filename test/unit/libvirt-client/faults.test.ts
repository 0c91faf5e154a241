import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { ClientOptions, LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { createLibvirtClient, LibvirtConnectionError } from "../../../providers/libvirt/client/index.ts";
import {
  encodeMessage,
  type Message,
  maximumMessage,
  messageStatus,
  messageType,
  program,
} from "../../../providers/libvirt/client/message.ts";
import { host } from "../../../providers/libvirt/client/procedures/host.ts";
import { waitFor } from "../../support/wait.ts";
import {
  errorPayload,
  type FakeDaemon,
  type Peer,
  replyTo,
  type Script,
  startFakeDaemon,
  text,
  xdr,
} from "./fake-daemon.ts";

let daemon: FakeDaemon | undefined;
let client: LibvirtClient | undefined;

afterEach(async () => {
  await client?.close();
  await daemon?.stop();
});

async function connect(script: Script, options: ClientOptions = {}): Promise<LibvirtClient> {
  daemon = await startFakeDaemon(script);
  client = createLibvirtClient(daemon.uri, options);
  return client;
}

describe("answers that are not libvirt's protocol end the call with an error", () => {
  const faults: [string, string, (call: Message, peer: Peer) => void][] = [
    ["garbage", "has no room for its header", (_, peer) => peer.send(Buffer.alloc(64))],
    [
      "text",
      "is larger than the allowed",
      (_, peer) => peer.send(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")),
    ],
    [
      "a message larger than the protocol allows",
      "is larger than the allowed",
      (_, peer) => {
        const length = Buffer.alloc(4);
        length.writeUInt32BE(maximumMessage + 5);
        peer.send(length);
      },
    ],
    [
      "a wrong serial",
      "which nobody made",
      (call, peer) => peer.reply(call, text("x"), { serial: call.header.serial + 1 }),
    ],
    [
      "the answer of another procedure",
      "came from procedure 4",
      (call, peer) => peer.reply(call, text("x"), { procedure: 4 }),
    ],
    [
      "the answer of another program",
      "the answer to procedure",
      (call, peer) => peer.reply(call, text("x"), { program: program.qemu }),
    ],
    ["an answer cut off", "cut off", (call, peer) => peer.reply(call, text("four").subarray(0, 6))],
    [
      "an answer that is too long",
      "8 unexpected bytes",
      (call, peer) => peer.reply(call, Buffer.concat([text("x"), Buffer.alloc(8)])),
    ],
    [
      "an error cut off",
      "cut off",
      (call, peer) => peer.reply(call, Buffer.alloc(4), { status: messageStatus.error }),
    ],
    [
      "a call to the client",
      "must not call its client",
      (call, peer) => peer.reply(call, text("x"), { type: messageType.call }),
    ],
    [
      "a stream that nobody opened",
      "which nobody opened",
      (call, peer) => peer.reply(call, text("x"), { type: messageType.stream }),
    ],
    [
      "a status of streams",
      "status of a stream",
      (call, peer) => peer.reply(call, text("x"), { status: messageStatus.continue }),
    ],
  ];

  it.each(faults)("%s", async (_, reason, answer) => {
    const connected = await connect(answer);
    const failed = await connected.getType().catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(LibvirtConnectionError);
    expect(failed).toMatchObject({ kind: "protocol", message: expect.stringContaining(reason) });
  });

  it("the next call has a connection of its own", async () => {
    const connected = await connect((call, peer) =>
      peer.connection === 1 ? peer.send(Buffer.alloc(64)) : peer.reply(call, text("QEMU")),
    );
    await expect(connected.getType()).rejects.toMatchObject({ kind: "protocol" });
    expect(await connected.getType()).toBe("QEMU");
  });

  it("in the greeting, whatever the bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 100 }), async (bytes) => {
        const fake = await startFakeDaemon((_, peer) => {
          peer.send(bytes);
          peer.hangUp();
        });
        const one = createLibvirtClient(fake.uri, { reconnectTimeoutMs: 0 });
        try {
          await expect(one.getType()).rejects.toBeInstanceOf(LibvirtConnectionError);
        } finally {
          await one.close();
          await fake.stop();
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe("a connection that is cut", () => {
  it("short reads make no difference", async () => {
    const connected = await connect((call, peer) => {
      const bytes = encodeMessage(replyTo(call), text("a longer answer"));
      for (let at = 0; at < bytes.length; at++) setImmediate(() => peer.send(bytes.subarray(at, at + 1)));
    });
    expect(await connected.getType()).toBe("a longer answer");
  });

  it("repeats a read", async () => {
    const connected = await connect((call, peer) =>
      peer.connection === 1 ? peer.hangUp() : peer.reply(call, text("QEMU")),
    );
    expect(await connected.getType()).toBe("QEMU");
  });

  it("gives up on a read that cuts it every time", async () => {
    const connected = await connect((_, peer) => peer.hangUp());
    await expect(connected.getType()).rejects.toMatchObject({ kind: "lost", outcome: "not-done" });
    expect(daemon?.connections()).toBe(5);
  });

  it("never repeats a change", async () => {
    let changes = 0;
    const connected = await connect((_, peer) => {
      changes += 1;
      peer.hangUp();
    });
    await expect(connected.domainDefineXml("<domain/>")).rejects.toMatchObject({
      kind: "lost",
      outcome: "unknown",
    });
    expect(changes).toBe(1);
  });

  it("in the middle of an answer", async () => {
    const connected = await connect((call, peer) => {
      peer.send(encodeMessage(replyTo(call), text("QEMU")).subarray(0, 30));
      peer.hangUp();
    });
    await expect(connected.getType()).rejects.toMatchObject({ kind: "lost" });
  });
});

describe("slots", () => {
  it("no connection carries more calls than it may, and slow ones leave one free", async () => {
    const open = new Map<number, number>();
    let most = 0;
    const waiting: (() => void)[] = [];
    const connected = await connect(
      (call, peer) => {
        const load = (open.get(peer.connection) ?? 0) + 1;
        open.set(peer.connection, load);
        most = Math.max(most, load);
        const answer = () => {
          open.set(peer.connection, (open.get(peer.connection) ?? 0) - 1);
          peer.reply(call, call.header.procedure === host.getType.number ? text("QEMU") : new Uint8Array(0));
        };
        if (call.header.procedure === host.getType.number) setImmediate(answer);
        else waiting.push(answer);
      },
      { maxConnections: 2 },
    );
    const domain = { name: "d", uuid: "6695eb01-f6a4-8304-79aa-97f2502e193f", id: -1 };
    const slow = Array.from({ length: 20 }, () => connected.domainShutdown(domain));
    const quick = await Promise.all(Array.from({ length: 20 }, () => connected.getType()));
    expect(quick).toHaveLength(20);
    expect(waiting.length).toBeLessThanOrEqual(6);
    const pump = setInterval(() => {
      for (const answer of waiting.splice(0)) answer();
    }, 1);
    await Promise.all(slow);
    clearInterval(pump);
    expect(most).toBeLessThanOrEqual(4);
    expect(daemon?.connections()).toBe(2);
  });

  it("a call that waits for one can expire without ever being sent", async () => {
    let calls = 0;
    const connected = await connect(
      () => {
        calls += 1;
      },
      { maxConnections: 1, maxCallsPerConnection: 1 },
    );
    const first = connected.getType().catch((error: unknown) => error);
    await waitFor("the call that takes the only place", () => calls === 1);
    const second = connected.domainDefineXml("<domain/>", { timeoutMs: 100 });
    await expect(second).rejects.toMatchObject({
      kind: "deadline",
      outcome: "not-done",
      message: expect.stringContaining("never sent"),
    });
    await connected.close();
    expect(await first).toMatchObject({ kind: "closed" });
    expect(calls).toBe(1);
  });
});

describe("greetings", () => {
  it("a daemon that is too old is refused with both versions", async () => {
    daemon = await startFakeDaemon(() => {}, { libVersion: 7_000_000 });
    client = createLibvirtClient(daemon.uri);
    await expect(client.getType()).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("the daemon is libvirt 7.0.0; hyperlab needs 8.0.0 or newer"),
    });
  });

  it("ways to authenticate that are not served", async () => {
    daemon = await startFakeDaemon(() => {}, { authentication: [1] });
    client = createLibvirtClient(daemon.uri);
    await expect(client.getType()).rejects.toThrow("asks for authentication by SASL");
  });

  it("polkit that refuses: its words and the remedy", async () => {
    daemon = await startFakeDaemon(
      (call, peer) =>
        peer.reply(call, errorPayload(45, "no agent is available"), { status: messageStatus.error }),
      { authentication: [2] },
    );
    client = createLibvirtClient(daemon.uri);
    await expect(client.getType()).rejects.toThrow(
      "polkit does not allow it (no agent is available); join the group libvirt",
    );
  });

  it("polkit that allows", async () => {
    daemon = await startFakeDaemon(
      (call, peer) =>
        peer.reply(
          call,
          call.header.procedure === host.authPolkit.number ? xdr((writer) => writer.int(1)) : text("QEMU"),
        ),
      { authentication: [2] },
    );
    client = createLibvirtClient(daemon.uri);
    expect(await client.getType()).toBe("QEMU");
  });
});

describe("keep-alive", () => {
  it("answers the daemon's question", async () => {
    const pongs: number[] = [];
    let asked: Message | undefined;
    const ping = { program: program.keepAlive, procedure: 1, type: messageType.event, serial: 0 };
    const connected = await connect((message, peer) => {
      if (message.header.program === program.keepAlive) {
        pongs.push(message.header.procedure);
        if (asked !== undefined) peer.reply(asked, text("QEMU"));
        return;
      }
      asked = message;
      peer.send(encodeMessage({ ...ping, status: messageStatus.ok }, new Uint8Array(0)));
    });
    expect(await connected.getType()).toBe("QEMU");
    expect(pongs).toEqual([2]);
  });

  it("asks a silent daemon, and an answer keeps the connection", async () => {
    let pings = 0;
    let call: Message | undefined;
    const connected = await connect(
      (message, peer) => {
        if (message.header.program !== program.keepAlive) {
          call = message;
          return;
        }
        pings += 1;
        peer.send(encodeMessage({ ...message.header, procedure: 2 }, new Uint8Array(0)));
        if (pings === 5 && call !== undefined) peer.reply(call, text("QEMU"));
      },
      { keepAliveIntervalMs: 20, keepAliveCount: 2 },
    );
    expect(await connected.getType()).toBe("QEMU");
    expect(daemon?.connections()).toBe(1);
  });
});
