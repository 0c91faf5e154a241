import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  checkArchive,
  chosenMembers,
  composed,
  memberContent,
  writeArchive,
} from "../../../tools/backup/archive.ts";
import { DamagedStream, decodeFrames, encodeFrame, type Frame } from "../../../tools/backup/frames.ts";
import { differing, type Member, parseManifest } from "../../../tools/backup/manifest.ts";
import { SealedFileError, seal, unseal } from "../../../tools/backup/sealed.ts";

const folder = mkdtempSync(join(tmpdir(), "hyperlab-archive-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HEAD = { format: 1, cluster: "lab", date: "2026-11-26T13:00:00.000Z" };
const silent = (): void => undefined;

async function* from(...pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) yield piece;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const whole = async (pieces: AsyncIterable<Buffer>): Promise<Buffer> => Buffer.concat(await all(pieces));
const cutUp = (content: Buffer, step: number): Buffer[] =>
  Array.from({ length: Math.ceil(content.length / step) }, (_, index) =>
    content.subarray(index * step, (index + 1) * step),
  );

const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");
type Content = Readonly<Record<string, Buffer>>;
const listed = (members: Content): Member[] =>
  Object.entries(members).map(([name, content]) => ({
    name,
    bytes: content.length,
    sha256: sha256(content),
  }));

/** What the controller sends. */
function guestStream(members: Content, manifest: object = {}): Buffer {
  const frames: Frame[] = Object.entries(members).flatMap(([name, content]) => [
    { kind: "member", name },
    { kind: "data", content },
  ]);
  const said = { format: 1, cluster: "lab", slurm: "24.11", members: listed(members), ...manifest };
  return Buffer.concat([...frames, { kind: "end", text: JSON.stringify(said) } as const].map(encodeFrame));
}

const MEMBERS = {
  "config.tar": Buffer.from("keys"),
  "slurmctld.tar": Buffer.alloc(0),
  "database.sql": Buffer.alloc(700_000, "select 1;"),
};
const FACTS = { date: HEAD.date, stack: "dev" };

/** An archive of {@link MEMBERS}, under a name of its own. */
async function archive(name: string, guest = guestStream(MEMBERS)): Promise<string> {
  const file = join(folder, name);
  const own = [{ name: "state.json", content: Buffer.from("{}") }];
  await writeArchive(file, composed(from(guest), own, FACTS, silent), "passphrase", HEAD);
  return file;
}

describe("frames", () => {
  it("are read as they were written, however the stream is cut", async () => {
    const frame: fc.Arbitrary<Frame> = fc.oneof(
      fc.record({
        kind: fc.constant("member" as const),
        name: fc.stringMatching(/^[a-z]{1,9}\.[a-z]{1,9}$/),
      }),
      fc.record({
        kind: fc.constant("data" as const),
        content: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(frame), fc.integer({ min: 1, max: 400 }), async (some, step) => {
        const frames: Frame[] = [{ kind: "member", name: "a.b" }, ...some, { kind: "end", text: "{}" }];
        const bytes = Buffer.concat(frames.map(encodeFrame));
        expect(await all(decodeFrames(from(...cutUp(bytes, step))))).toEqual(frames);
      }),
    );
  });

  it("of any other bytes are a clear error", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await expect(all(decodeFrames(from(Buffer.from(bytes))))).rejects.toThrow(DamagedStream);
      }),
    );
    const whole = guestStream(MEMBERS);
    for (const length of [0, 1, 5, 20, whole.length - 1]) {
      await expect(all(decodeFrames(from(whole.subarray(0, length))))).rejects.toThrow(/too early/);
    }
    await expect(all(decodeFrames(from(whole, Buffer.from("M"))))).rejects.toThrow(/follows/);
  });
});

describe("encryption", () => {
  const sealed = (content: Buffer): Promise<Buffer> => whole(seal(from(content), "passphrase", HEAD));
  const opened = (content: Buffer, passphrase = "passphrase"): Promise<Buffer> =>
    whole(unseal(from(content), passphrase));

  it.each([0, 1024 * 1024, 1024 * 1024 + 1])(
    "gives %i bytes back and shows nothing of them",
    async (length) => {
      const content = Buffer.alloc(length, "a secret of the cluster");
      const closed = await sealed(content);
      expect(closed.includes("a secret")).toBe(false);
      expect((await opened(closed)).equals(content)).toBe(true);
    },
  );

  it("says that the passphrase is another one", async () => {
    await expect(opened(await sealed(Buffer.from("x")), "other")).rejects.toThrow(
      /passphrase is not the one/,
    );
  });

  it("refuses a file of which any byte was changed, taken or added", async () => {
    const content = await sealed(Buffer.alloc(1024 * 1024 + 300, "x"));
    const head = content.indexOf("\n") + 1;
    const places = fc.oneof(fc.nat(head - 1), fc.integer({ min: head, max: content.length - 1 }));
    await fc.assert(
      fc.asyncProperty(places, fc.integer({ min: 1, max: 255 }), async (place, change) => {
        const altered = Buffer.from(content);
        altered[place] = (altered[place] ?? 0) ^ change;
        await expect(opened(altered)).rejects.toThrow(SealedFileError);
      }),
      { numRuns: 6 },
    );
    // At the border of two pieces too.
    for (const end of [head - 1, head, head + 10, head + 1024 * 1024 + 16, content.length - 1]) {
      await expect(opened(content.subarray(0, end))).rejects.toThrow(SealedFileError);
    }
    await expect(opened(Buffer.concat([content, Buffer.from("x")]))).rejects.toThrow(/cut off or altered/);
  });

  it("refuses pieces in another order", async () => {
    const content = await sealed(
      Buffer.concat(["a", "b", "c"].map((text) => Buffer.alloc(1024 * 1024, text))),
    );
    const head = content.indexOf("\n") + 1;
    const piece = (index: number): Buffer =>
      content.subarray(head + index * (1024 * 1024 + 16), head + (index + 1) * (1024 * 1024 + 16));
    const swapped = Buffer.concat([content.subarray(0, head), piece(1), piece(0), piece(2)]);
    await expect(opened(swapped)).rejects.toThrow(/cut off or altered/);
  });

  it("refuses any bytes, and names a newer format", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.boolean(), async (bytes, magic) => {
        const content = Buffer.concat([Buffer.from(magic ? "hyperlab-backup " : ""), bytes]);
        await expect(opened(content)).rejects.toThrow(/it is no backup of hyperlab/);
      }),
    );
    const newer = Buffer.from('hyperlab-backup {"format":2,"cipher":"another"}\n...');
    await expect(opened(newer)).rejects.toThrow(/newer hyperlab \(format 2; this one reads 1\)/);
  });
});

describe("an archive", () => {
  it("is complete, readable by its owner only, and lists its members", async () => {
    const file = await archive("whole");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const manifest = await checkArchive(file, "passphrase", silent);
    expect(manifest).toEqual({
      ...{ format: 1, cluster: "lab", slurm: "24.11", ...FACTS },
      members: listed({ ...MEMBERS, "state.json": Buffer.from("{}") }),
    });
    expect(
      (await whole(memberContent(file, "passphrase", "database.sql"))).equals(MEMBERS["database.sql"]),
    ).toBe(true);
    const chosen = await all(
      decodeFrames(chosenMembers(file, "passphrase", manifest, ["database.sql"], silent)),
    );
    expect(chosen.flatMap((frame) => (frame.kind === "member" ? frame.name : []))).toEqual(["database.sql"]);
    const end = chosen.at(-1);
    expect(parseManifest(end?.kind === "end" ? end.text : "")?.members).toEqual(
      listed({ "database.sql": MEMBERS["database.sql"] }),
    );
    expect(readFileSync(file).includes("select")).toBe(false);
  });

  it("leaves nothing where the controller breaks off, or sends other than it says", async () => {
    const good = guestStream(MEMBERS);
    const wrong = { members: listed({ ...MEMBERS, "config.tar": Buffer.from("other") }) };
    for (const [guest, why] of [
      [good.subarray(0, 100), /too early/],
      [guestStream(MEMBERS, wrong), /config\.tar came altered/],
      [guestStream(MEMBERS, { slurm: 24 }), /manifest is none/],
    ] as const) {
      await expect(archive("broken", guest)).rejects.toThrow(why);
    }
    expect(readdirSync(folder).filter((name) => name.startsWith("broken"))).toEqual([]);
  });

  it("takes the place of no other file", async () => {
    writeFileSync(join(folder, "precious"), "mine");
    await expect(archive("precious")).rejects.toThrow(/precious exists already/);
    expect(readFileSync(join(folder, "precious"), "utf8")).toBe("mine");
  });

  it.each([
    ["another passphrase", (content: Buffer) => content, "other", /--passphrase-file/],
    [
      "an end that is missing",
      (content: Buffer) => content.subarray(0, -1),
      "passphrase",
      /cut off or altered/,
    ],
    ["nothing in it", () => Buffer.alloc(0), "passphrase", /no backup of hyperlab/],
  ])("with %s is refused by name", async (_, alter, passphrase, why) => {
    const file = await archive(`refused-${String(why).replaceAll(/\W/g, "")}`);
    writeFileSync(file, alter(readFileSync(file)));
    const refused = checkArchive(file, passphrase, silent);
    await expect(refused).rejects.toThrow(why);
    await expect(refused).rejects.toThrow(/^refused-\w+ cannot be restored: /);
  });

  it("that is altered after it was checked gives an error, not a manifest", async () => {
    const file = await archive("altered");
    const manifest = await checkArchive(file, "passphrase", silent);
    const content = readFileSync(file);
    content[content.length - 1] = (content.at(-1) ?? 0) ^ 1;
    writeFileSync(file, content);
    const given: Buffer[] = [];
    const reading = (async () => {
      for await (const piece of chosenMembers(file, "passphrase", manifest, ["database.sql"], silent))
        given.push(piece);
    })();
    await expect(reading).rejects.toThrow(/altered cannot be restored: it was cut off or altered/);
    await expect(all(decodeFrames(from(...given)))).rejects.toThrow(/too early/);
  });

  it("that is not there is said so", async () => {
    await expect(checkArchive(join(folder, "none"), "x", silent)).rejects.toThrow(
      /none cannot be restored.*ENOENT/,
    );
  });
});

describe("a manifest", () => {
  it("of any text is read or is none", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parseManifest(text)).toBeUndefined();
      }),
    );
  });

  it("differs where a member is missing, more, twice or other", () => {
    const [one, two] = listed({ "a.b": Buffer.from("1"), "c.d": Buffer.from("2") });
    if (one === undefined || two === undefined) throw new Error("no members");
    expect(differing([one, two], [two, one])).toEqual([]);
    expect(differing([one, two], [one])).toEqual(["c.d"]);
    expect(differing([one], [one, two])).toEqual(["c.d"]);
    expect(differing([one], [one, one])).toEqual(["a.b"]);
    expect(differing([one], [{ ...one, bytes: 9 }])).toEqual(["a.b"]);
  });
});
