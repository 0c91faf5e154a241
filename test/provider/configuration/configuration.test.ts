import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { libvirtPlugin } from "../../../providers/libvirt/plugin.ts";
import { packageVersion } from "../../../providers/libvirt/schema/pulumi-schema.ts";
import { Secret, Unknown } from "../../../providers/plugin/values.ts";
import { type PluginUnderTest, servePlugin, urnOf, wireError } from "../../support/plugin-client.ts";

const config = { uri: "qemu:///system", owner: "0f6c1f0e-6d0a-4f0c-9f53-0a3c5f5b7e11" };
let plugin: PluginUnderTest;

beforeAll(async () => {
  plugin = await servePlugin(libvirtPlugin());
});
afterAll(() => plugin.stop());

describe("the configuration", () => {
  it("is checked as a whole, without quoting secrets", async () => {
    const good = await plugin.client.checkConfig(
      {},
      { ...config, identitySecret: new Secret("x"), refreshBeforeUpdate: "false" },
    );
    expect(good.failures).toEqual([]);
    const bad = await plugin.client.checkConfig(
      {},
      { uri: "xen:///", owner: "short", refreshBeforeUpdate: "perhaps", identitySecret: new Secret(5) },
    );
    expect(bad.failures.map((failure) => failure.property).sort()).toEqual([
      "identitySecret",
      "owner",
      "refreshBeforeUpdate",
      "uri",
    ]);
    expect(JSON.stringify(bad.failures)).not.toContain("5 must");
  });

  it("never changes its owner", async () => {
    const { failures } = await plugin.client.checkConfig(config, { ...config, owner: "another-owner" });
    expect(failures).toEqual([
      { property: "owner", reason: expect.stringContaining("restore the old value") },
    ]);
  });

  it.each([
    [{ uri: "qemu+ssh://root@gpu1/system" }, "replace"],
    [{ uri: "qemu+unix:///system?socket=/run/other" }, "update"],
    [{ refreshBeforeUpdate: "false" }, "update"],
    [{ identitySecret: "new" }, "update"],
    [{ refreshBeforeUpdate: "true" }, "none"],
    [{}, "none"],
  ])("changed by %j gives %s", async (change, expected) => {
    const diff = await plugin.client.diffConfig(config, { ...config, ...change });
    const verdict = diff.replaces.length > 0 ? "replace" : diff.changes === "some" ? "update" : "none";
    expect(verdict).toBe(expected);
  });

  it("dials nothing: checks, diffs and previews need no host", async () => {
    await plugin.client.configure({ ...config, uri: "qemu+ssh://nobody@192.0.2.1/system" });
    const urn = urnOf("libvirt:index:Network", "lab");
    const inputs = { name: "lab", mode: "nat", bridge: "lab0", address: "10.50.0.1/24" };
    expect((await plugin.client.check(urn, {}, inputs)).failures).toEqual([]);
    const foreseen = await plugin.client.create(urn, inputs, { preview: true });
    expect(foreseen.id).toBe("lab");
    const diff = await plugin.client.diff(urn, {
      id: "lab",
      state: foreseen.outputs,
      oldInputs: inputs,
      news: { ...inputs, dnsHosts: [{ address: "10.50.0.2", hostnames: ["a"] }] },
    });
    expect(diff.detailed).toEqual({ "dnsHosts[0]": "add" });
  });

  it("that is not known yet is named when it is needed", async () => {
    await plugin.client.configure({ ...config, owner: new Unknown() });
    const failure = await wireError(
      plugin.client.create(
        urnOf("libvirt:index:Pool", "lab"),
        { name: "lab", path: "/srv/lab" },
        { preview: true },
      ),
    );
    expect(failure.message).toContain("configuration is not known yet");
  });

  it("belongs to the version that the SDK names", async () => {
    expect(await plugin.client.version()).toBe(packageVersion);
    expect(await plugin.client.schema()).toMatchObject({ name: "libvirt", version: packageVersion });
  });
});
