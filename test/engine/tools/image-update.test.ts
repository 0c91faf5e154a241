/** `hyperlab image update` with the real package programs, before an archive of the past that the test serves. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { guestDigest } from "../../../images/guest.ts";
import { slurmRecipe } from "../../../images/recipe.ts";
import { ImageLab } from "../../support/image-lab.ts";
import { type ArchivedPackage, SnapshotArchive } from "../../support/snapshot-archive.ts";
import { labText } from "../../unit/config/lab-text.ts";

const [september, october] = ["20250901T000000Z", "20251001T000000Z"];
const recipe = slurmRecipe(guestDigest(), { packages: ["tree"], snapshot: september });
const block = "image:\n  # the packages of one day\n  snapshot: 2025-09-01 # a Monday\n  packages: [tree]";
const file = labText({ hpc: block });
const used = "1".repeat(16);

/** The main archive: a small system and everything that the image asks for, some of it as given. */
function mainWith(given: readonly ArchivedPackage[]): ArchivedPackage[] {
  const system: ArchivedPackage[] = [
    { name: "base-files", version: "13.1", essential: true, depends: "libssl3t64, libgnutls30t64, tzdata" },
    { name: "apt", version: "3.0.3" },
    { name: "libssl3t64", version: "3.5.1-1" },
    { name: "tzdata", version: "2025a-1" },
  ];
  const asked = recipe.packages.map((name) => ({ name, version: "1.0-1" }));
  const names = new Set(given.map(({ name }) => name));
  return [...[...system, ...asked].filter(({ name }) => !names.has(name)), ...given];
}

const archive = new SnapshotArchive({
  [september]: {
    main: mainWith([
      { name: "libgnutls30t64", version: "3.8.9-3" },
      { name: "slurmd", version: "24.11.5-4", depends: "libold1" },
      { name: "libold1", version: "1.0-1" },
    ]),
  },
  // A point release took in one of the two security fixes, and a newer slurmd that needs another library.
  [october]: {
    main: mainWith([
      { name: "libgnutls30t64", version: "3.8.9-3+deb13u1" },
      { name: "slurmd", version: "24.11.6-1", depends: "libnew1" },
      { name: "libnew1", version: "2.0-1" },
    ]),
    updates: [{ name: "tzdata", version: "2025b-0+deb13u1" }],
    security: [
      { name: "libgnutls30t64", version: "3.8.9-3+deb13u1" },
      { name: "libssl3t64", version: "3.5.1-1+deb13u2" },
    ],
  },
});

const folder = mkdtempSync(join(tmpdir(), "hyperlab-update-"));
let imageUpdate: typeof import("../../../tools/commands/image-update.ts").imageUpdate;
let mirror = "";
let installed: string[];
let lab: ImageLab;

beforeAll(async () => {
  // Only the key is replaced: nobody but Debian signs with Debian's.
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(folder, "key.gpg"), archive.key.keyring);
  const program = `#!/bin/sh\nPATH=\${PATH#${bin}:}\nexec mmdebstrap "$@" --keyring=${folder}/key.gpg\n`;
  writeFileSync(join(bin, "mmdebstrap"), program);
  chmodSync(join(bin, "mmdebstrap"), 0o755);
  chmodSync(folder, 0o755);
  vi.stubEnv("PATH", `${bin}:${process.env.PATH}`);
  mirror = await archive.listen();
  vi.stubEnv("HYPERLAB_SNAPSHOT_MIRROR", mirror);
  // The search path is taken when the module is loaded.
  const { resolvePackages } = await import("../../../images/packages.ts");
  ({ imageUpdate } = await import("../../../tools/commands/image-update.ts"));
  const packages = await resolvePackages(recipe, join(folder, "images"));
  installed = packages.map(({ name, version }) => `${name} ${version}`);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await archive.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  vi.stubEnv("HYPERLAB_SNAPSHOT_MIRROR", mirror);
  lab = new ImageLab(file);
  lab.store(used, installed);
  lab.deploy("dev", used);
});
afterEach(() => lab.dispose());

const options = { dryRun: false, yes: false, json: false };
const untouchable = { bringUp: () => Promise.reject(new Error("nothing is to be brought up")) };
const answer = (text: string) => async () => text;

describe("an update to a later moment of the archive", () => {
  it("lists what is changed, added and removed, security updates first, and the machines", async () => {
    const dryRun = { ...options, dryRun: true, snapshot: "2025-10-01" };
    expect(await imageUpdate(lab.context, dryRun, untouchable)).toBe(0);
    const changes = `Security updates (2):
  libgnutls30t64 3.8.9-3 -> 3.8.9-3+deb13u1
  libssl3t64 3.5.1-1 -> 3.5.1-1+deb13u2
Changed (2):
  slurmd 24.11.5-4 -> 24.11.6-1
  tzdata 2025a-1 -> 2025b-0+deb13u1
Added (1):
  libnew1 2.0-1
Removed (1):
  libold1 1.0-1
To be rebuilt, one after another: lab-controller, lab-compute-01
`;
    expect(lab.shown).toContain(changes);
    expect(lab.file).toBe(file);
    expect(readdirSync(lab.images).sort()).toEqual([`${used}.json`, `${used}.qcow2`]);
  });

  it("moves the moment in the cluster file, and leaves it where the person declines", async () => {
    const wish = { ...options, snapshot: "2025-10-01" };
    const declined = { ...untouchable, question: answer("n") };
    expect(await imageUpdate(lab.context, wish, declined)).toBe(1);
    expect(lab.shown).toContain("Nothing was changed.");
    expect(lab.file).toBe(file);
    const brought: string[] = [];
    const bringUp = async () => {
      brought.push(lab.file);
      return 0;
    };
    expect(await imageUpdate(lab.context, wish, { bringUp, question: answer("y") })).toBe(0);
    const after = file.replace("snapshot: 2025-09-01 # a Monday", "snapshot: 2025-10-01 # a Monday");
    expect(brought).toEqual([after]);
    expect(lab.file).toBe(after);
  });

  it("goes to the present without a moment, which is the last one that the archive has", async () => {
    const edges = { bringUp: async () => 0, now: () => new Date("2025-10-15T09:30:15Z") };
    expect(await imageUpdate(lab.context, { ...options, yes: true }, edges)).toBe(0);
    expect(lab.shown).toContain("libssl3t64 3.5.1-1 -> 3.5.1-1+deb13u2");
    expect(lab.file).toBe(file.replace("2025-09-01", "20251015T093015Z"));
    expect(archive.asked).toContain("/archive/debian/20251015T093015Z/dists/trixie/Release");
    expect(archive.asked).toContain(`/archive/debian-security/${october}/dists/trixie-security/Release`);
  });
});

describe("an update", () => {
  const unasked = { ...options, yes: true };

  it("to a moment with the same packages changes nothing", async () => {
    expect(await imageUpdate(lab.context, { ...unasked, snapshot: "2025-09-30" }, untouchable)).toBe(0);
    expect(lab.shown).toContain("The image in use has exactly these packages already.\n");
    expect(lab.file).toBe(file);
  });

  it("to a moment before the archive began changes nothing, and says where it was looked for", async () => {
    const update = imageUpdate(lab.context, { ...unasked, snapshot: "2025-01-01" }, untouchable);
    const said = `archive of 20250101T000000Z (image.snapshot) could not be had from ${mirror}`;
    await expect(update).rejects.toThrow(said);
    expect(lab.file).toBe(file);
  });

  it("to an archive that somebody else signed is refused", async () => {
    const other = new SnapshotArchive({ [october]: { main: mainWith([]) } });
    vi.stubEnv("HYPERLAB_SNAPSHOT_MIRROR", await other.listen());
    try {
      const update = imageUpdate(lab.context, { ...unasked, snapshot: "2025-10-01" }, untouchable);
      await expect(update).rejects.toThrow("trixie Release' is not signed");
      expect(lab.file).toBe(file);
    } finally {
      await other.close();
    }
  });
});
