import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makeWork, removeWork, workParent } from "../../../images/work.ts";

/** A person who is not root; where the tests run as one, it is that one. */
const uid = process.geteuid?.() || 1000;
let parent = "";

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "hyperlab-work-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(parent, { recursive: true, force: true });
});

describe("the folder of a build", () => {
  it("lies beside the images for root, and where every user may enter for anybody else", () => {
    vi.spyOn(process, "geteuid").mockReturnValue(0);
    expect(workParent("/cache/images")).toBe("/cache/images");
    vi.spyOn(process, "geteuid").mockReturnValue(1000);
    expect(workParent("/home/ada/.cache/images")).toBe("/var/tmp");
  });

  it("is closed to others for root; for anybody else others cannot replace what is in it", async () => {
    vi.spyOn(process, "geteuid").mockReturnValue(0);
    expect(statSync(await makeWork("/images", "0123", parent)).mode & 0o7777).toBe(0o700);
    vi.spyOn(process, "geteuid").mockReturnValue(uid);
    expect(statSync(await makeWork("/images", "0123", parent)).mode & 0o7777).toBe(0o1777);
  });

  it("takes away what a killed build of the same image left, and nothing else", async () => {
    vi.spyOn(process, "geteuid").mockReturnValue(uid);
    const left = await makeWork("/images", "0123", parent);
    mkdirSync(join(left, "tree"));
    writeFileSync(join(left, "tree", "file"), "");
    chownSync(left, uid, statSync(left).gid);
    const [other, elsewhere] = [
      await makeWork("/images", "4567", parent),
      await makeWork("/x", "0123", parent),
    ];
    for (const folder of [other, elsewhere]) chownSync(folder, uid, statSync(folder).gid);
    const fresh = await makeWork("/images", "0123", parent);
    expect(readdirSync(parent).sort()).toEqual(
      [other, elsewhere, fresh].map((folder) => basename(folder)).sort(),
    );
    await removeWork(fresh);
    expect(readdirSync(parent)).not.toContain(basename(fresh));
  });
});
