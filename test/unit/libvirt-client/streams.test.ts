import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { ClientOptions, LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { createLibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { encodeMessage, messageStatus, messageType } from "../../../providers/libvirt/client/message.ts";
import { events as eventProcedures } from "../../../providers/libvirt/client/procedures/events.ts";
import { host } from "../../../providers/libvirt/client/procedures/host.ts";
import { pieces } from "../../../providers/libvirt/client/stream.ts";
import { errorPayload, type FakeDaemon, type Script, startFakeDaemon, text, xdr } from "./fake-daemon.ts";

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

const vol = { pool: "p", name: "v", key: "/p/v" };

describe("streams", () => {
  it("an error of the daemon after the answer ends the upload at once", async () => {
    const connected = await connect((message, peer) => {
      if (message.header.type === messageType.call) {
        peer.reply(message, new Uint8Array(0));
        return;
      }
      peer.send(
        encodeMessage({ ...message.header, status: messageStatus.error }, errorPayload(38, "disk full")),
      );
    });
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(300_000);
      await new Promise(() => {});
    }
    await expect(connected.storageVolUpload(vol, slow())).rejects.toMatchObject({
      name: "LibvirtError",
      text: "disk full",
      codeName: "VIR_ERR_SYSTEM_ERROR",
    });
  });

  it("an upload to a daemon that goes away is a lost connection, also before the socket has closed", async () => {
    const connected = await connect((message, peer) => {
      if (message.header.type === messageType.call) peer.reply(message, new Uint8Array(0));
      else peer.endWriting();
    });
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield Buffer.alloc(300_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    await expect(connected.storageVolUpload(vol, endless())).rejects.toMatchObject({
      name: "LibvirtConnectionError",
      kind: "lost",
      outcome: "unknown",
    });
  });

  it("a download that is cut is an error, never a short file", async () => {
    const connected = await connect((call, peer) => {
      peer.reply(call, new Uint8Array(0));
      peer.reply(call, Buffer.alloc(1_000), { type: messageType.stream, status: messageStatus.continue });
      setImmediate(() => peer.hangUp());
    });
    const received: number[] = [];
    const all = (async () => {
      for await (const piece of connected.storageVolDownload(vol)) received.push(piece.length);
    })();
    await expect(all).rejects.toMatchObject({ kind: "lost" });
    expect(received).toEqual([1_000]);
  });

  it("a consumer that is behind stops the reading, and gets all in the end", async () => {
    const count = 100;
    let unread = () => 0;
    const connected = await connect((call, peer) => {
      if (call.header.procedure === host.getType.number) {
        peer.reply(call, text("QEMU"));
      } else if (call.header.type === messageType.call) {
        unread = peer.unread;
        peer.reply(call, new Uint8Array(0));
        const data = { type: messageType.stream, status: messageStatus.continue };
        for (let index = 0; index < count; index++) peer.reply(call, Buffer.alloc(262_120, index), data);
        peer.reply(call, new Uint8Array(0), data);
      } else {
        peer.send(encodeMessage({ ...call.header, status: messageStatus.ok }, new Uint8Array(0)));
      }
    });
    const received: (number | undefined)[] = [];
    for await (const piece of connected.storageVolDownload(vol)) {
      received.push(piece[0]);
      if (received.length > 1) continue;
      // Many turns of the event loop, in which a client without limits would have read everything.
      for (let turn = 0; turn < 200; turn++) await connected.getType();
      expect(unread()).toBeGreaterThan(20 * 1024 * 1024);
    }
    expect(received).toEqual(Array.from({ length: count }, (_, index) => index));
  });

  it("content is cut into pieces of one size without changing it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 50 })),
        fc.integer({ min: 1, max: 20 }),
        async (chunks, size) => {
          const lengths: number[] = [];
          const joined: Buffer[] = [];
          for await (const piece of pieces(chunks, size)) {
            lengths.push(piece.length);
            joined.push(Buffer.from(piece));
          }
          expect(Buffer.concat(joined).equals(Buffer.concat(chunks))).toBe(true);
          expect(lengths.slice(0, -1).every((length) => length === size)).toBe(true);
        },
      ),
    );
  });
});

describe("events", () => {
  const domain = { name: "d", uuid: "6695eb01-f6a4-8304-79aa-97f2502e193f", id: 1 };
  const stopped = (callback: number) =>
    xdr((writer) => {
      writer.int(callback);
      writer.string(domain.name);
      writer.fixed(Buffer.from(domain.uuid.replaceAll("-", ""), "hex"));
      writer.int(domain.id);
      writer.int(5);
      writer.int(1);
    });

  it("one that overtakes the answer to its registration is not lost, a malformed one disturbs nobody", async () => {
    const warnings: string[] = [];
    const connected = await connect(
      (call, peer) => {
        if (call.header.procedure !== eventProcedures.register.number) return;
        const event = { ...call.header, procedure: 318, type: messageType.event, serial: 0 };
        const send = (payload: Uint8Array) => peer.send(encodeMessage(event, payload));
        send(stopped(7));
        send(Buffer.alloc(2));
        send(stopped(7).subarray(0, 20));
        peer.reply(
          call,
          xdr((writer) => writer.int(7)),
        );
        send(Buffer.concat([stopped(7), Buffer.alloc(4)]));
        send(stopped(8));
        send(stopped(7));
      },
      { onWarning: (warning) => warnings.push(warning) },
    );
    const seen: string[] = [];
    const both = new Promise<void>((resolve) => {
      void connected.onDomainLifecycle((event) => {
        seen.push(`${event.domain.name} ${event.event} ${event.detail}`);
        if (seen.length === 2) resolve();
      });
    });
    await both;
    expect(seen).toEqual(["d stopped destroyed", "d stopped destroyed"]);
    expect(warnings).toHaveLength(3);
  });
});
