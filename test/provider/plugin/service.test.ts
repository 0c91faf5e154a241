import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeProperties, Secret, Unknown } from "../../../providers/plugin/index.ts";
import { providerPb } from "../../../providers/plugin/proto.ts";
import { type PluginUnderTest, servePlugin, unary, urnOf, wireError } from "../../support/plugin-client.ts";
import { waitFor } from "../../support/wait.ts";
import { type TinyState, tinyProvider, tinyType } from "./tiny.ts";

const urn = urnOf(tinyType, "motd");
let state: TinyState;
let plugin: PluginUnderTest;

beforeEach(async () => {
  state = { files: new Map(), calls: [], config: {} };
  plugin = await servePlugin(tinyProvider(state));
});
afterEach(() => plugin.stop());

describe("plugin and provider", () => {
  test("handshake and configuration claim what is true and no more", async () => {
    expect(await plugin.client.handshake(plugin.engine.address)).toMatchObject({
      acceptSecrets: true,
      acceptResources: false,
      acceptOutputs: false,
      supportsAutonamingConfiguration: false,
    });
    expect(await plugin.client.configure({ uri: "x" })).toMatchObject({
      acceptsecrets: true,
      supportspreview: true,
      acceptresources: false,
      acceptoutputs: false,
    });
    expect(state.config).toEqual({ uri: "x" });
    expect(await plugin.client.version()).toBe("1.2.3");
    expect(await plugin.client.schema()).toEqual({ name: "tiny", version: "1.2.3" });
  });

  test("configuration is checked, and a difference is an update", async () => {
    expect(await plugin.client.checkConfig({}, {})).toEqual({
      inputs: {},
      failures: [{ property: "uri", reason: "is required" }],
    });
    expect(await plugin.client.diffConfig({ uri: "a" }, { uri: "b" })).toMatchObject({
      changes: "some",
      detailed: { uri: "update" },
      replaces: [],
    });
    expect((await plugin.client.diffConfig({ uri: "a" }, { uri: "a" })).changes).toBe("none");
  });

  test("functions answer with values or failures, and know a preview", async () => {
    const echo = await plugin.client.invoke("tiny:index:echo", { a: new Secret("s") }, { preview: true });
    expect(echo.outputs).toEqual({ a: new Secret("s"), preview: true });
    const failed = await plugin.client.invoke("tiny:index:echo", { fail: true });
    expect(failed.failures).toEqual([{ property: "fail", reason: "was asked to" }]);
  });

  test("what the plugin does not have is named, with what it has", async () => {
    expect(await wireError(plugin.client.invoke("tiny:index:other", {}))).toEqual({
      code: status.UNIMPLEMENTED,
      message: "plugin tiny 1.2.3 has no function tiny:index:other; it has: tiny:index:echo",
    });
    const create = plugin.client.create(urnOf("tiny:index:toString", "a"), {});
    expect((await wireError(create)).message).toContain("has no resource type tiny:index:toString; it has:");
    const construct = unary((done) => plugin.client.raw.construct(new providerPb.ConstructRequest(), done));
    expect((await wireError(construct)).code).toBe(status.UNIMPLEMENTED);
  });
});

describe("resources", () => {
  test("check gives defaults and every failure by its path", async () => {
    expect(await plugin.client.check(urn, {}, { owner: { uid: -1 } })).toEqual({
      inputs: { mode: 0o644, owner: { uid: -1 } },
      failures: [
        { property: "path", reason: "is required" },
        { property: "owner.uid", reason: "must not be negative" },
      ],
    });
  });

  test("a preview changes nothing, logs under the resource, and keeps unknown values unknown", async () => {
    const inputs = { path: new Unknown("string"), content: new Secret(new Unknown("string")) };
    const preview = await plugin.client.create(urn, inputs, { preview: true });
    expect(preview).toEqual({
      id: "",
      outputs: { ...inputs, size: new Unknown("number") },
      refreshBeforeUpdate: true,
    });
    expect(state.files.size).toBe(0);
    expect(plugin.engine.lines).toEqual([
      { severity: "info", urn, message: `would create ${urn}`, ephemeral: false },
    ]);
  });

  test("create, read, update and delete; secrets stay secret; log lines are there before the answer", async () => {
    const inputs = { path: "/etc/motd", content: new Secret("hello") };
    const created = await plugin.client.create(urn, inputs);
    expect(created).toEqual({
      id: "/etc/motd",
      outputs: { ...inputs, token: new Secret("made"), size: 5 },
      refreshBeforeUpdate: true,
    });
    expect(plugin.engine.text(urn)).toBe("line 1\nline 2\nline 3");
    expect(await plugin.client.read(urn, "/etc/motd")).toEqual({
      id: "/etc/motd",
      outputs: created.outputs,
      inputs: { path: "/etc/motd" },
      refreshBeforeUpdate: true,
    });
    await plugin.client.update(
      urn,
      {
        id: "/etc/motd",
        state: created.outputs,
        oldInputs: { path: "/etc/motd" },
        inputs: { path: "/etc/motd", content: "bye" },
      },
      { preview: true },
    );
    await plugin.client.delete(urn, { id: "/etc/motd", state: {} }, { timeoutSeconds: 60 });
    expect(state.calls).toEqual([
      `create motd ${tinyType}`,
      'update /etc/motd {"oldInputs":{"path":"/etc/motd"},"ignoreChanges":[],"preview":true}',
      'delete /etc/motd {"oldInputs":{},"deadline":true}',
    ]);
    expect((await plugin.client.read(urn, "/etc/motd")).id).toBe("");
  });

  test("a diff names fields, kinds and replacements", async () => {
    const diff = await plugin.client.diff(urn, {
      id: "/a",
      state: {},
      oldInputs: { path: "/a", content: "x", mode: 1 },
      news: { path: "/b", content: new Secret("x"), owner: { uid: 1 } },
    });
    expect(diff).toEqual({
      changes: "some",
      detailed: { path: "updateReplace", mode: "delete", owner: "add" },
      replaces: ["path"],
      diffs: ["mode", "owner", "path"],
      deleteBeforeReplace: true,
    });
  });
});

describe("errors", () => {
  test("an error for the user keeps its code and its text", async () => {
    expect(await wireError(plugin.client.create(urn, { path: "/a", content: "refuse" }))).toEqual({
      code: status.FAILED_PRECONDITION,
      message: "no space left in pool a",
    });
  });

  test("a defect says that it is one", async () => {
    const error = await wireError(plugin.client.create(urn, { path: "/a", content: "defect" }));
    expect(error.code).toBe(status.INTERNAL);
    expect(error.message).toMatch(
      /internal error of the plugin, please report it.*TypeError: undefined is not/,
    );
  });

  test("a partial create carries id, state, inputs and reasons", async () => {
    const error = await wireError(plugin.client.create(urn, { path: "/a", content: "half" }));
    expect(error).toEqual({
      code: status.UNKNOWN,
      message: "created but not ready: no answer within 5 s",
      partial: {
        id: "/a",
        outputs: { path: "/a", content: "half", token: new Secret("made"), size: 4 },
        inputs: { path: "/a", content: "recorded" },
        reasons: ["no answer within 5 s"],
      },
    });
  });
});

describe("large answers", () => {
  test("the details of an error may be larger than a header usually is", async () => {
    const error = await wireError(plugin.client.create(urn, { path: "/a", content: "huge 40000" }));
    expect(String(error.partial?.outputs.text).length).toBe(40_000);
  });
});

describe("cancellation", () => {
  test("Cancel ends what is under way and refuses later changes, but not questions", async () => {
    const hanging = wireError(plugin.client.create(urn, { path: "/a", content: "hang" }));
    await plugin.engine.waitForLine("waiting");
    await plugin.client.cancel();
    const cancelled = { code: status.CANCELLED, message: "cancelled by the user" };
    expect(await hanging).toEqual(cancelled);
    expect(await wireError(plugin.client.create(urn, { path: "/b", content: "x" }))).toEqual(cancelled);
    expect((await plugin.client.check(urn, {}, { path: "/c" })).failures).toEqual([]);
    expect(state.files.size).toBe(0);
  });

  test("the time limit of a call ends it and says which limit it was", async () => {
    const late = plugin.client.create(urn, { path: "/a", content: "hang" }, { timeoutSeconds: 0.2 });
    expect(await wireError(late)).toEqual({
      code: status.DEADLINE_EXCEEDED,
      message: "not done within the time limit of 0.2 s; raise customTimeouts of the resource",
    });
  });

  test("a call that the engine drops is ended too", async () => {
    const request = new providerPb.DeleteRequest();
    request.setUrn(urn);
    request.setId("/x");
    request.setOldInputs(encodeProperties({ content: "hang" }));
    const dropped = new Promise<unknown>((resolve) => {
      const call = plugin.client.raw.delete(request, (error) => resolve(error?.code));
      void waitFor("the start of the call", () => state.calls.length > 0).then(() => call.cancel());
    });
    expect(await dropped).toBe(status.CANCELLED);
    await waitFor("the end of the call", () =>
      state.calls.includes("aborted: the engine cancelled the call"),
    );
  });

  test("stopping waits for what is under way, then closes the provider", async () => {
    const hanging = wireError(plugin.client.create(urn, { path: "/a", content: "hang" }));
    await plugin.engine.waitForLine("waiting");
    expect(await plugin.server.stop("the engine is gone", 10)).toBe(true);
    expect(await hanging).toEqual({ code: status.CANCELLED, message: "the engine is gone" });
    expect(state.calls.at(-1)).toBe("close");
  });

  test("stopping does not wait for ever", async () => {
    const stuck = wireError(plugin.client.create(urn, { path: "/a", content: "stuck" }));
    await plugin.engine.waitForLine("stuck");
    expect(await plugin.server.stop("the engine is gone", 0.1)).toBe(false);
    expect((await stuck).code).not.toBe(status.OK);
  });
});
