import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Gate, uploaded } from "../../support/libvirt-gate.ts";
import { ProviderRun } from "../../support/libvirt-provider.ts";
import { PluginClient, spawnPlugin, wireError } from "../../support/plugin-client.ts";
import { stagePlugin } from "../../support/pulumi.ts";
import { waitFor } from "../../support/wait.ts";
import { owner, qemuImg, urn, VolumeHost } from "./harness.ts";

const host = new VolumeHost();

describe("an upload", () => {
  it("shows progress and stops at the deadline without leaving anything", async () => {
    const large = join(host.daemon.directory, "large.raw");
    execFileSync("mke2fs", ["-q", "-F", large, "2G"]);
    const gate = await Gate.before(host.daemon.socket);
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
    expect(await host.volumeNames()).toEqual([]);
  });
});

describe("many volumes at a time", () => {
  it("are made in one pool, uploads among them", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `volume-${index}`);
    const made = await Promise.all(
      names.map((name, index) =>
        host.run.create("Volume", name, {
          name,
          pool: "vpool",
          ...(index % 2 === 0
            ? { sizeMiB: 8 }
            : { sizeMiB: 16, source: { path: host.image, id: "image-1" } }),
        }),
      ),
    );
    for (const [index, name] of names.entries()) {
      const info = JSON.parse(qemuImg("info", "--output=json", join(host.path, name)));
      expect(info).toMatchObject({
        format: "qcow2",
        "virtual-size": (index % 2 === 0 ? 8 : 16) * 1024 * 1024,
      });
    }
    await host.withRun(owner, async (again) => {
      for (const volume of made) expect(await again.read(volume)).toEqual(volume);
    });
    await Promise.all(made.map((volume) => host.run.delete(volume)));
    expect(await host.volumeNames()).toEqual([]);
  });
});

describe("the plugin's process", () => {
  it("uploads a large file in bounded memory", { timeout: 600_000 }, async () => {
    const staged = mkdtempSync(join(tmpdir(), "staged-"));
    const large = join(host.daemon.directory, "large-upload.raw");
    execFileSync("mke2fs", ["-q", "-F", large, "2G"]);
    const peakMiB = (pid: number | undefined) =>
      Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
    const home = await stagePlugin(staged, "libvirt", "providers/libvirt/main.ts");
    const { process: child, port } = await spawnPlugin(join(home, "pulumi-resource-libvirt"), ["--attach"]);
    const client = new PluginClient(port);
    try {
      await client.configure({ uri: host.daemon.qemuUri, owner });
      await client.create(urn, { name: "small", pool: "vpool", source: { path: host.image, id: "small" } });
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
