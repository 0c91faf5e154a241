/**
 * libvirtd is killed and started again at every call that changes something: before it has done it, and when it has, but
 * before it has said so. No update notices.
 */
import { mkdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { domain } from "../../../providers/libvirt/client/procedures/domain.ts";
import { storageVol } from "../../../providers/libvirt/client/procedures/storage.ts";
import type { PropertyMap } from "../../../providers/plugin/index.ts";
import { answering, calling, Gate, type Moment } from "../../support/libvirt-gate.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { waitFor } from "../../support/wait.ts";
import { guestImages } from "./guests.ts";
import { connect, Machine, removeDomains, Stack } from "./harness.ts";

let daemon: OwnLibvirtd;
let gate: Gate;
/** The test's own way to the host. */
let client: LibvirtClient;
let stack: Stack;

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  gate = await Gate.before(daemon.socket);
  client = connect(daemon.qemuUri);
  const path = join(daemon.directory, "lab");
  mkdirSync(path);
  const pool = await client.storagePoolDefineXml(
    `<pool type='dir'><name>lab</name><target><path>${path}</path></target></pool>`,
  );
  await client.storagePoolCreate(pool);
  await client.storagePoolSetAutostart(pool, true);
  for (const image of ["obedient", "stubborn"] as const) {
    const volume = await client.storageVolCreateXml(
      pool,
      `<volume><name>${image}</name><capacity>${guestImages[image].length}</capacity><target><format type='raw'/></target></volume>`,
    );
    await client.storageVolUpload(volume, [guestImages[image]]);
  }
});
afterAll(async () => {
  await client?.close();
  await gate?.stop();
  await daemon?.stop();
});
beforeEach(() => {
  stack = new Stack(connect(`qemu+unix:///system?socket=${gate.socket}`));
});
afterEach(async () => {
  gate.open();
  await stack.provider.client.close();
  await removeDomains(client);
  for (const volume of await overlays()) await client.storageVolDelete(volume);
});

async function overlays() {
  const pool = await client.storagePoolLookupByName("lab");
  if (pool === undefined) throw new Error("the pool is gone");
  await client.storagePoolRefresh(pool);
  return (await client.storagePoolListVolumes(pool)).filter(({ name }) => !Object.hasOwn(guestImages, name));
}

const node = (over: PropertyMap = {}): PropertyMap => ({
  name: "node",
  type: "qemu",
  vcpus: 1,
  memoryMiB: 64,
  rootDisk: { pool: "lab", image: "stubborn", sizeMiB: 64 },
  stop: { timeoutSeconds: 1, onTimeout: "powerOff" },
  ...over,
});
const bigger = node({ memoryMiB: 80 });
const renewed = node({ rootDisk: { pool: "lab", image: "obedient", sizeMiB: 64 } });

const procedures = {
  "define it": domain.defineXml,
  "make its disk": storageVol.createXml,
  "start it": domain.create,
  "mark it": domain.setMetadata,
  "shut it down": domain.shutdown,
  "switch it off": domain.destroy,
  "delete its disk": storageVol.delete,
  "undefine it": domain.undefine,
} as const;
type Request = keyof typeof procedures;

/** Carries out the work with a daemon that is killed at the moment and started again, and goes on once `back` is done. */
async function withRestart(
  moment: Moment,
  work: () => Promise<unknown>,
  back: () => Promise<void> = async () => {},
): Promise<void> {
  gate.closeAt(moment);
  const outcome = Promise.allSettled([work()]);
  await waitFor("the moment", () => gate.closed);
  await daemon.kill();
  await daemon.start();
  await back();
  gate.open();
  for (const result of await outcome) if (result.status === "rejected") throw result.reason;
}

/** The machine runs as declared, on one disk, and nothing is left to do. */
async function expectDone(machine: Machine, news: PropertyMap): Promise<void> {
  const ref = await client.domainLookupByName("node");
  if (ref === undefined) throw new Error("there is no domain");
  expect((await client.domainGetState(ref)).state).toBe("running");
  const { memoryKiB } = await client.domainGetInfo(ref);
  expect(memoryKiB).toBe(Number(news.memoryMiB) * 1024);
  expect((await overlays()).map(({ name }) => `lab/${name}`)).toEqual([machine.state.rootVolume]);
  const live = await client.domainGetXmlDesc(ref);
  expect(live).toContain(String(machine.state.rootVolume).replace("lab/", "/lab/"));
  expect(await machine.refresh()).toBe(true);
  expect(await machine.diff(news)).toMatchObject({ changes: "none" });
  expect(machine.state.pending).toBeUndefined();
}

const moments = (...requests: Request[]) =>
  requests.map((request) => ({ request, moment: () => answering(procedures[request]) }));
const bothMoments = (...requests: Request[]) =>
  requests.flatMap((request) => [
    { request, when: "before it has done so", moment: () => calling(procedures[request]) },
    { request, when: "before it has said so", moment: () => answering(procedures[request]) },
  ]);

describe("libvirtd is restarted when it is asked to", () => {
  it.each(moments("define it", "make its disk", "start it", "mark it"))(
    "$request in a create",
    async ({ moment }) => {
      const machine = new Machine(stack, "node");
      await withRestart(moment(), () => machine.create(node()));
      await expectDone(machine, node());
    },
  );

  it("make its disk, and has made a part of it", async () => {
    const machine = new Machine(stack, "node");
    const leavesAPart = async (): Promise<void> => {
      for (const { name } of await overlays()) truncateSync(join(daemon.directory, "lab", name), 100);
    };
    await withRestart(answering(procedures["make its disk"]), () => machine.create(node()), leavesAPart);
    await expectDone(machine, node());
  });

  it.each(bothMoments("shut it down", "switch it off", "define it", "start it", "mark it"))(
    "$request in a restart, $when",
    async ({ moment }) => {
      const machine = await new Machine(stack, "node").create(node());
      await withRestart(moment(), () => machine.update(bigger));
      await expectDone(machine, bigger);
    },
  );

  it.each(
    moments(
      "mark it",
      "make its disk",
      "shut it down",
      "switch it off",
      "define it",
      "start it",
      "delete its disk",
    ),
  )("$request in a rebuild", async ({ moment }) => {
    const machine = await new Machine(stack, "node").create(node());
    await withRestart(moment(), () => machine.update(renewed));
    await expectDone(machine, renewed);
  });

  it.each(moments("shut it down", "switch it off", "delete its disk", "undefine it"))(
    "$request in a delete",
    async ({ moment }) => {
      const machine = await new Machine(stack, "node").create(node());
      await withRestart(moment(), () => machine.delete());
      expect(await client.domainLookupByName("node")).toBeUndefined();
      expect(await overlays()).toEqual([]);
    },
  );
});

describe("libvirtd is restarted in the middle of a rollout", () => {
  it("which goes on, one machine at a time", async () => {
    const names = ["node", "node2"];
    const inputs = (name: string, memoryMiB: number) =>
      node({ name, memoryMiB, rolloutGroup: "lab/compute" });
    const machines = await Promise.all(
      names.map((name) => new Machine(stack, name).create(inputs(name, 64))),
    );
    const events: string[] = [];
    let listens = false;
    const unsubscribe = await client.onDomainLifecycle(
      ({ domain: of, event }) => {
        if (event === "stopped" || event === "started") events.push(`${of.name} ${event}`);
      },
      {
        onResync: () => {
          listens = true;
        },
      },
    );
    await withRestart(
      calling(domain.create),
      () => Promise.all(machines.map((machine) => machine.update(inputs(machine.name, 80)))),
      () => waitFor("events of the new daemon", () => listens),
    );
    // The first machine's end came before the restart, everything else after it.
    await waitFor("the last event", () => events.length >= 4);
    unsubscribe();
    const [first] = events[0]?.split(" ") ?? [];
    const second = names.find((name) => name !== first);
    expect(events).toEqual([
      `${first} stopped`,
      `${first} started`,
      `${second} stopped`,
      `${second} started`,
    ]);
    for (const name of names) {
      const ref = await client.domainLookupByName(name);
      const info = ref === undefined ? undefined : await client.domainGetInfo(ref);
      expect(info).toMatchObject({ state: "running", memoryKiB: 80 * 1024 });
    }
  });
});
