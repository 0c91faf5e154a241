import { describe, expect, it } from "vitest";
import { comparePackages, isUnchanged, renderChanges } from "../../../tools/images/compare.ts";
import { changedLines, editImage } from "../../../tools/images/edit-file.ts";
import { usedImages } from "../../../tools/images/in-use.ts";
import { chooseImage, mustBeBuilt, objectionsTo } from "../../../tools/images/target.ts";
import { labText, loaded } from "../config/lab-text.ts";
import { config, hpcOf } from "../planning/lab.ts";

describe("the packages of two images", () => {
  const before = new Map([
    ["slurmd", "24.11.5-4"],
    ["openssl", "3.5.1-1"],
    ["gone", "1-1"],
    ["back", "2-1"],
    ["same", "1-1"],
  ]);
  const after = [
    { name: "back", version: "1-1", security: false },
    { name: "fresh", version: "1-1", security: true },
    { name: "openssl", version: "3.5.4-1~deb13u2", security: true },
    { name: "same", version: "1-1", security: true },
    { name: "slurmd", version: "24.11.6-1", security: false },
  ];

  it("differ by what is added, removed and changed; security updates come first", () => {
    const changes = comparePackages(before, after);
    expect(isUnchanged(changes)).toBe(false);
    expect(renderChanges(changes)).toEqual([
      "Security updates (1):",
      "  openssl 3.5.1-1 -> 3.5.4-1~deb13u2",
      "Changed (2):",
      "  back 2-1 -> 1-1 (older)",
      "  slurmd 24.11.5-4 -> 24.11.6-1",
      "Added (1):",
      "  fresh 1-1 (security)",
      "Removed (1):",
      "  gone 1-1",
    ]);
  });

  it("of one image do not differ", () => {
    const one = new Map(after.map(({ name, version }) => [name, version]));
    expect(isUnchanged(comparePackages(one, after))).toBe(true);
    expect(renderChanges(comparePackages(one, after))).toEqual([]);
  });
});

describe("the choice of an image", () => {
  const image = (text: string) => hpcOf(config({ hpc: `image: ${text}` })).image;
  const now = new Date("2026-11-26T09:30:15.123Z");

  it("moves the moment where there is one, and raises the revision where there is none", () => {
    const none = () => false;
    expect(chooseImage(image("{ revision: 3 }"), {}, now, none)).toEqual({ revision: 4 });
    // An image that was built before has the packages of that day.
    const two = (revision: number) => revision < 6;
    expect(chooseImage(image("{ revision: 3 }"), {}, now, two)).toEqual({ revision: 6 });
    expect(chooseImage(image("{ snapshot: 2026-01-01 }"), {}, now, none)).toEqual({
      snapshot: "20261126T093015Z",
    });
    expect(chooseImage(image("{ revision: 3 }"), { snapshot: "2026-11-01" }, now, none)).toEqual({
      snapshot: "2026-11-01",
    });
  });

  it("is none for an image of one's own", () => {
    expect(() => mustBeBuilt(hpcOf(config({ hpc: "base_image_path: /srv/x.qcow2" })))).toThrow(
      "Raise image.revision",
    );
    expect(() => mustBeBuilt(hpcOf(config()))).not.toThrow();
  });

  it("that leads back to an older release is objected to", () => {
    const ids = objectionsTo(
      { slurm: "25.05.1-1", mariadb: "1:11.8.3-1" },
      { slurm: "24.11.5-4", mariadb: "1:10.11.1-1" },
    );
    expect(ids.map(({ id }) => id)).toEqual(["slurm-downgrade", "mariadb-downgrade"]);
    expect(objectionsTo({}, { slurm: "24.11.5-4" })).toEqual([]);
  });
});

describe("the cluster file", () => {
  const choice = { revision: 7, snapshot: "20261101T000000Z" };
  const blocks = {
    "has no image": labText(),
    "has an image in one line": labText({ hpc: "image: { packages: [zsh] } # ours" }),
    "has an empty image in one line": labText({ hpc: "image: {}" }),
    "has an image in a block": labText({ hpc: "image:\n  # what we need\n  packages: [zsh] # shells" }),
    "has both already": labText({
      hpc: 'image:\n  revision: 3 # the third\n  snapshot: "2026-01-01"\n  packages: [zsh]',
    }),
  };

  it.each(Object.entries(blocks))(
    "that %s gets the choice, and keeps every other character",
    (_what, text) => {
      const edited = editImage(text, choice);
      expect(hpcOf(loaded(edited).config).image).toEqual({
        ...hpcOf(loaded(text).config).image,
        revision: 7,
        snapshot: "20261101T000000Z",
      });
      // Nothing but the two values of the file that has both already is taken away.
      const without = text
        .replace("revision: 3", "revision: ")
        .replace('snapshot: "2026-01-01"', "snapshot: ");
      expect(isWithin(without, edited)).toBe(true);
      for (const comment of text.match(/# .*/g) ?? []) expect(edited).toContain(comment);
      const lines = changedLines(text, edited);
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.length).toBeLessThanOrEqual(4);
    },
  );

  it("with nothing behind image is left to the person", () => {
    expect(() => editImage(labText({ hpc: "image:" }), choice)).toThrow(
      /"snapshot: 20261101T000000Z" below clusters\.hpc\.image yourself/,
    );
  });

  it("shows the lines that differ", () => {
    expect(changedLines("a\nb\nc\n", "a\nB\nc\n")).toEqual(["- b", "+ B"]);
    expect(changedLines("a\nc\n", "a\nb\nc\n")).toEqual(["+ b"]);
  });
});

/** Whether every character of a text is in another one, in the same order. */
function isWithin(part: string, whole: string): boolean {
  let index = 0;
  for (const character of whole) if (character === part[index]) index += 1;
  return index === part.length;
}

describe("images in use", () => {
  const urn = (type: string, name: string) =>
    `urn:pulumi:dev::hyperlab::hyperlab:index:HpcCluster$${type}::${name}`;
  const volume = (name: string, source?: object, more: object = {}) => ({
    urn: urn("libvirt:index:Volume", "lab-base"),
    type: "libvirt:index:Volume",
    inputs: { name, pool: "p", ...(source === undefined ? {} : { source }) },
    ...more,
  });
  const domain = (name: string, image: string) => ({
    urn: urn("libvirt:index:Domain", name),
    type: "libvirt:index:Domain",
    inputs: { rootDisk: { pool: "p", image, sizeMiB: 1 } },
  });

  it("are those that a stack uploaded, also one that only waits for its deletion", () => {
    const resources = [
      { urn: urn("pulumi:pulumi:Stack", "hyperlab-dev"), type: "pulumi:pulumi:Stack" },
      volume("new", { path: "/c/2222222222222222.qcow2", id: "2222222222222222" }),
      volume("old", { path: "/c/1111111111111111.qcow2", id: "1111111111111111" }, { delete: true }),
      volume("state"),
      domain("lab-controller", "new"),
      domain("lab-compute-01", "old"),
    ];
    const state = { version: 3, checkpoint: { latest: { resources } } };
    expect(
      usedImages("dev", state).map(({ machines, path, volume: name }) => [name, path, machines]),
    ).toEqual([
      ["new", "/c/2222222222222222.qcow2", ["lab-controller"]],
      ["old", "/c/1111111111111111.qcow2", ["lab-compute-01"]],
    ]);
    expect(usedImages("dev", { checkpoint: {} })).toEqual([]);
    expect(() => usedImages("dev", { deployment: {} })).toThrow();
  });
});
