import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { PartialFailure, type PropertyMap, Unknown } from "../../../providers/plugin/index.ts";
import { ProviderRun, type Recorded } from "../../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { urnOf, wireError } from "../../support/plugin-client.ts";
import { waitFor } from "../../support/wait.ts";
import { guestImages } from "./guests.ts";
import { connect, exited, Machine, owner, removeDomains, Stack } from "./harness.ts";

/** Domains as the engine sees them, over gRPC; and a daemon that is restarted in the middle. */

let daemon: OwnLibvirtd;
let client: LibvirtClient;
let run: ProviderRun;

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  client = connect(daemon.qemuUri);
  const path = join(daemon.directory, "lab");
  mkdirSync(path);
  const pool = await client.storagePoolDefineXml(
    `<pool type='dir'><name>lab</name><target><path>${path}</path></target></pool>`,
  );
  await client.storagePoolCreate(pool);
  const image = await client.storageVolCreateXml(
    pool,
    "<volume><name>image</name><capacity>1048576</capacity><target><format type='raw'/></target></volume>",
  );
  await client.storageVolUpload(image, [guestImages.obedient]);
  run = await ProviderRun.start({ uri: daemon.qemuUri, owner, identitySecret: "test secret" });
});
afterAll(async () => {
  await run?.stop();
  await client?.close();
  await daemon?.stop();
});
afterEach(() => removeDomains(client));

const node = (over: PropertyMap = {}): PropertyMap => ({
  name: "node",
  type: "qemu",
  vcpus: 1,
  memoryMiB: 64,
  rootDisk: { pool: "lab", image: "image", sizeMiB: 32 },
  deriveSshHostKey: true,
  running: false,
  ...over,
});
const urn = urnOf("libvirt:index:Domain", "node");

describe("over gRPC", () => {
  it("a preview knows what follows from the inputs, and shows one line", async () => {
    const foreseen = await run.client.create(urn, node(), { preview: true });
    const made = await run.create("Domain", "node", node());
    expect(foreseen.outputs).toMatchObject({
      uuid: made.state.uuid,
      sshHostPublicKey: made.state.sshHostPublicKey,
      generation: new Unknown(),
    });
    expect(foreseen.refreshBeforeUpdate).toBe(true);
    await run.plugin.engine.waitForLine("node: create, not started");
    const { diff } = await run.preview(made, node({ memoryMiB: 96, running: true }));
    expect(diff).toMatchObject({
      changes: "some",
      detailed: { memoryMiB: "update", running: "update" },
      deleteBeforeReplace: true,
    });
    await run.plugin.engine.waitForLine("node: change while it is off (memoryMiB 64 → 96), then start");
    await run.delete(made);
    expect(await run.read(made)).toBeUndefined();
  });

  it("a machine that does not get ready is recorded, and deleted from there", async () => {
    const inputs = node({
      running: true,
      deriveSshHostKey: false,
      ready: { wait: "agent", timeoutSeconds: 1 },
    });
    const error = await wireError(run.client.create(urn, inputs));
    expect(error.message).toMatch(
      /node is running, but did not get ready within 1 s: the guest agent does not answer/,
    );
    expect(error.partial).toMatchObject({
      id: "node",
      outputs: { pending: "boot", rootVolume: expect.anything() },
    });
    const recorded: Recorded = { urn, id: "node", inputs, state: error.partial?.outputs ?? {} };
    await run.delete(recorded);
    expect(await client.domainLookupByName("node")).toBeUndefined();
  });

  it("refusals come from check, all at once and with the way out", async () => {
    const made = await run.create("Domain", "node", node());
    await expect(
      run.update(made, node({ rootDisk: { pool: "lab", image: "image", sizeMiB: 16 } })),
    ).rejects.toThrow(/rootDisk.sizeMiB: a root disk cannot shrink; keep the size/);
    await expect(run.update(made, node({ vcpus: 0, guestAgent: false }))).rejects.toThrow(
      /vcpus: .*\n.*quiesce.hook: .*\n.*ready.wait/,
    );
  });
});

describe("a daemon that is restarted", () => {
  it("while a machine gets ready: the wait goes on, or the next run does", async () => {
    const stack = new Stack(client);
    stack.agent("node").on("ready", () => exited(75, "boots"));
    const machine = new Machine(stack, "node");
    const inputs = node({ running: true, ready: { timeoutSeconds: 100 } });
    const creating = machine.create(inputs).catch((error: unknown) => error);
    await waitFor("machine that gets ready", () => stack.status.some((text) => text.includes("boots")));
    await daemon.kill();
    await daemon.start();
    stack.agent("node").on("ready", () => exited(0));
    const outcome = await creating;
    if (outcome instanceof Error) {
      expect(outcome).toBeInstanceOf(PartialFailure);
      await machine.refresh();
      await machine.update(inputs);
    }
    const ref = await client.domainLookupByName("node");
    expect(ref && (await client.domainGetState(ref)).state).toBe("running");
    expect(machine.state.pending).toBeUndefined();
    await machine.refresh();
    expect(await machine.diff(inputs)).toMatchObject({ changes: "none" });
  });
});
