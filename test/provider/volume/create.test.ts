import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { clearHost } from "../../support/libvirt-provider.ts";
import { wireError } from "../../support/plugin-client.ts";
import { owner, qemuImg, urn, VolumeHost } from "./harness.ts";

const host = new VolumeHost();

describe("a blank volume", () => {
  const inputs = { name: "state", pool: "vpool", sizeMiB: 20 };

  it("is made, read as declared, and removed without a trace", async () => {
    const volume = await host.run.create("Volume", "disk", inputs);
    expect(volume.id).toBe("vpool/state");
    expect(volume.state).toMatchObject({ path: join(host.path, "state"), capacityMiB: 20 });
    expect(JSON.parse(qemuImg("info", "--output=json", join(host.path, "state")))).toMatchObject({
      format: "qcow2",
      "virtual-size": 20 * 1024 * 1024,
    });
    expect(statSync(join(host.path, "state")).mode & 0o777).toBe(0o600);
    await host.withRun(owner, async (again) => {
      expect(await again.read(volume)).toEqual(volume);
      expect((await again.update(volume, inputs)).diff.changes).toBe("none");
    });
    await host.run.delete(volume);
    expect(await host.volumeNames()).toEqual([]);
    await host.run.delete(volume);
    await host.run.delete(host.pool);
    expect(existsSync(host.path)).toBe(false);
  });

  it("has outputs that the preview knows, as far as the host is known", async () => {
    const foreseen = await host.run.client.create(urn, inputs, { preview: true });
    expect(foreseen.id).toBe("vpool/state");
    expect(foreseen.outputs).toMatchObject({ path: join(host.path, "state"), capacityMiB: 20 });
    await host.withRun(owner, async (other) => {
      await other.client.configure({ uri: `qemu+unix:///system?socket=${host.path}/none`, owner });
      const away = await other.client.create(urn, inputs, { preview: true });
      expect(away.id).toBe("vpool/state");
    });
  });

  it("grows live and never shrinks", async () => {
    const volume = await host.run.create("Volume", "disk", inputs);
    const { recorded, diff } = await host.run.update(volume, { ...inputs, sizeMiB: 40 });
    expect(diff).toMatchObject({ changes: "some", detailed: { sizeMiB: "update" }, replaces: [] });
    expect(recorded.state).toMatchObject({ capacityMiB: 40, generation: volume.state.generation });
    expect(JSON.parse(qemuImg("info", "--output=json", join(host.path, "state")))["virtual-size"]).toBe(
      40 * 1024 * 1024,
    );
    await expect(host.run.update(recorded, inputs)).rejects.toThrow(
      "sizeMiB 40 → 20 is not possible: a volume cannot shrink",
    );
    // A size that the host knows and the state does not: refused when it is to be applied.
    const refused = await wireError(
      host.run.client.update(urn, {
        id: volume.id,
        state: volume.state,
        oldInputs: inputs,
        inputs: { ...inputs, sizeMiB: 30 },
      }),
    );
    expect(refused.message).toContain("has 40 MiB and cannot shrink to 30 MiB");
    const preview = await host.run.preview(recorded, { ...inputs, sizeMiB: 50 });
    expect(preview.recorded.state).toMatchObject({ capacityMiB: 50 });
    await host.run.plugin.engine.waitForLine("vpool/state: live: sizeMiB 40 → 50");
  });

  it("keeps its data when the create was killed before it was recorded", async () => {
    const first = await host.run.create("Volume", "disk", { ...inputs, format: "raw" });
    writeFileSync(join(host.path, "state"), "precious", { flag: "r+" });
    const second = await host.run.create("Volume", "disk", { ...inputs, format: "raw" });
    expect(readFileSync(join(host.path, "state")).subarray(0, 8).toString()).toBe("precious");
    expect(second.state.generation).not.toBe(first.state.generation);
    await host.run.delete(first);
    expect(existsSync(join(host.path, "state"))).toBe(true);
    await host.run.delete(second);
    expect(await host.volumeNames()).toEqual([]);
  });

  it("whose delete was killed half-way is deleted to the end, and can be made again", async () => {
    const volume = await host.run.create("Volume", "disk", inputs);
    const found = await host.libvirt.storageVolLookupByPath(join(host.path, "state"));
    if (found === undefined) throw new Error("the volume is missing");
    await host.libvirt.storageVolDelete(found);
    expect((await host.volumeNames()).length).toBe(1);
    await host.run.delete(volume);
    expect(await host.volumeNames()).toEqual([]);
    const again = await host.run.create("Volume", "disk", inputs);
    await host.libvirt.storageVolDelete(found);
    const third = await host.run.create("Volume", "disk", inputs);
    expect((await host.volumeNames()).length).toBe(2);
    await host.run.delete(again);
    expect(existsSync(join(host.path, "state"))).toBe(true);
    await host.run.delete(third);
    expect(await host.volumeNames()).toEqual([]);
  });

  it("whose mark was removed by hand is left in place", async () => {
    const volume = await host.run.create("Volume", "disk", inputs);
    execFileSync("sh", ["-c", `rm ${host.path}/state.hyperlab-*`]);
    await host.withRun(owner, async (other) => {
      expect((await other.read(volume))?.state).toEqual(volume.state);
      await other.plugin.engine.waitForLine("lost the mark of ownership");
      await other.delete(volume);
    });
    expect(await host.volumeNames()).toEqual(["state"]);
  });

  it("of somebody else is refused and left alone, and can be imported", async () => {
    await host.withRun("another-owner", async (other) => {
      const theirs = await other.create("Volume", "disk", inputs);
      const refusal = await wireError(host.run.create("Volume", "disk", inputs));
      expect(refusal.message).toContain("belongs to another stack");
      await other.delete(theirs);
    });
    qemuImg("create", "-q", "-f", "raw", join(host.path, "state"), "5M");
    const refusal = await wireError(host.run.create("Volume", "disk", inputs));
    expect(refusal.message).toContain("it was not made by hyperlab");
    expect(refusal.message).toContain("pulumi import");
    expect(await host.volumeNames()).toEqual(["state"]);
    const imported = await host.run.import("Volume", "disk", "vpool/state");
    expect(imported.inputs).toEqual({ name: "state", pool: "vpool", format: "raw", sizeMiB: 5 });
    expect((await host.run.update(imported, imported.inputs)).diff.changes).toBe("none");
    await host.run.delete(imported);
    expect(await host.volumeNames()).toEqual(["state"]);
  });

  it("is gone when libvirt says so, and kept in the state while it cannot be looked at", async () => {
    const volume = await host.run.create("Volume", "disk", inputs);
    const found = await host.libvirt.storagePoolLookupByName("vpool");
    if (found === undefined) throw new Error("the pool is missing");
    await host.libvirt.storagePoolDestroy(found);
    await host.withRun(owner, async (other) => expect(await other.read(volume)).toEqual(volume));
    await host.libvirt.storagePoolCreate(found);
    execFileSync("rm", [join(host.path, "state")]);
    await host.withRun(owner, async (other) => expect(await other.read(volume)).toBeUndefined());
    await host.run.delete(volume);
    expect(await host.volumeNames()).toEqual([]);
  });
});

describe("a pool without room", () => {
  it("is named with what is free and what is needed", async () => {
    const small = join(host.daemon.directory, "small");
    const daemon = readFileSync(join(host.daemon.directory, "libvirtd.pid"), "utf8").trim();
    const onHost = (...command: string[]) =>
      execFileSync("nsenter", ["--mount", "--target", daemon, ...command], { encoding: "utf8" });
    onHost("mkdir", "-p", small);
    onHost("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small);
    try {
      await host.run.create("Pool", "small", { name: "vsmall", path: small });
      const failure = await wireError(
        host.run.create("Volume", "disk", {
          name: "image",
          pool: "vsmall",
          source: { path: host.image, id: "x" },
        }),
      );
      expect(failure.message).toMatch(
        /the storage pool "vsmall" .* has no room: 1\.0 MiB are free, 3\.\d MiB are needed/,
      );
      expect(onHost("ls", small)).toBe("");
    } finally {
      await clearHost(host.daemon.qemuUri, "vsmall");
      onHost("umount", small);
    }
  });
});

describe("wrong inputs", () => {
  it.each([
    [{ name: "a", pool: "p" }, "sizeMiB: is required for a volume without source and seed"],
    [{ name: "a", pool: "p", source: { path: "/x" } }, "source: needs exactly one of id and sha256"],
    [{ name: "a", pool: "p", source: { path: "/x", id: "i", sha256: "0".repeat(64) } }, "needs exactly one"],
    [{ name: "a", pool: "p", source: { path: "/x", sha256: "xyz" } }, "source.sha256: "],
    [{ name: "a/b", pool: "p", sizeMiB: 1 }, "name: "],
    [{ name: "a", pool: "p", sizeMiB: 1, seed: { userData: "", metaData: "" } }, "sizeMiB: not with a seed"],
  ])("are refused before anything happens", async (inputs, reason) => {
    await expect(host.run.create("Volume", "disk", inputs)).rejects.toThrow(reason);
  });
});
