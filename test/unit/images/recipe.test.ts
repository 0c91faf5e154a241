import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stableUuid } from "../../../images/disk.ts";
import { filesDigest, guestDigest, guestFiles, imagesDirectory } from "../../../images/guest.ts";
import {
  canonicalRecipe,
  imagePath,
  manifestPath,
  parseRecipe,
  type RecipeFile,
  recipeId,
  recipeProblems,
  slurmRecipe,
} from "../../../images/recipe.ts";

const guest = "a".repeat(64);
const word = fc.stringMatching(/^[a-z][a-z0-9-]{1,12}$/);
const file: fc.Arbitrary<RecipeFile> = fc.record({
  path: word.map((name) => `/opt/${name}`),
  content: fc.string(),
  mode: fc.integer({ min: 0, max: 0o777 }),
});
const additions = fc.record({
  packages: fc.array(word),
  files: fc.uniqueArray(file, { selector: (each) => each.path, maxLength: 5 }),
  units: fc.array(word.map((name) => `${name}.service`)),
});

describe("identity of a recipe", () => {
  it("stays as it is", () => {
    // A change here gives every cluster that asks for a new image another one: it is a release note.
    const plain = slurmRecipe(guest);
    expect(recipeId(plain)).toMatch(/^[0-9a-f]{16}$/);
    expect(recipeId(plain)).toBe(recipeId(slurmRecipe(guest, {})));
    expect(imagePath("/cache", plain)).toBe(`/cache/${recipeId(plain)}.qcow2`);
    expect(manifestPath("/cache", plain)).toBe(`/cache/${recipeId(plain)}.json`);
  });

  it("does not depend on order or repetition", () => {
    fc.assert(
      fc.property(additions, (given) => {
        const turned = {
          packages: [...given.packages, ...given.packages].reverse(),
          files: [...given.files].reverse(),
          units: [...given.units].reverse(),
        };
        expect(recipeId(slurmRecipe(guest, turned))).toBe(recipeId(slurmRecipe(guest, given)));
      }),
    );
  });

  it("survives its own text", () => {
    fc.assert(
      fc.property(additions, (given) => {
        const recipe = slurmRecipe(guest, given);
        const again = parseRecipe(canonicalRecipe(recipe));
        expect(recipeId(again)).toBe(recipeId(recipe));
        expect(canonicalRecipe(again)).toBe(canonicalRecipe(recipe));
      }),
    );
  });

  it.each([
    ["a package", { packages: ["htop"] }],
    ["a file", { files: [{ path: "/etc/motd", content: "hi\n" }] }],
    ["a unit", { units: ["nginx.service"] }],
    ["a kernel argument", { kernelArguments: ["iommu=pt"] }],
    ["the kernel", { kernel: "generic" as const }],
    ["the size", { sizeMiB: 8192 }],
  ])("changes with %s", (_, change) => {
    expect(recipeId(slurmRecipe(guest, change))).not.toBe(recipeId(slurmRecipe(guest)));
  });

  it("changes with the guest software and with a file's mode", () => {
    expect(recipeId(slurmRecipe("b".repeat(64)))).not.toBe(recipeId(slurmRecipe(guest)));
    const withMode = (mode: number) =>
      recipeId(slurmRecipe(guest, { files: [{ path: "/a", content: "", mode }] }));
    expect(withMode(0o755)).not.toBe(withMode(0o644));
  });
});

describe("problems of a recipe", () => {
  it("has none as shipped", () => {
    expect(recipeProblems(slurmRecipe(guestDigest()))).toEqual([]);
  });

  it.each([
    [{ packages: ["a b"] }, 'packages: "a b" is not a Debian package name'],
    [{ packages: ["--option"] }, 'packages: "--option" is not a Debian package name'],
    [{ units: ["x"] }, 'units: "x" is not a systemd unit name, for example "nginx.service"'],
    [{ kernelArguments: ["a b"] }, 'kernelArguments: "a b" is not one printable word'],
    [{ files: [{ path: "etc/x", content: "" }] }, 'files: "etc/x" is not a plain absolute path'],
    [{ files: [{ path: "/etc/../x", content: "" }] }, 'files: "/etc/../x" is not a plain absolute path'],
    [
      {
        files: [
          { path: "/x", content: "" },
          { path: "/x", content: "1" },
        ],
      },
      'files: "/x" appears twice',
    ],
    [
      { files: [{ path: "/x", content: "", mode: 0o10000 }] },
      'files: mode of "/x" is not between 0 and 07777',
    ],
    [{ sizeMiB: 100 }, "sizeMiB: 100 is not an integer between 2048 and 1048576"],
  ])("%j", (given, problem) => {
    expect(recipeProblems(slurmRecipe(guest, given))).toEqual([problem]);
  });

  it("are told of text that is no recipe", () => {
    expect(() => parseRecipe("{")).toThrow("The recipe is not JSON");
    const extra = { ...JSON.parse(canonicalRecipe(slurmRecipe(guest))), colour: "red" };
    expect(() => parseRecipe(JSON.stringify(extra))).toThrow(/colour/);
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => parseRecipe(JSON.stringify(value))).toThrow();
      }),
    );
  });
});

describe("the guest software", () => {
  const files = guestFiles();
  it("has programs that can be run and settings that cannot", () => {
    const mode = (name: string) => files.find((each) => each.path === name)?.mode;
    expect(mode("/usr/lib/hyperlab/ready")).toBe(0o755);
    expect(mode("/usr/lib/hyperlab/ready.d/50-slurm")).toBe(0o755);
    expect(mode("/usr/lib/hyperlab/hyperlab/node.py")).toBe(0o644);
    expect(mode("/etc/sudoers.d/hyperlab")).toBe(0o440);
  });

  it("has every program of the contract", () => {
    const contract = readFileSync(path.join(imagesDirectory(), "..", "docs", "guest-contract.md"), "utf8");
    const programs = [...contract.matchAll(/^\| `(\/usr\/lib\/hyperlab\/[a-z]+)` \|/gm)].map(
      ([, name]) => name,
    );
    expect(programs.length).toBeGreaterThanOrEqual(6);
    for (const program of programs) expect(files.map((each) => each.path)).toContain(program);
  });

  it("has a digest that sees each part", () => {
    const [first, ...rest] = files;
    if (first === undefined) throw new Error("no guest files");
    const digests = [files, rest, [{ ...first, mode: 0 }, ...rest], [{ ...first, content: "" }, ...rest]];
    expect(new Set(digests.map(filesDigest)).size).toBe(4);
  });

  it("enables only units that it has or that packages have", () => {
    const own = files.flatMap(
      (each) => /^\/usr\/lib\/systemd\/system\/(hyperlab[^/]*)$/.exec(each.path)?.[1] ?? [],
    );
    const recipe = slurmRecipe(guest);
    for (const unit of recipe.enable.filter((name) => name.startsWith("hyperlab-")))
      expect(own).toContain(unit);
  });
});

describe("stable ids of partitions", () => {
  it("are UUIDs of version 8, one per purpose", () => {
    fc.assert(
      fc.property(fc.string(), (id) => {
        const [root, esp] = [stableUuid(id, "root"), stableUuid(id, "esp")];
        expect(root).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(root).toBe(stableUuid(id, "root"));
        expect(root).not.toBe(esp);
      }),
    );
  });
});
