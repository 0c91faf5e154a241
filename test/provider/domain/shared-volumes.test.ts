import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ProviderRun } from "../../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { wireError } from "../../support/plugin-client.ts";

let host: OwnLibvirtd;
let run: ProviderRun;

beforeAll(async () => {
  host = await startOwnLibvirtd();
  run = await ProviderRun.start({ uri: host.qemuUri, owner: "owner-of-shared-volumes" });
});
afterAll(async () => {
  await run.stop();
  await host.stop();
});

const machine = (name: string) =>
  run.create("Domain", name, {
    name,
    vcpus: 1,
    memoryMiB: 64,
    type: "qemu",
    running: false,
    quiesce: { hook: "never" },
    ready: { wait: "none" },
    rootDisk: { pool: "shared", image: "image", sizeMiB: 16 },
  });

describe("an image that is read once for all machines of a run", () => {
  it("is seen when the run makes it after it was missing, and again after the run has changed it", async () => {
    await run.create("Pool", "pool", { name: "shared", path: join(host.directory, "shared") });
    expect((await wireError(machine("early"))).message).toContain('there is no image "image"');
    const image = await run.create("Volume", "image", { name: "image", pool: "shared", sizeMiB: 8 });
    await machine("first").then((made) => run.delete(made));
    await run.update(image, { name: "image", pool: "shared", sizeMiB: 32 });
    expect((await wireError(machine("late"))).message).toContain('the image "image" needs 32 MiB');
  });
});
