/** Pools, volumes and networks of a stack: a whole life under the real engine. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { clearHost } from "../../support/libvirt-provider.ts";
import type { Declaration } from "../support/declaration.ts";
import { writeGuestImage } from "../support/guest.ts";
import { Lab } from "../support/lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
  writeGuestImage(lab.folder("image.raw"));
});
afterEach(async () => {
  await lab.dropStacks();
  await clearHost(lab.host.qemuUri, "lab");
});
afterAll(() => lab?.stop());

const basis = (): Partial<Declaration> => ({
  pools: { pool: { name: "lab", path: lab.folder("pool") } },
  networks: {
    network: {
      name: "lab",
      mode: "nat",
      bridge: "lab0",
      address: "10.50.0.1/24",
      dhcpRange: { start: "10.50.0.100", end: "10.50.0.199" },
    },
  },
  volumes: {
    image: { name: "image", pool: "lab", source: { path: lab.folder("image.raw"), id: "image-1" } },
    state: { name: "state", pool: "lab", sizeMiB: 16 },
  },
});

describe("a stack of pool, network and volumes", () => {
  it("is made, changes nothing a second time, and leaves the host as it was found", async () => {
    const found = await lab.inventory();
    const stack = await lab.stack("owner-of-lab-1");
    await stack.declare(basis());
    const t0 = Date.now();
    await stack.must("preview");
    expect(await lab.inventory()).toEqual(found);
    const t1 = Date.now();
    await stack.must("up");
    const t2 = Date.now();
    const made = await lab.inventory();
    expect(made.volumes.filter((name) => !name.includes(".hyperlab-"))).toEqual(["lab/image", "lab/state"]);
    const quiet = await stack.must("preview", ["--expect-no-changes"]);
    expect(quiet.ops).toEqual({});
    expect((await stack.must("up")).ops).toEqual({});
    expect(await lab.inventory()).toEqual(made);
    await stack.must("destroy");
    expect(await lab.inventory()).toEqual(found);
    console.log(t1 - t0, t2 - t1);
  });
});
