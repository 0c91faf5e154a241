import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Archive, Asset, type PropertyMap, type PropertyValue } from "../../../providers/plugin/index.ts";
import { type PluginUnderTest, urnOf, wireError } from "../../support/plugin-client.ts";
import { Sshd } from "../../support/sshd.ts";
import { Driver, startCommandPlugin, tokens } from "./commands.ts";

let sshd: Sshd;
let plugin: PluginUnderTest;
let copies: Driver;
let folder: string;

beforeAll(async () => {
  sshd = await Sshd.start();
  plugin = await startCommandPlugin();
  copies = new Driver(plugin, tokens.copy);
});
afterAll(async () => {
  await plugin.stop();
  await sshd.stop();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "copy-"));
  mkdirSync(join(folder, "source/deep/empty"), { recursive: true });
  writeFileSync(join(folder, "source/a.txt"), "a");
  writeFileSync(join(folder, "source/deep/b.txt"), "b");
  writeFileSync(join(folder, "source/deep/nothing"), "");
  mkdirSync(join(folder, "there"));
  writeFileSync(join(folder, "file"), "old");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (path: string) => join(folder, path);
const fileAsset = (path: string, hash = "1") => new Asset({ from: "path", path: at(path) }, hash);
const fileArchive = (path: string, hash = "1") => new Archive({ from: "path", path: at(path) }, hash);
const inputs = (source: PropertyValue, remotePath: string): PropertyMap => ({
  connection: sshd.connection({}),
  source,
  remotePath: at(remotePath),
});
/** Every path below a directory. */
const tree = (path: string) => readdirSync(at(path), { recursive: true, encoding: "utf8" }).sort();
const whole = ["a.txt", "deep", "deep/b.txt", "deep/empty", "deep/nothing"];

describe("a file", () => {
  test.each([
    ["to a new path, making its parents", "new/x/y.txt", "new/x/y.txt"],
    ["into a directory", "there", "there/a.txt"],
    ["over a file", "file", "file"],
  ])("%s", async (_, remotePath, result) => {
    const created = await copies.create(inputs(fileAsset("source/a.txt"), remotePath));
    expect(readFileSync(at(result), "utf8")).toBe("a");
    expect(created.id).toMatch(/^[0-9a-f]{8}$/);
  });

  test("empty, large and linked files arrive whole", async () => {
    await copies.create(inputs(fileAsset("source/deep/nothing"), "empty"));
    expect(statSync(at("empty")).size).toBe(0);
    const big = Buffer.alloc(20_000_000, "0123456789");
    writeFileSync(at("big"), big);
    symlinkSync(at("big"), at("link"));
    await copies.create(inputs(fileAsset("link"), "copied"));
    expect(readFileSync(at("copied")).equals(big)).toBe(true);
  });

  test("an archive file is copied as it is", async () => {
    writeFileSync(at("x.tar.gz"), "not unpacked");
    await copies.create(inputs(fileArchive("x.tar.gz"), "there"));
    expect(readFileSync(at("there/x.tar.gz"), "utf8")).toBe("not unpacked");
  });
});

describe("a text", () => {
  test("becomes a file; an empty one too", async () => {
    await copies.create(inputs(new Asset({ from: "text", text: "text ✓" }), "new/t"));
    expect(readFileSync(at("new/t"), "utf8")).toBe("text ✓");
    await copies.create(inputs(new Asset(undefined, "hash of nothing"), "file"));
    expect(readFileSync(at("file"), "utf8")).toBe("");
  });

  test("has no name in a directory", async () => {
    const error = await wireError(copies.create(inputs(new Asset({ from: "text", text: "x" }), "there")));
    expect(error.message).toMatch(/there is a directory; a StringAsset has no name/);
  });
});

describe("a directory", () => {
  test.each([
    ["into a new path", "source", "new/x", "new/x/source"],
    ["into a directory", "source", "there", "there/source"],
    ["its content to a new path", "source/", "new", "new"],
    ["its content into a directory", "source/", "there", "there"],
  ])("%s", async (_, source, remotePath, result) => {
    await copies.create(inputs(new Archive({ from: "path", path: `${folder}/${source}` }, "1"), remotePath));
    expect(tree(result)).toEqual(whole);
    expect(readFileSync(at(`${result}/deep/b.txt`), "utf8")).toBe("b");
  });

  test("merges with what is there", async () => {
    mkdirSync(at("there/source/deep"), { recursive: true });
    writeFileSync(at("there/source/deep/b.txt"), "old");
    writeFileSync(at("there/source/deep/kept.txt"), "kept");
    await copies.create(inputs(fileArchive("source"), "there"));
    expect(tree("there/source")).toEqual([...whole, "deep/kept.txt"].sort());
    expect(readFileSync(at("there/source/deep/b.txt"), "utf8")).toBe("b");
  });

  test("that several copies need at the same time is made by one of them", async () => {
    const creates = Array.from({ length: 12 }, (_, index) =>
      copies.create(inputs(fileAsset("source/a.txt"), `shared/by/all/${index}.txt`)),
    );
    await Promise.all(creates);
    expect(tree("shared/by/all")).toHaveLength(12);
  });

  test("does not replace a file", async () => {
    const error = await wireError(copies.create(inputs(fileArchive("source"), "file")));
    expect(error.message).toMatch(/file exists on the remote host and is not a directory/);
  });
});

describe("life cycle", () => {
  test("an update copies when content or path changed, and only then; deletion leaves the copy", async () => {
    const created = await copies.create(inputs(fileAsset("source/a.txt"), "copy"));
    writeFileSync(at("copy"), "touched by hand");
    const otherKey = {
      ...inputs(fileAsset("source/a.txt"), "copy"),
      connection: sshd.connection({ perDialTimeout: 9 }),
    };
    const same = await copies.update(created, otherKey);
    expect(readFileSync(at("copy"), "utf8")).toBe("touched by hand");
    const changed = await copies.update(same, inputs(fileAsset("source/a.txt", "2"), "copy"));
    expect(readFileSync(at("copy"), "utf8")).toBe("a");
    const moved = await copies.update(changed, inputs(fileAsset("source/a.txt", "2"), "elsewhere"));
    expect(readFileSync(at("elsewhere"), "utf8")).toBe("a");
    await copies.delete(moved);
    expect(readFileSync(at("elsewhere"), "utf8")).toBe("a");
  });

  test("a preview copies nothing; a trigger replaces", async () => {
    await copies.create(inputs(fileAsset("source/a.txt"), "new"), { preview: true });
    expect(() => statSync(at("new"))).toThrow("ENOENT");
    const created = await copies.create({ ...inputs(fileAsset("source/a.txt"), "copy"), triggers: [1] });
    const diff = await copies.diff(created, { ...inputs(fileAsset("source/a.txt"), "copy"), triggers: [2] });
    expect(diff).toMatchObject({ detailed: { "triggers[0]": "updateReplace" }, replaces: ["triggers[0]"] });
  });
});

describe("errors", () => {
  test("name the path and the reason", async () => {
    const missing = await wireError(copies.create(inputs(fileAsset("missing"), "x")));
    expect(missing.message).toMatch(/cannot read the source of the copy: ENOENT.*missing/);
    const below = await wireError(copies.create(inputs(fileAsset("source/a.txt"), "file/below")));
    expect(below.message).toMatch(
      /file exists on the remote host and is not a directory|cannot look at .*file\/below/,
    );
    chmodSync(at("file"), 0o444);
  });

  test("cancelling ends a copy under way", async () => {
    const other = await startCommandPlugin();
    try {
      writeFileSync(at("big"), Buffer.alloc(300_000_000));
      const copying = wireError(new Driver(other, tokens.copy).create(inputs(fileAsset("big"), "copied")));
      await other.engine.waitForLine("% of 300000000 bytes");
      await other.client.cancel();
      expect((await copying).message).toBe("cancelled by the user");
      expect(statSync(at("copied")).size).toBeLessThan(300_000_000);
    } finally {
      await other.stop();
    }
  });

  test("a server without sftp says so", async () => {
    const strict = await Sshd.start({ sftp: "/bin/false" });
    try {
      const error = await wireError(
        copies.create({ ...inputs(fileAsset("source/a.txt"), "x"), connection: strict.connection({}) }),
      );
      expect(error.message).toMatch(/sftp/);
    } finally {
      await strict.stop();
    }
  });

  test("only what can be copied is accepted", async () => {
    const check = (source: PropertyValue) =>
      plugin.client.check(urnOf(tokens.copy, "c"), {}, inputs(source, "x")).then(({ failures }) => failures);
    const failure = [{ property: "source", reason: "must be a FileAsset, a StringAsset or a FileArchive" }];
    expect(await check("text")).toEqual(failure);
    expect(await check(new Asset({ from: "uri", uri: "https://example.com" }))).toEqual(failure);
    expect(await check(new Archive({ from: "assets", assets: {} }))).toEqual(failure);
    expect(await check(fileArchive("source"))).toEqual([]);
  });
});
