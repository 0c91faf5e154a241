import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileFact } from "../../../lab/image-file.ts";

let folder = "";
let cache = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperlab-image-file-"));
  cache = join(folder, "cache");
});
afterEach(() => rmSync(folder, { recursive: true }));

const image = (format: string): string => {
  const file = join(folder, `image.${format}`);
  execFileSync("qemu-img", ["create", "-q", "-f", format, file, "7M"]);
  return file;
};
const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

describe("an image given as a path", () => {
  it("is recognised by its content, with the size of its disk, and named by its checksum", async () => {
    const file = image("qcow2");
    expect(await fileFact(file, undefined, cache)).toEqual({
      path: file,
      identity: { sha256: sha256(file) },
      format: { known: true, value: "qcow2" },
      virtualSizeMiB: { known: true, value: 7 },
    });
  });

  it("keeps a declared checksum, which is verified when the file is uploaded", async () => {
    const declared = "ab".repeat(32);
    expect((await fileFact(image("qcow2"), declared, cache)).identity).toEqual({ sha256: declared });
  });

  it("that is a raw disk or no disk at all is told apart", async () => {
    const raw = image("raw");
    const bytes = readFileSync(raw);
    bytes.write("EFI PART", 512);
    writeFileSync(raw, bytes);
    expect((await fileFact(raw, undefined, cache)).format).toEqual({ known: true, value: "raw" });
    const page = join(folder, "page.qcow2");
    writeFileSync(page, "<html>not found</html>");
    expect(await fileFact(page, undefined, cache)).toMatchObject({
      format: { known: true, value: "other" },
      virtualSizeMiB: { known: false, why: "it is a web page; the download went wrong" },
    });
  });

  it("that is missing is a fact, not a failure", async () => {
    const fact = await fileFact(join(folder, "none.qcow2"), undefined, cache);
    expect(fact.format).toEqual({ known: true, value: "missing" });
  });

  it("is read for its checksum once, and again after it changed", async () => {
    const file = image("qcow2");
    await fileFact(file, undefined, cache);
    const [kept = ""] = readdirSync(join(cache, "digests"));
    writeFileSync(join(cache, "digests", kept), "c".repeat(64));
    expect((await fileFact(file, undefined, cache)).identity).toEqual({ sha256: "c".repeat(64) });
    utimesSync(file, 1, 1);
    expect((await fileFact(file, undefined, cache)).identity).toEqual({ sha256: sha256(file) });
  });
});
