import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  makeIso,
  parseQcow2Header,
  recognise,
  recogniseBytes,
} from "../../../providers/libvirt/volume-format/index.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "volume-format-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: "utf8" });
const bytes = (text: string) => new TextEncoder().encode(text);

function recogniseFile(file: string) {
  const content = readFileSync(file);
  return recognise(content.subarray(0, recogniseBytes), content.length);
}

describe("qcow2", () => {
  it.each(["0.10", "1.1"])("is recognised as QEMU writes it, compat %s", (compat) => {
    const file = join(folder, `disk-${compat}.qcow2`);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", `compat=${compat}`, file, "123M");
    expect(recogniseFile(file)).toEqual({ format: "qcow2", virtualSize: 123 * 1024 * 1024 });
  });

  it("is refused as an overlay, encrypted, or with data elsewhere", () => {
    const base = join(folder, "base.qcow2");
    const overlay = join(folder, "overlay.qcow2");
    const external = join(folder, "external.qcow2");
    run("qemu-img", "create", "-q", "-f", "qcow2", base, "1M");
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay);
    run(
      "qemu-img",
      "create",
      "-q",
      "-f",
      "qcow2",
      "-o",
      `data_file=${join(folder, "data.raw")}`,
      external,
      "1M",
    );
    expect(recogniseFile(overlay)).toMatchObject({
      format: "refused",
      reason: expect.stringContaining("overlay"),
    });
    expect(recogniseFile(external)).toMatchObject({
      format: "refused",
      reason: expect.stringContaining("another file"),
    });
    const encrypted = readFileSync(base);
    encrypted.writeUInt32BE(2, 32);
    expect(recognise(encrypted, encrypted.length)).toMatchObject({
      reason: "it is encrypted, which is not served",
    });
    const corrupt = readFileSync(base);
    corrupt.writeBigUInt64BE(2n, 72);
    expect(recognise(corrupt, corrupt.length)).toMatchObject({ reason: expect.stringContaining("corrupt") });
  });

  it("answers any bytes", () => {
    const magic = [0x51, 0x46, 0x49, 0xfb];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (tail, start) => {
        const head = start ? Uint8Array.from([...magic, 0, 0, 0, 3, ...tail]) : tail;
        const header = parseQcow2Header(head);
        if (typeof header === "string") expect(header).not.toBe("");
        else expect(Number.isSafeInteger(header.virtualSize)).toBe(true);
        expect(["qcow2", "raw", "refused"]).toContain(recognise(head, head.length).format);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("other files", () => {
  it("are raw with a partition table or file system", () => {
    const disk = join(folder, "disk.img");
    run("qemu-img", "create", "-q", "-f", "raw", disk, "4M");
    expect(recogniseFile(disk)).toMatchObject({
      format: "refused",
      reason: expect.stringContaining("neither"),
    });
    run("mke2fs", "-q", "-F", disk);
    expect(recogniseFile(disk)).toMatchObject({
      format: "raw",
      content: "an ext file system",
      virtualSize: 4194304,
    });
    const partitions = new Uint8Array(4096);
    partitions.set([0x55, 0xaa], 510);
    expect(recognise(partitions, 4096)).toMatchObject({ format: "raw" });
    partitions.set(bytes("EFI PART"), 512);
    expect(recognise(partitions, 4096)).toMatchObject({ content: "a GPT disk" });
  });

  it.each([
    [Uint8Array.of(0x1f, 0x8b, 8), "compressed with gzip"],
    [bytes("<html><body>404"), "web page"],
    [bytes("KDMV"), "VMDK"],
    [new Uint8Array(), "it is empty"],
    [bytes("#!/bin/sh\n"), "neither qcow2 nor a plain disk"],
  ])("are refused with a reason", (head, reason) => {
    expect(recognise(head, head.length)).toMatchObject({
      format: "refused",
      reason: expect.stringContaining(reason),
    });
  });
});

describe("the seed's ISO image", () => {
  const files = [
    { name: "user-data", content: bytes("#cloud-config\nhostname: ü\n") },
    { name: "meta-data", content: bytes("{}") },
    { name: "network-config", content: new Uint8Array() },
  ];

  it("is read by other programs, with label and lower-case names", () => {
    const image = join(folder, "seed.iso");
    writeFileSync(image, makeIso("CIDATA", files));
    expect(recogniseFile(image)).toMatchObject({ format: "raw", content: "an ISO 9660 image" });
    expect(run("blkid", "-p", "-o", "value", "-s", "LABEL", image).trim()).toBe("CIDATA");
    expect(run("blkid", "-p", "-o", "value", "-s", "TYPE", image).trim()).toBe("iso9660");
    const out = join(folder, "out");
    run("xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", out);
    for (const file of files)
      expect(new Uint8Array(readFileSync(join(out, file.name)))).toEqual(file.content);
  });

  it("is the same for the same files, in any order", () => {
    expect(makeIso("CIDATA", [...files].reverse())).toEqual(makeIso("CIDATA", files));
  });

  it("keeps any content", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 10_000 }), (content) => {
        const image = makeIso("CIDATA", [{ name: "user-data", content }]);
        expect(image.length % 2048).toBe(0);
        expect(image.subarray(21 * 2048, 21 * 2048 + content.length)).toEqual(content);
      }),
    );
  });

  it("refuses names and labels that it cannot carry", () => {
    expect(() => makeIso("cidata", files)).toThrow("label");
    expect(() => makeIso("CIDATA", [{ name: "a/b", content: bytes("") }])).toThrow("cannot be a file");
    expect(() =>
      makeIso("CIDATA", [
        { name: "user-data", content: bytes("") },
        { name: "user-data-2", content: bytes("") },
      ]),
    ).toThrow("two files");
  });
});
