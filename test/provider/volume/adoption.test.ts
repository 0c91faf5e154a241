import { appendFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { owner, urn, VolumeHost } from "./harness.ts";

const host = new VolumeHost();

/** Which file it is, and when it was last written. */
function present(name: string) {
  const { ino, mtimeMs, size } = statSync(join(host.path, name));
  return { ino, mtimeMs, size };
}

describe("a volume of a stack whose state was lost", () => {
  it("that is blank is adopted while a machine uses it", async () => {
    const inputs = { name: "state", pool: "vpool", sizeMiB: 20 };
    await host.run.create("Volume", "disk", inputs);
    appendFileSync(join(host.path, "state"), "precious");
    await host.defineUser("vuser", join(host.path, "state"));
    const before = present("state");
    await host.withRun(owner, async (other) => {
      await other.client.create(urn, inputs, { preview: true });
      await other.plugin.engine.waitForLine("vpool/state: adopt, it stays as it is");
      const adopted = await other.create("Volume", "disk", inputs);
      expect(present("state")).toEqual(before);
      expect((await host.volumeNames()).length).toBe(2);
      expect((await other.update(adopted, inputs)).diff.changes).toBe("none");
    });
  });

  it("that was uploaded is adopted where a machine uses it, without its source", async () => {
    const inputs = { name: "image", pool: "vpool", source: { path: host.image, id: "image-1" } };
    const volume = await host.run.create("Volume", "disk", inputs);
    await host.defineUser("vuser", join(host.path, "image"));
    const before = present("image");
    const away = { ...inputs, source: { path: "/nowhere/image.qcow2", id: "image-1" } };
    await host.withRun(owner, async (other) => {
      await other.client.create(urn, away, { preview: true });
      await other.plugin.engine.waitForLine("vpool/image: adopt, it stays as it is");
      const adopted = await other.create("Volume", "disk", away);
      expect(adopted.state).toEqual({ ...volume.state, generation: adopted.state.generation });
      expect(present("image")).toEqual(before);
      expect((await host.volumeNames()).length).toBe(2);
    });
  });
});
