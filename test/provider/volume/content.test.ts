import { execFileSync } from "node:child_process";
import { statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { wireError } from "../../support/plugin-client.ts";
import { owner, qemuImg, sha256, VolumeHost } from "./harness.ts";

const host = new VolumeHost();

describe("an uploaded volume", () => {
  const inputs = () => ({ name: "image", pool: "vpool", source: { path: host.image, id: "image-1" } });

  it("equals its source and is recognised by its content", async () => {
    const volume = await host.run.create("Volume", "disk", inputs());
    expect(sha256(join(host.path, "image"))).toBe(sha256(host.image));
    const found = await host.libvirt.storageVolLookupByPath(join(host.path, "image"));
    expect(found && (await host.libvirt.storageVolGetXmlDesc(found))).toContain("<format type='qcow2'/>");
    expect(volume.state).toMatchObject({ capacityMiB: 3 });
    await host.withRun(owner, async (again) => {
      expect(await again.read(volume)).toEqual(volume);
      const moved = { ...inputs(), source: { path: "/somewhere/else", id: "image-1" } };
      expect((await again.update(volume, moved)).diff.changes).toBe("none");
    });
  });

  it("grows to the declared size and is refused below its own", async () => {
    const volume = await host.run.create("Volume", "disk", { ...inputs(), sizeMiB: 64 });
    expect(JSON.parse(qemuImg("info", "--output=json", join(host.path, "image")))["virtual-size"]).toBe(
      64 * 1024 * 1024,
    );
    await host.run.delete(volume);
    const refusal = await wireError(host.run.create("Volume", "disk", { ...inputs(), sizeMiB: 1 }));
    expect(refusal.message).toContain("needs 3 MiB");
    expect(await host.volumeNames()).toEqual([]);
  });

  it("is verified while it is sent; a wrong sum leaves nothing", async () => {
    const wrong = "0".repeat(64);
    const failure = await wireError(
      host.run.create("Volume", "disk", {
        name: "image",
        pool: "vpool",
        source: { path: host.image, sha256: wrong },
      }),
    );
    expect(failure.message).toContain(`its SHA-256 is ${sha256(host.image)}, declared is ${wrong}`);
    expect(await host.volumeNames()).toEqual([]);
    const right = await host.run.create("Volume", "disk", {
      name: "image",
      pool: "vpool",
      source: { path: host.image, sha256: sha256(host.image) },
    });
    expect(right.id).toBe("vpool/image");
  });

  it("is made again after a create that was killed half-way", async () => {
    await host.run.create("Volume", "disk", inputs());
    truncateSync(join(host.path, "image"), 100);
    const volume = await host.run.create("Volume", "disk", inputs());
    expect(sha256(join(host.path, "image"))).toBe(sha256(host.image));
    expect((await host.volumeNames()).length).toBe(2);
    await host.run.delete(volume);
    expect(await host.volumeNames()).toEqual([]);
  });

  it("made from other content is not taken for ours", async () => {
    await host.run.create("Volume", "disk", inputs());
    const refusal = await wireError(
      host.run.create("Volume", "disk", { ...inputs(), source: { path: host.image, id: "image-2" } }),
    );
    expect(refusal.message).toContain("made it from other content");
  });

  it("is refused where the file is missing, no disk, or of another format", async () => {
    const missing = {
      name: "image",
      pool: "vpool",
      source: { path: join(host.daemon.directory, "none"), id: "x" },
    };
    expect((await wireError(host.run.create("Volume", "disk", missing))).message).toContain(
      "correct source.path",
    );
    const script = join(host.daemon.directory, "script");
    writeFileSync(script, "#!/bin/sh\n");
    const noDisk = { name: "image", pool: "vpool", source: { path: script, id: "x" } };
    expect((await wireError(host.run.create("Volume", "disk", noDisk))).message).toContain(
      "neither qcow2 nor a plain disk",
    );
    expect(
      (await wireError(host.run.create("Volume", "disk", { ...inputs(), format: "raw" }))).message,
    ).toContain("is qcow2 by its content, but the volume declares raw");
    const noPool = { ...inputs(), pool: "vnone" };
    expect((await wireError(host.run.create("Volume", "disk", noPool))).message).toContain(
      'no storage pool "vnone"',
    );
    expect(await host.volumeNames()).toEqual([]);
  });

  it("is replaced for its content, but not while it is used", async () => {
    const volume = await host.run.create("Volume", "disk", inputs());
    const news = { ...inputs(), source: { path: host.image, id: "image-2" } };
    const data = { id: volume.id, state: volume.state, oldInputs: volume.inputs, news };
    const diff = await host.run.client.diff(volume.urn, data);
    expect(diff.detailed).toEqual({ "source.id": "updateReplace" });
    expect(diff.deleteBeforeReplace).toBe(true);
    await host.defineUser("vuser", join(host.path, "image"));
    const blocked = await host.withRun(owner, (again) => wireError(again.client.diff(volume.urn, data)));
    expect(blocked.message).toContain("cannot be replaced while it is used by domain vuser");
    expect((await wireError(host.run.delete(volume))).message).toContain(
      "cannot be deleted while it is used by domain vuser",
    );
  });

  it("is not deleted under its overlays", async () => {
    const volume = await host.run.create("Volume", "disk", inputs());
    qemuImg(
      "create",
      "-q",
      "-f",
      "qcow2",
      "-F",
      "qcow2",
      "-b",
      join(host.path, "image"),
      join(host.path, "overlay"),
    );
    expect((await wireError(host.run.delete(volume))).message).toContain("used by volume overlay");
    execFileSync("rm", [join(host.path, "overlay")]);
    await host.run.delete(volume);
    expect(await host.volumeNames()).toEqual([]);
  });

  it("with a new name is made before the old one goes", async () => {
    const volume = await host.run.create("Volume", "disk", inputs());
    const news = { ...inputs(), name: "image-2", source: { path: host.image, id: "image-2" } };
    const diff = await host.run.client.diff(volume.urn, {
      id: volume.id,
      state: volume.state,
      oldInputs: volume.inputs,
      news,
    });
    expect(diff.deleteBeforeReplace).toBe(false);
    expect(diff.replaces.sort()).toEqual(["name", "source.id"]);
    const second = await host.run.create("Volume", "disk", news);
    await host.run.delete(volume);
    expect((await host.volumeNames()).filter((name) => !name.includes(".hyperlab-"))).toEqual(["image-2"]);
    await host.run.delete(second);
  });
});

describe("a seed", () => {
  const seed = { userData: "#cloud-config\nhostname: node\n", metaData: "{}" };
  const inputs = { name: "seed", pool: "vpool", seed };

  it("is an ISO image that root alone reads", async () => {
    const volume = await host.run.create("Volume", "disk", inputs);
    const file = join(host.path, "seed");
    expect(
      execFileSync("blkid", ["-p", "-o", "value", "-s", "LABEL", file], { encoding: "utf8" }).trim(),
    ).toBe("CIDATA");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(volume.state)).not.toContain("hostname");
    await host.withRun(owner, async (again) => {
      expect(await again.read(volume)).toEqual(volume);
      expect((await again.update(volume, inputs)).diff.changes).toBe("none");
    });
  });

  it("is replaced for its text", async () => {
    const volume = await host.run.create("Volume", "disk", inputs);
    const news = { ...inputs, seed: { ...seed, userData: "#cloud-config\n" } };
    const diff = await host.run.client.diff(volume.urn, {
      id: volume.id,
      state: volume.state,
      oldInputs: volume.inputs,
      news,
    });
    expect(diff.detailed).toEqual({ "seed.userData": "updateReplace" });
  });
});
