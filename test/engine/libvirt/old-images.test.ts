/** What becomes of an image that another one takes the place of, and of an update that refuses its own image. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DomainInputs } from "../../../providers/libvirt/resources/inputs.ts";
import type { Declaration } from "../support/declaration.ts";
import { machine, writeGuestImage } from "../support/guest.ts";
import { Lab, type Stack } from "../support/lab.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
  for (const text of ["1", "2"]) writeGuestImage(lab.folder(`${text}.raw`), "polite", text);
});
afterAll(() => lab?.stop());

/** Images of the pool, without machines' disks and marks. */
async function images(): Promise<string[]> {
  const { volumes } = await lab.inventory();
  return volumes.filter((name) => /^lab\/base-\d$/.test(name));
}

describe("the old image", () => {
  let stack: Stack;
  const onImage = (name: string, image: string): DomainInputs =>
    machine(name, { rootDisk: { pool: "lab", image: `base-${image}`, sizeMiB: 4 }, rolloutGroup: "nodes" });
  /** One image resource, whose volume has the image's identity in its name. */
  const declare = (image: string, machines: Readonly<Record<string, string>>): Promise<void> => {
    const declaration: Partial<Declaration> = {
      pools: { pool: { name: "lab", path: lab.folder("pool") } },
      volumes: {
        base: { name: `base-${image}`, pool: "lab", source: { path: lab.folder(`${image}.raw`), id: image } },
      },
      domains: Object.fromEntries(
        Object.entries(machines).map(([name, of]) => [name, onImage(name, of)] as const),
      ),
    };
    return stack.declare(declaration);
  };

  beforeAll(async () => {
    stack = await lab.stack("owner-of-images");
    await declare("1", { first: "1", second: "1" });
    await stack.must("up");
    expect(await images()).toEqual(["lab/base-1"]);
  });

  it("stays while the root disk of a machine is an overlay of it, and the update says of which", async () => {
    await declare("2", { first: "2", second: "1" });
    const said = await stack.mustFail("up");
    expect(said).toMatch(
      /the volume "base-1" in pool "lab" cannot be deleted while it is used by volume second-root-/,
    );
    expect(await images()).toEqual(["lab/base-1", "lab/base-2"]);
  });

  it("goes at the end of the update after which nothing uses it", async () => {
    await declare("2", { first: "2", second: "2" });
    await stack.must("up");
    expect(await images()).toEqual(["lab/base-2"]);
    expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});
  });
});

describe("an update that ends itself", () => {
  it("says why once, and begins nothing that waited", async () => {
    const stack = await lab.stack("owner-of-end", { program: "test/engine/support/ending-program.ts" });
    await stack.must("preview");
    const ran = await stack.run("up");
    expect(ran.code).not.toBe(0);
    expect(ran.ops).toHaveProperty("first");
    for (const waiting of ["second", "third"]) expect(ran.ops).not.toHaveProperty(waiting);
    const errors = ran.events.flatMap((event) =>
      event.kind === "message" && event.severity === "error" ? [event.text.trim()] : [],
    );
    expect(errors).toEqual(["this image may not be taken"]);
  });
});
