import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildGuestDisk, cloudGuestFiles, cloudGuestId, guestDiskPath } from "../../../images/cloud-guest.ts";
import { slurmPackages } from "../../../images/contents.ts";
import { guestDigest, guestFiles } from "../../../images/guest.ts";
import { recognise } from "../../../providers/libvirt/volume-format/index.ts";

describe("guest software for a user's own cloud image", () => {
  const files = cloudGuestFiles();
  const byPath = new Map(files.map((file) => [file.path, file]));

  it("has the programs, with their modes, and one list of what to install", () => {
    expect(byPath.get("/usr/lib/hyperlab/quiesce")?.mode).toBe(0o755);
    expect(byPath.get("/usr/lib/hyperlab/bootstrap")?.mode).toBe(0o755);
    expect(byPath.get("/usr/lib/hyperlab/ready.d/20-bootstrap")?.mode).toBe(0o755);
    expect(byPath.get("/etc/sudoers.d/hyperlab")?.mode).toBe(0o440);
    const facts = JSON.parse(byPath.get("/usr/lib/hyperlab/bootstrap.json")?.content ?? "");
    expect(facts.packages.controller).toEqual(
      expect.arrayContaining(["mariadb-server", "qemu-guest-agent", "slurmctld"]),
    );
    expect(facts.packages.compute).toEqual(expect.arrayContaining(["qemu-guest-agent", "slurmd"]));
    const compute: string[] = facts.packages.compute;
    expect(compute.filter((name) => /mariadb|mysql|slurmctld|slurmdbd|kernel/.test(name))).toEqual([]);
    expect(new Set([...facts.packages.controller, ...compute])).toEqual(
      new Set([...compute, ...facts.packages.controller, ...slurmPackages]),
    );
  });

  it("leaves the image's own boot, network and cloud-init alone", () => {
    const names = [...byPath.keys()];
    expect(names.filter((name) => /^\/etc\/(cloud|initramfs-tools|systemd|udev)\//.test(name))).toEqual([]);
  });

  it("is no part of the golden image, which changes with its own software only", () => {
    expect(guestFiles().filter((file) => file.path.includes("bootstrap"))).toEqual([]);
    expect(guestDigest()).not.toContain(cloudGuestId());
  });
});

describe("the disk with the guest software", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "hyperlab-guest-disk-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("is an ISO image with every file, the same bytes each time, and small", async () => {
    const first = await buildGuestDisk(cloudGuestId(), join(folder, "a"));
    const second = await buildGuestDisk(cloudGuestId(), join(folder, "b"));
    const bytes = readFileSync(first.path);
    expect(bytes.equals(readFileSync(second.path))).toBe(true);
    expect(first).toEqual({
      id: cloudGuestId(),
      path: guestDiskPath(join(folder, "a"), cloudGuestId()),
      sizeBytes: bytes.length,
    });
    expect(bytes.length).toBeLessThan(512 * 1024);
    expect(recognise(bytes, bytes.length)).toMatchObject({ format: "raw", content: "an ISO 9660 image" });
    const tar = join(folder, "guest.tar");
    writeFileSync(tar, bytes.subarray(21 * 2048));
    const listed = execFileSync("tar", ["--numeric-owner", "-tvf", tar], { encoding: "utf8" })
      .trimEnd()
      .split("\n");
    expect(listed.map((line) => `/${line.split(/\s+/)[5]}`)).toEqual(
      cloudGuestFiles().map((file) => file.path),
    );
    expect(listed.every((line) => / 0\/0 .* 1970-01-01 /.test(line))).toBe(true);
    expect(readdirSync(join(folder, "a"))).toEqual([`guest-${cloudGuestId()}.iso`]);
  });

  it("of another release is refused, unless it is there", async () => {
    const other = "0123456789abcdef";
    await expect(buildGuestDisk(other, folder)).rejects.toThrow(
      /another release of hyperlab made.*Raise "image.revision"/,
    );
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(guestDiskPath(folder, other), "kept");
    expect((await buildGuestDisk(other, folder)).sizeBytes).toBe(4);
  });
});
