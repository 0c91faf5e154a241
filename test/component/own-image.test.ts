import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HpcCluster } from "../../components/hpc-cluster/index.ts";
import { loadLabFile } from "../../config/index.ts";
import { cloudGuestId } from "../../images/cloud-guest.ts";
import { Decisions } from "../../lab/held.ts";
import { resolveImages } from "../../lab/images.ts";
import { imageRequests, planLab, unknownHost } from "../../planning/index.ts";
import { RecordingMocks, type Registered, resolved } from "./support.ts";

let cache = "";
beforeAll(() => {
  cache = mkdtempSync(join(tmpdir(), "hyperlab-own-image-"));
});
afterAll(() => rmSync(cache, { recursive: true }));

const url = "https://images.example.org/site.qcow2";
const sha256 = "5".repeat(64);
const imageOf = (revision: number) =>
  `image: { url: "${url}", sha256: "${sha256}", packages: [zsh], revision: ${revision} }`;

/** What the program declares for the example with an image of the user's own, as `declareLab` does it. */
async function declare(kept: Readonly<Record<string, unknown>> = {}, revision = 1): Promise<RecordingMocks> {
  const mocks = new RecordingMocks(false, { kept });
  await pulumi.runtime.setMocks(mocks, "hyperlab", "test", false);
  const text = readFileSync("examples/dev.yaml", "utf8").replace(
    "    network:\n",
    `    ${imageOf(revision)}\n    network:\n`,
  );
  const loaded = loadLabFile(text, "dev.yaml");
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const images = await resolveImages(new Decisions(), "dev", imageRequests(loaded.config), cache);
  const host = { ...unknownHost("a test"), kvm: { known: true, value: false } as const };
  const invoker = { name: "ada", sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm ada"] };
  const { plan } = planLab(loaded.config, { invoker, host, images: images.facts });
  if (plan.hpc === undefined) throw new Error("the example plans no cluster");
  const cluster = new HpcCluster("dev", {
    plan: plan.hpc,
    owner: "owner",
    secret: "0".repeat(64),
    imageBuilds: images.builds,
  });
  await resolved(cluster.urn);
  await pulumi.runtime.disconnect();
  return mocks;
}

function named(mocks: RecordingMocks, name: string): Registered {
  const found = mocks.registered.find((resource) => resource.name === name);
  if (found === undefined) throw new Error(`nothing is called ${name}`);
  return found;
}

const stash = (mocks: RecordingMocks) =>
  mocks.ofType("pulumi:index:Stash").find(({ name }) => name.startsWith("dev-guest-"))?.name ?? "";

describe("a cluster on a cloud image of the user's own", () => {
  it("has the guest software once, on a volume that a command makes the file of, and every machine takes it", async () => {
    const mocks = await declare();
    const id = cloudGuestId();
    const volume = named(mocks, "dev-guest").inputs;
    expect(volume).toMatchObject({ source: { path: join(cache, "images", `guest-${id}.iso`), id } });
    expect(named(mocks, "dev-guest-build").inputs).toMatchObject({
      create: expect.stringMatching(new RegExp(`images/main.js guest --id ${id}$`)),
      triggers: [id],
    });
    expect(named(mocks, "dev-base-build").inputs).toMatchObject({
      create: expect.stringContaining(`fetch --url ${url} --sha256 ${sha256}`),
    });
    for (const domain of mocks.ofType("libvirt:index:Domain")) {
      expect(domain.inputs.disks, domain.name).toContainEqual({
        pool: "dev-pool",
        volume: volume.name,
        target: "vdy",
        serial: "hyperlab-guest",
        readOnly: true,
      });
    }
    for (const seed of ["dev-seed-controller-cloud-image", "dev-seed-compute-cloud-image"]) {
      const content = JSON.stringify(named(mocks, seed).inputs.seed);
      expect(content).toContain("hyperlab-bootstrap.service");
      expect(content).toContain("/etc/hyperlab/packages");
    }
  });

  it("costs the state little", async () => {
    const mocks = await declare();
    const size = (name: string) => JSON.stringify(named(mocks, name).inputs).length;
    const own = ["dev-guest", "dev-guest-build", stash(mocks)].map(size);
    expect(own.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(1024);
    expect(size("dev-seed-compute-cloud-image")).toBeLessThan(4096);
  });

  it("keeps the guest software of the release that made it, until the person asks for a new one", async () => {
    const first = await declare();
    const kept = { [stash(first)]: "0123456789abcdef" };
    const later = await declare(kept);
    expect(named(later, "dev-guest").inputs).toMatchObject({ source: { id: "0123456789abcdef" } });
    const asked = await declare(kept, 2);
    expect(named(asked, "dev-guest").inputs).toMatchObject({ source: { id: cloudGuestId() } });
    const serial = (mocks: RecordingMocks) => named(mocks, "dev-compute-01").inputs.smbiosSerial;
    expect(serial(asked)).not.toBe(serial(later));
  });
});
