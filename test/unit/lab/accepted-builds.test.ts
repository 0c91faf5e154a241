import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { builtImages } from "../../../lab/image-software.ts";
import { acceptedBuilds, builtSoftware } from "../../../lab/images.ts";
import type { ImageFact, ImageSoftware, Known } from "../../../planning/index.ts";

const id = "0123456789abcdef";
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperlab-accept-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const manifest = () => join(folder, `${id}.json`);
const store = (...packages: string[]) =>
  writeFileSync(manifest(), JSON.stringify({ id, sizeBytes: 1, packages, recipe: {} }));
const fact = (software: Known<ImageSoftware>): ImageFact => ({
  path: join(folder, `${id}.qcow2`),
  identity: { id },
  format: { known: true, value: "qcow2" },
  virtualSizeMiB: { known: true, value: 4096 },
  software,
});
const builds = { base: { arguments: ["build"], identity: id } };

describe("an image that is built during an update", () => {
  it("is looked at when it is there, with the packages that the build got", async () => {
    const software = await builtSoftware(manifest());
    expect(software).toEqual({ known: false, why: expect.stringContaining("not built yet") });
    const seen: unknown[] = [];
    const images = { builds, facts: { base: fact(software) } };
    const { base } = acceptedBuilds(images, async (facts) => {
      seen.push(facts.base?.software);
    });
    store("slurmctld 24.11.5-4", "mariadb-server 1:11.8.3-1", "zsh 5-1");
    await base?.accept?.();
    expect(seen).toEqual([{ known: true, value: { slurm: "24.11.5-4", mariadb: "1:11.8.3-1" } }]);
  });

  it("is not looked at a second time where the preview knew it", async () => {
    store("slurmd 24.11.5-4");
    const software = await builtSoftware(manifest());
    expect(software).toEqual({ known: true, value: { slurm: "24.11.5-4" } });
    const images = { builds, facts: { base: fact(software) } };
    expect(acceptedBuilds(images, async () => undefined)).toEqual(builds);
  });
});

it("built images are known by the volume that they have in a cluster's pool; other files are none", async () => {
  store("slurmctld 24.11.5-4");
  writeFileSync(join(folder, "fedcba9876543210.json"), "{");
  writeFileSync(join(folder, "notes.json"), "{}");
  expect(Object.entries(await builtImages("lab", folder))).toEqual([
    [expect.stringMatching(/^lab-base-[0-9a-f]{12}\.qcow2$/), { slurm: "24.11.5-4" }],
  ]);
  expect(await builtImages("lab", join(folder, "nowhere"))).toEqual({});
});
