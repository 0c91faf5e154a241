import { createHash, randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createLibvirtClient,
  type LibvirtClient,
  LibvirtConnectionError,
  type StoragePoolRef,
  type StorageVolRef,
} from "../../../providers/libvirt/client/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { waitFor } from "../../support/wait.ts";

const mebibyte = 1024 * 1024;

let daemon: OwnLibvirtd;
let client: LibvirtClient;
let pool: StoragePoolRef;

const poolXml = (name: string, extra = "") =>
  `<pool type='dir'><name>${name}</name>${extra}<target><path>${daemon.directory}/${name}</path></target></pool>`;

const volumeXml = (name: string, bytes: number) =>
  `<volume><name>${name}</name><capacity>${bytes}</capacity><allocation>0</allocation>
   <target><format type='raw'/></target></volume>`;

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  client = createLibvirtClient(daemon.qemuUri);
  pool = await client.storagePoolDefineXml(poolXml("vols"));
  await client.storagePoolBuild(pool);
  await client.storagePoolCreate(pool);
});

afterAll(async () => {
  await client?.close();
  await daemon?.stop();
});

/** The same pseudo-random bytes for the same seed, in pieces of odd sizes, without holding them. */
function* content(bytes: number, seed: number): Generator<Uint8Array> {
  const block = createHash("sha512").update(String(seed)).digest();
  const pattern = Buffer.concat(
    Array.from({ length: 1_500 }, (_, index) => Buffer.from(block).fill(index, 0, 4)),
  );
  for (let sent = 0; sent < bytes; ) {
    const piece = pattern.subarray(0, Math.min(pattern.length, bytes - sent));
    sent += piece.length;
    yield piece;
  }
}

function digest(pieces: Iterable<Uint8Array>): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

async function digestOf(vol: StorageVolRef): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of client.storageVolDownload(vol)) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { sha256: hash.digest("hex"), bytes };
}

describe("pools", () => {
  it("define, build, start, inspect, stop, delete, undefine", async () => {
    expect(await client.storagePoolLookupByName("other")).toBeUndefined();
    const ref = await client.storagePoolDefineXml(poolXml("other"));
    expect(await client.storagePoolLookupByName("other")).toEqual(ref);
    expect(await client.storagePoolLookupByUuid(ref.uuid)).toEqual(ref);
    expect(await client.storagePoolIsActive(ref)).toBe(false);
    await client.storagePoolBuild(ref);
    await client.storagePoolCreate(ref);
    expect(await client.storagePoolIsActive(ref)).toBe(true);
    await client.storagePoolSetAutostart(ref, true);
    expect(await client.storagePoolGetAutostart(ref)).toBe(true);
    const info = await client.storagePoolGetInfo(ref);
    expect(info.state).toBe("running");
    expect(info.capacity).toBeGreaterThan(info.allocation);
    expect(await client.storagePoolGetXmlDesc(ref)).toContain(`${daemon.directory}/other`);
    expect((await client.storagePoolList({ active: true })).map(({ name }) => name).sort()).toEqual([
      "other",
      "vols",
    ]);
    await client.storagePoolDestroy(ref);
    await client.storagePoolDelete(ref);
    await client.storagePoolUndefine(ref);
    expect(await client.storagePoolLookupByUuid(ref.uuid)).toBeUndefined();
    expect(await readdir(daemon.directory)).not.toContain("other");
  });

  it("validation refuses what the schema does not know", async () => {
    await expect(client.storagePoolDefineXml(poolXml("wrong", "<nonsense/>"))).rejects.toMatchObject({
      codeName: "VIR_ERR_XML_INVALID_SCHEMA",
      target: "storage pool wrong",
    });
  });
});

describe("volumes", () => {
  it("create, look up, resize, clone, delete", async () => {
    const vol = await client.storageVolCreateXml(pool, volumeXml("a.raw", mebibyte));
    expect(vol).toEqual({ pool: "vols", name: "a.raw", key: `${daemon.directory}/vols/a.raw` });
    expect(await client.storageVolLookupByName(pool, "a.raw")).toEqual(vol);
    expect(await client.storageVolLookupByPath(vol.key)).toEqual(vol);
    expect(await client.storageVolLookupByKey(vol.key)).toEqual(vol);
    expect(await client.storageVolLookupByName(pool, "b.raw")).toBeUndefined();
    expect(await client.storageVolLookupByPath("/nowhere")).toBeUndefined();
    expect(await client.storagePoolLookupByVolume(vol)).toEqual(pool);
    expect(await client.storageVolGetPath(vol)).toBe(vol.key);
    expect(await client.storageVolGetXmlDesc(vol)).toContain("<name>a.raw</name>");
    await client.storageVolResize(vol, 2 * mebibyte);
    expect(await client.storageVolGetInfo(vol)).toMatchObject({ type: "file", capacity: 2 * mebibyte });
    await expect(client.storageVolResize(vol, mebibyte)).rejects.toMatchObject({ name: "LibvirtError" });
    const clone = await client.storageVolCreateXmlFrom(pool, volumeXml("c.raw", 2 * mebibyte), vol);
    expect((await client.storagePoolListVolumes(pool)).map(({ name }) => name).sort()).toEqual([
      "a.raw",
      "c.raw",
    ]);
    for (const ref of [vol, clone]) await client.storageVolDelete(ref);
    expect(await client.storagePoolListVolumes(pool)).toEqual([]);
  });

  it("64 MiB go up and come back unchanged, in bounded memory, with progress", async () => {
    const bytes = 64 * mebibyte + 12_345;
    const vol = await client.storageVolCreateXml(pool, volumeXml("big.raw", bytes));
    let peak = 0;
    const before = process.memoryUsage().arrayBuffers;
    const progress: number[] = [];
    const onProgress = (done: number) => {
      progress.push(done);
      peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
    };
    expect(await client.storageVolUpload(vol, content(bytes, 1), { onProgress })).toBe(bytes);
    expect(progress.length).toBeGreaterThan(200);
    expect(progress.at(-1)).toBe(bytes);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(await digestOf(vol)).toEqual({ sha256: digest(content(bytes, 1)), bytes });
    expect(peak).toBeLessThan(16 * mebibyte);
    await client.storageVolDelete(vol);
  });

  it("a source that pauses for longer than keep-alive allows silence", async () => {
    const patient = createLibvirtClient(daemon.qemuUri, { keepAliveIntervalMs: 250, keepAliveCount: 2 });
    try {
      const vol = await client.storageVolCreateXml(pool, volumeXml("slow.raw", mebibyte));
      async function* slow(): AsyncGenerator<Uint8Array> {
        yield* content(300_000, 1);
        const silentUntil = performance.now() + 1_200;
        await waitFor("end of the pause", () => performance.now() > silentUntil);
        yield* content(mebibyte - 300_000, 2);
      }
      expect(await patient.storageVolUpload(vol, slow())).toBe(mebibyte);
      await client.storageVolDelete(vol);
    } finally {
      await patient.close();
    }
  });

  it("parts of a volume", async () => {
    const vol = await client.storageVolCreateXml(pool, volumeXml("part.raw", 3 * mebibyte));
    const middle = randomBytes(mebibyte);
    await client.storageVolUpload(vol, [middle], { offset: mebibyte, length: mebibyte });
    const pieces: Uint8Array[] = [];
    for await (const piece of client.storageVolDownload(vol, { offset: mebibyte, length: mebibyte })) {
      pieces.push(piece);
    }
    expect(Buffer.concat(pieces).equals(middle)).toBe(true);
    await client.storageVolDelete(vol);
  });

  it("several transfers at the same time", async () => {
    const names = Array.from({ length: 8 }, (_, index) => `s${index}.raw`);
    const bytes = 3 * mebibyte;
    const results = await Promise.all(
      names.map(async (name, index) => {
        const vol = await client.storageVolCreateXml(pool, volumeXml(name, bytes));
        await client.storageVolUpload(vol, content(bytes, index));
        const { sha256 } = await digestOf(vol);
        await client.storageVolDelete(vol);
        return sha256 === digest(content(bytes, index));
      }),
    );
    expect(results).toEqual(names.map(() => true));
  });
});

describe("transfers that fail", () => {
  it("libvirt's error in the middle of an upload surfaces, and the source is ended", async () => {
    const vol = await client.storageVolCreateXml(pool, volumeXml("limited.raw", 64 * mebibyte));
    let ended = false;
    function* endless(): Generator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(mebibyte);
      } finally {
        ended = true;
      }
    }
    await expect(
      client.storageVolUpload(vol, endless(), { length: 2 * mebibyte, timeoutMs: 30_000 }),
    ).rejects.toMatchObject({
      name: "LibvirtError",
      operation: "storageVolUpload",
      target: "volume vols/limited.raw",
    });
    expect(ended).toBe(true);
    await client.storageVolDelete(vol);
  });

  it("a volume that is not there", async () => {
    const vol = { pool: "vols", name: "none", key: `${daemon.directory}/vols/none` };
    await expect(client.storageVolUpload(vol, [])).rejects.toMatchObject({
      codeName: "VIR_ERR_NO_STORAGE_VOL",
    });
    await expect(client.storageVolDownload(vol)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      codeName: "VIR_ERR_NO_STORAGE_VOL",
    });
  });

  it("a source that fails: its own error, and the volume can be used again", async () => {
    const vol = await client.storageVolCreateXml(pool, volumeXml("source.raw", mebibyte));
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(300_000);
      throw new Error("the file cannot be read");
    }
    await expect(client.storageVolUpload(vol, failing())).rejects.toThrow("the file cannot be read");
    await client.storageVolUpload(vol, content(mebibyte, 5));
    expect((await digestOf(vol)).sha256).toBe(digest(content(mebibyte, 5)));
    await client.storageVolDelete(vol);
  });

  it("abort by signal while the source is silent", async () => {
    const vol = await client.storageVolCreateXml(pool, volumeXml("abort.raw", mebibyte));
    const controller = new AbortController();
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(300_000);
      controller.abort(new Error("the user stopped it"));
      await new Promise(() => {});
    }
    await expect(client.storageVolUpload(vol, silent(), { signal: controller.signal })).rejects.toThrow(
      "the user stopped it",
    );
    await client.storageVolDelete(vol);
  });

  it("a deadline", async () => {
    const vol = await client.storageVolCreateXml(pool, volumeXml("late.raw", mebibyte));
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(300_000);
      await new Promise(() => {});
    }
    await expect(client.storageVolUpload(vol, silent(), { timeoutMs: 200 })).rejects.toMatchObject({
      name: "LibvirtConnectionError",
      kind: "deadline",
      outcome: "unknown",
    });
    await client.storageVolDelete(vol);
  });

  it("a download that nobody takes any more frees its place", async () => {
    const vol = await client.storageVolCreateXml(pool, volumeXml("left.raw", 16 * mebibyte));
    for (let round = 0; round < 6; round++) {
      for await (const piece of client.storageVolDownload(vol)) {
        expect(piece.length).toBeGreaterThan(0);
        break;
      }
    }
    await client.storageVolDelete(vol);
  });

  it("the daemon dies in the middle: an error that says so, and the next transfer works", async () => {
    const vol = await client.storageVolCreateXml(pool, volumeXml("dies.raw", 64 * mebibyte));
    async function* dying(): AsyncGenerator<Uint8Array> {
      yield* content(4 * mebibyte, 1);
      await daemon.kill();
      yield* content(60 * mebibyte, 2);
    }
    const failed = client.storageVolUpload(vol, dying());
    await expect(failed).rejects.toBeInstanceOf(LibvirtConnectionError);
    await expect(failed).rejects.toMatchObject({ kind: "lost", outcome: "unknown" });
    await daemon.start();
    await client.storageVolUpload(vol, content(mebibyte, 3));
    await client.storageVolDelete(vol);
  });
});
