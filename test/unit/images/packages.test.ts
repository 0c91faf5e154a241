import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { guestDigest } from "../../../images/guest.ts";
import { slurmRecipe } from "../../../images/recipe.ts";

/** A script in place of mmdebstrap, which says what it was asked and what apt would install. */
const folder = mkdtempSync(join(tmpdir(), "hyperlab-packages-"));
beforeAll(() => {
  const file = join(folder, "bin", "mmdebstrap");
  mkdirSync(join(folder, "bin"));
  const lines = [
    "Inst slurmd (24.11.5-4+deb13u1 Debian-Security:13/stable-security [amd64])",
    "Inst lsb-base (11.6 Debian:13.8/stable [all])",
  ];
  const says = lines.map((line) => `echo '${line}' >&2`).join("\n");
  writeFileSync(file, `#!/bin/sh\nprintf '%s\\n' "$@" > ${folder}/arguments\n${says}\n`);
  chmodSync(file, 0o755);
  vi.stubEnv("HYPERLAB_SNAPSHOT_MIRROR", "");
  vi.stubEnv("PATH", `${join(folder, "bin")}:${process.env.PATH}`);
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

it("what an image would have is asked with the arguments of a build, and leaves nothing behind", async () => {
  // The search path is taken when the module is loaded.
  const { resolvePackages } = await import("../../../images/packages.ts");
  const output = join(folder, "images");
  const recipe = slurmRecipe(guestDigest(), { packages: ["zsh"], snapshot: "20261101T000000Z" });
  expect(await resolvePackages(recipe, output)).toEqual([
    { name: "slurmd", version: "24.11.5-4+deb13u1", security: true },
  ]);
  const words = readFileSync(join(folder, "arguments"), "utf8").split("\n");
  expect(words).toEqual(expect.arrayContaining(["--simulate", "--variant=minbase", "trixie"]));
  expect(words.find((word) => word.startsWith("--include="))?.split(/[=,]/)).toContain("zsh");
  expect(words).toContain(
    "deb [check-valid-until=no] http://snapshot.debian.org/archive/debian/20261101T000000Z trixie main",
  );
  expect(readdirSync(output)).toEqual([]);
  // Who asks for the package by name gets it.
  const asked = slurmRecipe(guestDigest(), { packages: ["lsb-base"] });
  expect((await resolvePackages(asked, output)).map(({ name }) => name)).toEqual(["lsb-base", "slurmd"]);
});
