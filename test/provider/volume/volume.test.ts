import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { Gate, uploaded } from "../../support/libvirt-gate.ts";
import { clearHost, ProviderRun, type Recorded } from "../../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { PluginClient, spawnPlugin, urnOf, wireError } from "../../support/plugin-client.ts";
import { stagePlugin } from "../../support/pulumi.ts";
import { waitFor } from "../../support/wait.ts";

let host: OwnLibvirtd;
let libvirt: LibvirtClient;
let run: ProviderRun;
let pool: Recorded;
let path = "";
let image = "";
let count = 0;

const owner = "owner-of-volume-tests";
const urn = urnOf("libvirt:index:Volume", "disk");
const qemuImg = (...args: string[]) => execFileSync("qemu-img", args, { encoding: "utf8" });
const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

beforeAll(async () => {
  host = await startOwnLibvirtd();
  libvirt = createLibvirtClient(host.qemuUri);
  image = join(host.directory, "image.qcow2");
  const raw = join(host.directory, "image.raw");
  writeFileSync(raw, randomBytes(3_000_000));
  qemuImg("convert", "-f", "raw", "-O", "qcow2", raw, image);
});
afterAll(async () => {
  await libvirt.close();
  await host.stop();
});
beforeEach(async () => {
  run = await ProviderRun.start({ uri: host.qemuUri, owner });
  count += 1;
  path = join(host.directory, `pool-${count}`);
  pool = await run.create("Pool", "pool", { name: "vpool", path });
});
afterEach(async () => {
  await run.stop();
  await clearHost(host.qemuUri, "v");
});

async function volumeNames(): Promise<string[]> {
  const found = await libvirt.storagePoolLookupByName("vpool");
  if (found === undefined) throw new Error("the pool is missing");
  await libvirt.storagePoolRefresh(found);
  return (await libvirt.storagePoolListVolumes(found)).map((volume) => volume.name).sort();
}

async function withRun<T>(name: string, work: (other: ProviderRun) => Promise<T>): Promise<T> {
  const other = await ProviderRun.start({ uri: host.qemuUri, owner: name });
  try {
    return await work(other);
  } finally {
    await other.stop();
  }
}

/** Defines a domain with the disk, without starting it. */
async function defineUser(name: string, file: string): Promise<void> {
  await libvirt.domainDefineXml(`<domain type='qemu'><name>${name}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='q35'>hvm</type></os>
    <devices><disk type='file' device='disk'><source file='${file}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`);
}

describe("a blank volume", () => {
  const inputs = { name: "state", pool: "vpool", sizeMiB: 20 };

  it("is made, read as declared, and removed without a trace", async () => {
    const volume = await run.create("Volume", "disk", inputs);
    expect(volume.id).toBe("vpool/state");
    expect(volume.state).toMatchObject({ path: join(path, "state"), capacityMiB: 20 });
    expect(JSON.parse(qemuImg("info", "--output=json", join(path, "state")))).toMatchObject({
      format: "qcow2",
      "virtual-size": 20 * 1024 * 1024,
    });
    expect(statSync(join(path, "state")).mode & 0o777).toBe(0o600);
    await withRun(owner, async (again) => {
      expect(await again.read(volume)).toEqual(volume);
      expect((await again.update(volume, inputs)).diff.changes).toBe("none");
    });
    await run.delete(volume);
    expect(await volumeNames()).toEqual([]);
    await run.delete(volume);
    await run.delete(pool);
    expect(existsSync(path)).toBe(false);
  });

  it("has outputs that the preview knows, as far as the host is known", async () => {
    const foreseen = await run.client.create(urn, inputs, { preview: true });
    expect(foreseen.id).toBe("vpool/state");
    expect(foreseen.outputs).toMatchObject({ path: join(path, "state"), capacityMiB: 20 });
    await withRun(owner, async (other) => {
      await other.client.configure({ uri: `qemu+unix:///system?socket=${path}/none`, owner });
      const away = await other.client.create(urn, inputs, { preview: true });
      expect(away.id).toBe("vpool/state");
    });
  });

  it("grows live and never shrinks", async () => {
    const volume = await run.create("Volume", "disk", inputs);
    const { recorded, diff } = await run.update(volume, { ...inputs, sizeMiB: 40 });
    expect(diff).toMatchObject({ changes: "some", detailed: { sizeMiB: "update" }, replaces: [] });
    expect(recorded.state).toMatchObject({ capacityMiB: 40, generation: volume.state.generation });
    expect(JSON.parse(qemuImg("info", "--output=json", join(path, "state")))["virtual-size"]).toBe(
      40 * 1024 * 1024,
    );
    await expect(run.update(recorded, inputs)).rejects.toThrow(
      "sizeMiB 40 → 20 is not possible: a volume cannot shrink",
    );
    // A size that the host knows and the state does not: refused when it is to be applied.
    const refused = await wireError(
      run.client.update(urn, {
        id: volume.id,
        state: volume.state,
        oldInputs: inputs,
        inputs: { ...inputs, sizeMiB: 30 },
      }),
    );
    expect(refused.message).toContain("has 40 MiB and cannot shrink to 30 MiB");
    const preview = await run.preview(recorded, { ...inputs, sizeMiB: 50 });
    expect(preview.recorded.state).toMatchObject({ capacityMiB: 50 });
    await run.plugin.engine.waitForLine("vpool/state: live: sizeMiB 40 → 50");
  });

  it("keeps its data when the create was killed before it was recorded", async () => {
    const first = await run.create("Volume", "disk", { ...inputs, format: "raw" });
    writeFileSync(join(path, "state"), "precious", { flag: "r+" });
    const second = await run.create("Volume", "disk", { ...inputs, format: "raw" });
    expect(readFileSync(join(path, "state")).subarray(0, 8).toString()).toBe("precious");
    expect(second.state.generation).not.toBe(first.state.generation);
    await run.delete(first);
    expect(existsSync(join(path, "state"))).toBe(true);
    await run.delete(second);
    expect(await volumeNames()).toEqual([]);
  });

  it("whose delete was killed half-way is deleted to the end, and can be made again", async () => {
    const volume = await run.create("Volume", "disk", inputs);
    const found = await libvirt.storageVolLookupByPath(join(path, "state"));
    if (found === undefined) throw new Error("the volume is missing");
    await libvirt.storageVolDelete(found);
    expect((await volumeNames()).length).toBe(1);
    await run.delete(volume);
    expect(await volumeNames()).toEqual([]);
    const again = await run.create("Volume", "disk", inputs);
    await libvirt.storageVolDelete(found);
    const third = await run.create("Volume", "disk", inputs);
    expect((await volumeNames()).length).toBe(2);
    await run.delete(again);
    expect(existsSync(join(path, "state"))).toBe(true);
    await run.delete(third);
    expect(await volumeNames()).toEqual([]);
  });

  it("whose mark was removed by hand is left in place", async () => {
    const volume = await run.create("Volume", "disk", inputs);
    execFileSync("sh", ["-c", `rm ${path}/state.hyperlab-*`]);
    await withRun(owner, async (other) => {
      expect((await other.read(volume))?.state).toEqual(volume.state);
      await other.plugin.engine.waitForLine("lost the mark of ownership");
      await other.delete(volume);
    });
    expect(await volumeNames()).toEqual(["state"]);
  });

  it("of somebody else is refused and left alone, and can be imported", async () => {
    await withRun("another-owner", async (other) => {
      const theirs = await other.create("Volume", "disk", inputs);
      const refusal = await wireError(run.create("Volume", "disk", inputs));
      expect(refusal.message).toContain("belongs to another stack");
      await other.delete(theirs);
    });
    qemuImg("create", "-q", "-f", "raw", join(path, "state"), "5M");
    const refusal = await wireError(run.create("Volume", "disk", inputs));
    expect(refusal.message).toContain("it was not made by hyperlab");
    expect(refusal.message).toContain("pulumi import");
    expect(await volumeNames()).toEqual(["state"]);
    const imported = await run.import("Volume", "disk", "vpool/state");
    expect(imported.inputs).toEqual({ name: "state", pool: "vpool", format: "raw", sizeMiB: 5 });
    expect((await run.update(imported, imported.inputs)).diff.changes).toBe("none");
    await run.delete(imported);
    expect(await volumeNames()).toEqual(["state"]);
  });

  it("is gone when libvirt says so, and kept in the state while it cannot be looked at", async () => {
    const volume = await run.create("Volume", "disk", inputs);
    const found = await libvirt.storagePoolLookupByName("vpool");
    if (found === undefined) throw new Error("the pool is missing");
    await libvirt.storagePoolDestroy(found);
    await withRun(owner, async (other) => expect(await other.read(volume)).toEqual(volume));
    await libvirt.storagePoolCreate(found);
    execFileSync("rm", [join(path, "state")]);
    await withRun(owner, async (other) => expect(await other.read(volume)).toBeUndefined());
    await run.delete(volume);
    expect(await volumeNames()).toEqual([]);
  });
});

describe("an uploaded volume", () => {
  const inputs = () => ({ name: "image", pool: "vpool", source: { path: image, id: "image-1" } });

  it("equals its source and is recognised by its content", async () => {
    const volume = await run.create("Volume", "disk", inputs());
    expect(sha256(join(path, "image"))).toBe(sha256(image));
    const found = await libvirt.storageVolLookupByPath(join(path, "image"));
    expect(found && (await libvirt.storageVolGetXmlDesc(found))).toContain("<format type='qcow2'/>");
    expect(volume.state).toMatchObject({ capacityMiB: 3 });
    await withRun(owner, async (again) => {
      expect(await again.read(volume)).toEqual(volume);
      const moved = { ...inputs(), source: { path: "/somewhere/else", id: "image-1" } };
      expect((await again.update(volume, moved)).diff.changes).toBe("none");
    });
  });

  it("grows to the declared size and is refused below its own", async () => {
    const volume = await run.create("Volume", "disk", { ...inputs(), sizeMiB: 64 });
    expect(JSON.parse(qemuImg("info", "--output=json", join(path, "image")))["virtual-size"]).toBe(
      64 * 1024 * 1024,
    );
    await run.delete(volume);
    const refusal = await wireError(run.create("Volume", "disk", { ...inputs(), sizeMiB: 1 }));
    expect(refusal.message).toContain("needs 3 MiB");
    expect(await volumeNames()).toEqual([]);
  });

  it("is verified while it is sent; a wrong sum leaves nothing", async () => {
    const wrong = "0".repeat(64);
    const failure = await wireError(
      run.create("Volume", "disk", { name: "image", pool: "vpool", source: { path: image, sha256: wrong } }),
    );
    expect(failure.message).toContain(`its SHA-256 is ${sha256(image)}, declared is ${wrong}`);
    expect(await volumeNames()).toEqual([]);
    const right = await run.create("Volume", "disk", {
      name: "image",
      pool: "vpool",
      source: { path: image, sha256: sha256(image) },
    });
    expect(right.id).toBe("vpool/image");
  });

  it("is made again after a create that was killed half-way", async () => {
    await run.create("Volume", "disk", inputs());
    truncateSync(join(path, "image"), 100);
    const volume = await run.create("Volume", "disk", inputs());
    expect(sha256(join(path, "image"))).toBe(sha256(image));
    expect((await volumeNames()).length).toBe(2);
    await run.delete(volume);
    expect(await volumeNames()).toEqual([]);
  });

  it("made from other content is not taken for ours", async () => {
    await run.create("Volume", "disk", inputs());
    const refusal = await wireError(
      run.create("Volume", "disk", { ...inputs(), source: { path: image, id: "image-2" } }),
    );
    expect(refusal.message).toContain("made it from other content");
  });

  it("is refused where the file is missing, no disk, or of another format", async () => {
    const missing = { name: "image", pool: "vpool", source: { path: join(host.directory, "none"), id: "x" } };
    expect((await wireError(run.create("Volume", "disk", missing))).message).toContain("correct source.path");
    const script = join(host.directory, "script");
    writeFileSync(script, "#!/bin/sh\n");
    const noDisk = { name: "image", pool: "vpool", source: { path: script, id: "x" } };
    expect((await wireError(run.create("Volume", "disk", noDisk))).message).toContain(
      "neither qcow2 nor a plain disk",
    );
    expect((await wireError(run.create("Volume", "disk", { ...inputs(), format: "raw" }))).message).toContain(
      "is qcow2 by its content, but the volume declares raw",
    );
    const noPool = { ...inputs(), pool: "vnone" };
    expect((await wireError(run.create("Volume", "disk", noPool))).message).toContain(
      'no storage pool "vnone"',
    );
    expect(await volumeNames()).toEqual([]);
  });

  it("is replaced for its content, but not while it is used", async () => {
    const volume = await run.create("Volume", "disk", inputs());
    const news = { ...inputs(), source: { path: image, id: "image-2" } };
    const data = { id: volume.id, state: volume.state, oldInputs: volume.inputs, news };
    const diff = await run.client.diff(volume.urn, data);
    expect(diff.detailed).toEqual({ "source.id": "updateReplace" });
    expect(diff.deleteBeforeReplace).toBe(true);
    await defineUser("vuser", join(path, "image"));
    const blocked = await withRun(owner, (again) => wireError(again.client.diff(volume.urn, data)));
    expect(blocked.message).toContain("cannot be replaced while it is used by domain vuser");
    expect((await wireError(run.delete(volume))).message).toContain(
      "cannot be deleted while it is used by domain vuser",
    );
  });

  it("is not deleted under its overlays", async () => {
    const volume = await run.create("Volume", "disk", inputs());
    qemuImg("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", join(path, "image"), join(path, "overlay"));
    expect((await wireError(run.delete(volume))).message).toContain("used by volume overlay");
    execFileSync("rm", [join(path, "overlay")]);
    await run.delete(volume);
    expect(await volumeNames()).toEqual([]);
  });

  it("with a new name is made before the old one goes", async () => {
    const volume = await run.create("Volume", "disk", inputs());
    const news = { ...inputs(), name: "image-2", source: { path: image, id: "image-2" } };
    const diff = await run.client.diff(volume.urn, {
      id: volume.id,
      state: volume.state,
      oldInputs: volume.inputs,
      news,
    });
    expect(diff.deleteBeforeReplace).toBe(false);
    expect(diff.replaces.sort()).toEqual(["name", "source.id"]);
    const second = await run.create("Volume", "disk", news);
    await run.delete(volume);
    expect((await volumeNames()).filter((name) => !name.includes(".hyperlab-"))).toEqual(["image-2"]);
    await run.delete(second);
  });

  it("shows progress and stops at the deadline without leaving anything", async () => {
    const large = join(host.directory, "large.raw");
    execFileSync("mke2fs", ["-q", "-F", large, "2G"]);
    const gate = await Gate.before(host.socket);
    const slow = await ProviderRun.start({ uri: `qemu+unix:///system?socket=${gate.socket}`, owner });
    const limitSeconds = 10;
    const begin = performance.now();
    const passed = (milliseconds: number) => () => performance.now() - begin > milliseconds;
    try {
      gate.closeAt(uploaded(8 * 1024 * 1024));
      const failing = wireError(
        slow.client.create(
          urn,
          { name: "large", pool: "vpool", source: { path: large, id: "large" } },
          { timeoutSeconds: limitSeconds },
        ),
      );
      await waitFor("the upload to begin", () => gate.closed);
      // Progress is shown once a second.
      const held = performance.now() - begin;
      await waitFor("a second without progress", passed(held + 1_100));
      gate.open();
      gate.closeAt(uploaded(8 * 1024 * 1024));
      const isProgress = /uploading .* of 2\.0 GiB/;
      await waitFor("progress", () =>
        slow.plugin.engine.lines.some((line) => line.ephemeral && isProgress.test(line.message)),
      );
      // The upload is held until its limit is over; what is to be cleaned up then must get through.
      await waitFor("the end of the time", passed((limitSeconds + 1) * 1000));
      gate.open();
      expect((await failing).message).toContain(`not done within the time limit of ${limitSeconds} s`);
    } finally {
      await slow.stop();
      await gate.stop();
    }
    expect(await volumeNames()).toEqual([]);
  });
});

describe("many volumes at a time", () => {
  it("are made in one pool, uploads among them", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `volume-${index}`);
    const made = await Promise.all(
      names.map((name, index) =>
        run.create("Volume", name, {
          name,
          pool: "vpool",
          ...(index % 2 === 0 ? { sizeMiB: 8 } : { sizeMiB: 16, source: { path: image, id: "image-1" } }),
        }),
      ),
    );
    for (const [index, name] of names.entries()) {
      const info = JSON.parse(qemuImg("info", "--output=json", join(path, name)));
      expect(info).toMatchObject({
        format: "qcow2",
        "virtual-size": (index % 2 === 0 ? 8 : 16) * 1024 * 1024,
      });
    }
    await withRun(owner, async (again) => {
      for (const volume of made) expect(await again.read(volume)).toEqual(volume);
    });
    await Promise.all(made.map((volume) => run.delete(volume)));
    expect(await volumeNames()).toEqual([]);
  });
});

describe("the plugin's process", () => {
  it("uploads a large file in bounded memory", { timeout: 600_000 }, async () => {
    const staged = mkdtempSync(join(tmpdir(), "staged-"));
    const large = join(host.directory, "large-upload.raw");
    execFileSync("mke2fs", ["-q", "-F", large, "2G"]);
    const peakMiB = (pid: number | undefined) =>
      Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
    const home = await stagePlugin(staged, "libvirt", "providers/libvirt/main.ts");
    const { process: child, port } = await spawnPlugin(join(home, "pulumi-resource-libvirt"), ["--attach"]);
    const client = new PluginClient(port);
    try {
      await client.configure({ uri: host.qemuUri, owner });
      await client.create(urn, { name: "small", pool: "vpool", source: { path: image, id: "small" } });
      const before = peakMiB(child.pid);
      await client.create(urn, { name: "large", pool: "vpool", source: { path: large, id: "large" } });
      const after = peakMiB(child.pid);
      expect(after).toBeLessThan(200);
      // Seven hundred times as much to send.
      expect(after - before).toBeLessThan(100);
    } finally {
      client.close();
      child.kill("SIGKILL");
      rmSync(staged, { recursive: true, force: true });
    }
  });
});

describe("a pool without room", () => {
  it("is named with what is free and what is needed", async () => {
    const small = join(host.directory, "small");
    const daemon = readFileSync(join(host.directory, "libvirtd.pid"), "utf8").trim();
    const onHost = (...command: string[]) =>
      execFileSync("nsenter", ["--mount", "--target", daemon, ...command], { encoding: "utf8" });
    onHost("mkdir", "-p", small);
    onHost("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small);
    try {
      await run.create("Pool", "small", { name: "vsmall", path: small });
      const failure = await wireError(
        run.create("Volume", "disk", { name: "image", pool: "vsmall", source: { path: image, id: "x" } }),
      );
      expect(failure.message).toMatch(
        /the storage pool "vsmall" .* has no room: 1\.0 MiB are free, 3\.\d MiB are needed/,
      );
      expect(onHost("ls", small)).toBe("");
    } finally {
      await clearHost(host.qemuUri, "vsmall");
      onHost("umount", small);
    }
  });
});

describe("a seed", () => {
  const seed = { userData: "#cloud-config\nhostname: node\n", metaData: "{}" };
  const inputs = { name: "seed", pool: "vpool", seed };

  it("is an ISO image that root alone reads", async () => {
    const volume = await run.create("Volume", "disk", inputs);
    const file = join(path, "seed");
    expect(
      execFileSync("blkid", ["-p", "-o", "value", "-s", "LABEL", file], { encoding: "utf8" }).trim(),
    ).toBe("CIDATA");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(volume.state)).not.toContain("hostname");
    await withRun(owner, async (again) => {
      expect(await again.read(volume)).toEqual(volume);
      expect((await again.update(volume, inputs)).diff.changes).toBe("none");
    });
  });

  it("is replaced for its text", async () => {
    const volume = await run.create("Volume", "disk", inputs);
    const news = { ...inputs, seed: { ...seed, userData: "#cloud-config\n" } };
    const diff = await run.client.diff(volume.urn, {
      id: volume.id,
      state: volume.state,
      oldInputs: volume.inputs,
      news,
    });
    expect(diff.detailed).toEqual({ "seed.userData": "updateReplace" });
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
    await expect(run.create("Volume", "disk", inputs)).rejects.toThrow(reason);
  });
});
