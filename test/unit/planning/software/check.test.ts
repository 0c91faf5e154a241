import { describe, expect, it } from "vitest";
import type { ImageSoftware, Known, LabFacts } from "../../../../planning/index.ts";
import { labText, loaded } from "../../config/lab-text.ts";
import { briefly, config, findingsOf, goodFacts, planned } from "../lab.ts";

const lab = config();
const software = (slurm: string, mariadb = "1:11.8.3-0+deb13u1"): ImageSoftware => ({ slurm, mariadb });
const present = "24.11.5-4";

interface World {
  /** In use; undefined: the image was not built on this machine. */
  before?: ImageSoftware | undefined;
  after: Known<ImageSoftware>;
  /** Machines that still have the old image; default all. */
  onOld?: (name: string) => boolean;
}

function facts({ before, after, onOld = () => true }: World, of = lab): LabFacts {
  const good = goodFacts(of);
  const plan = planned(of, good);
  const base = good.images.base;
  if (base === undefined) throw new Error("no image");
  const volume = plan.images.find(({ key }) => key === "base")?.volume ?? "";
  const domains = [plan.controller, ...plan.computeNodes].map(({ name }) => ({
    name,
    owned: true,
    running: true,
    memoryMiB: 1,
    vcpus: 1,
    macs: [],
    pinnedCpus: [],
    rootImage: onOld(name) ? "lab-base-old.qcow2" : volume,
  }));
  return {
    ...good,
    host: { ...good.host, domains: { known: true, value: domains } },
    images: { ...good.images, base: { ...base, software: after } },
    ...(before === undefined ? {} : { builtImages: { "lab-base-old.qcow2": before } }),
  };
}

const has = (slurm: string, mariadb?: string): Known<ImageSoftware> => ({
  known: true,
  value: software(slurm, mariadb),
});
const check = (world: World) => briefly(findingsOf(lab, facts(world)));
const machines = planned(lab).computeNodes.length + 1;

describe("the versions of a new image", () => {
  it("that are the same or newer are no finding", () => {
    expect(check({ before: software(present), after: has(present) })).toEqual([]);
    expect(check({ before: software(present), after: has("25.05.3-1", "1:12.1.2-1") })).toEqual([]);
  });

  it("that are older stop the run, in one finding for all machines", () => {
    const found = findingsOf(lab, facts({ before: software("25.05.3-1"), after: has(present) }));
    expect(briefly(found)).toEqual(["error slurm-downgrade clusters.hpc.image"]);
    expect(found[0]?.text).toMatch(
      /^lab-controller, lab-compute-01.* would go from SLURM 25\.05\.3-1 back to 24\.11\.5-4: /,
    );
    expect(found[0]?.remedy).toContain("SLURM 25.05 or newer");
    expect(machines).toBeGreaterThan(1);
  });

  it("that skip too many releases stop the run", () => {
    const found = check({ before: software("22.05.8-4"), after: has(present) });
    expect(found).toEqual(["error slurm-step-too-large clusters.hpc.image"]);
  });

  it("of the same release but an older patch level are a warning", () => {
    expect(check({ before: software("24.11.6-1"), after: has(present) })).toEqual([
      "warning slurm-older-patch clusters.hpc.image",
    ]);
  });

  it("with an older series of MariaDB stop the run, for the controller's data alone", () => {
    const before = software(present, "1:11.8.3-1");
    const found = findingsOf(lab, facts({ before, after: has(present, "1:11.4.2-1") }));
    expect(briefly(found)).toEqual(["error mariadb-downgrade clusters.hpc.image"]);
    expect(found[0]?.text).toMatch(/^lab-controller would go from MariaDB/);
  });

  it.each<[string, World]>([
    ["in use", { after: has(present) }],
    ["to come", { before: software(present), after: { known: false, why: "it is not built yet" } }],
    ["in both", { after: { known: false, why: "it is not built yet" } }],
  ])("that nobody knows (%s) are unknown, never passed", (_where, world) => {
    expect(check(world)).toEqual(["unknown image-software-unknown clusters.hpc.image"]);
  });

  it("are compared for the machines that still change, and for no others", () => {
    const world = { after: has(present), onOld: (name: string) => name.endsWith("-02") };
    const found = findingsOf(lab, facts(world));
    expect(found.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^lab-compute-02 gets another image/),
    ]);
    expect(check({ ...world, onOld: () => false })).toEqual([]);
  });

  it("are no finding where nothing exists yet, or the host was not asked", () => {
    expect(findingsOf(lab, goodFacts(lab))).toEqual([]);
    const silent = { ...goodFacts(lab).host, domains: { known: false, why: "asleep" } as const };
    const ids = findingsOf(lab, { ...goodFacts(lab), host: silent }).map(({ id }) => id);
    expect(ids.filter((id) => /slurm|software|mariadb/.test(id))).toEqual([]);
  });
});

describe("a controller with an image of its own", () => {
  const place = "ip_address: 10.50.0.2";
  const own = (path: string) => loaded(labText().replace(place, `${place}, base_image_path: ${path}`)).config;

  it("takes another one without any node or its seed being changed", () => {
    const before = planned(own("/srv/one.qcow2"));
    const lab = own("/srv/two.qcow2");
    const good = goodFacts(lab);
    const images = Object.fromEntries(
      Object.entries(good.images).map(([key, fact]) => [
        key,
        key.startsWith("image-") ? { ...fact, identity: { sha256: "6".repeat(64) } } : fact,
      ]),
    );
    const after = planned(lab, { ...good, images });
    expect(after.controller.domain.rootDisk.image).not.toBe(before.controller.domain.rootDisk.image);
    expect(after.computeNodes).toEqual(before.computeNodes);
    const nodeSeeds = (plan: typeof after) => plan.seeds.filter(({ role }) => role === "compute");
    expect(nodeSeeds(after)).toEqual(nodeSeeds(before));
    expect(after.slurm).toEqual(before.slurm);
  });

  it("from the cluster's image moves alone as well", () => {
    const [before, after] = [planned(config()), planned(own("/srv/one.qcow2"))];
    expect(after.computeNodes).toEqual(before.computeNodes);
    expect(after.controller.instanceId).not.toBe(before.controller.instanceId);
  });

  it("may not leave its nodes too many releases behind", () => {
    const lab = own("/srv/one.qcow2");
    const good = facts({ before: software(present), after: has(present), onOld: () => false }, lab);
    const images = Object.entries(good.images).map(([key, fact]) => [
      key,
      key.startsWith("image-") ? { ...fact, software: has("26.11.1-1") } : fact,
    ]);
    const found = findingsOf(lab, { ...good, images: Object.fromEntries(images) });
    expect(briefly(found)).toContain("error slurm-node-too-old clusters.hpc.image");
  });

  it("may not be older than its nodes", () => {
    const lab = own("/srv/one.qcow2");
    const good = facts({ before: software("25.05.1-1"), after: has("25.05.1-1"), onOld: () => false }, lab);
    const key = Object.keys(good.images).find((name) => name.startsWith("image-")) ?? "";
    const image = good.images[key];
    if (image === undefined) throw new Error("no image of the controller's own");
    const images = { ...good.images, [key]: { ...image, software: has(present) } };
    const found = findingsOf(lab, { ...good, images });
    expect(briefly(found)).toContain("error slurm-node-newer clusters.hpc.image");
  });
});
