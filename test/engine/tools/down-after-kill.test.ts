/**
 * The engine dies with its provider while `up` creates something, or loses its host, and the person runs `down`: the host
 * is as it was before the lab, whatever the creation had come to.
 */
import { readFileSync, rmSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { domain as domainProcedure } from "../../../providers/libvirt/client/procedures/domain.ts";
import { network as networkProcedure } from "../../../providers/libvirt/client/procedures/network.ts";
import {
  storagePool as poolProcedure,
  storageVol as volumeProcedure,
} from "../../../providers/libvirt/client/procedures/storage.ts";
import { type DownOptions, removeStack } from "../../../tools/commands/down.ts";
import { cacheFolder } from "../../../tools/paths.ts";
import { answering, calling, inOrder, type Moment, uploaded } from "../../support/libvirt-gate.ts";
import { clearHost } from "../../support/libvirt-provider.ts";
import type { Declaration } from "../support/declaration.ts";
import { machine, writeGuestImage } from "../support/guest.ts";
import type { Inventory } from "../support/inventory.ts";
import { Lab, type Stack } from "../support/lab.ts";

const imageMiB = 16;
const halfUploaded = (): Moment => uploaded((imageMiB / 2) * 1024 * 1024);

let lab: Lab;
/** With a machine, a network and a volume of somebody else's. */
let found: Inventory;
beforeAll(async () => {
  lab = await Lab.start();
  writeGuestImage(lab.folder("image.raw"), "polite", "", imageMiB);
  const { libvirt } = lab;
  await libvirt.networkDefineXml("<network><name>foreign</name><bridge name='foreign0'/></network>");
  const pool = await libvirt.storagePoolDefineXml(
    `<pool type='dir'><name>foreign</name><target><path>${lab.folder("foreign")}</path></target></pool>`,
  );
  await libvirt.storagePoolBuild(pool);
  await libvirt.storagePoolCreate(pool);
  await libvirt.storagePoolSetAutostart(pool, true);
  await libvirt.storageVolCreateXml(pool, "<volume><name>image</name><capacity>1</capacity></volume>");
  await libvirt.domainDefineXml(foreignMachine("foreign"));
  // libvirt knows more of a pool that it built itself than after its next start.
  await lab.host.kill();
  await lab.host.start();
  found = await lab.inventory();
});
afterEach(async () => {
  await lab.dropStacks();
  lab.gate.open();
  await clearHost(lab.host.qemuUri, "lab");
  rmSync(lab.folder("pool"), { recursive: true, force: true });
});
afterAll(async () => {
  if (lab !== undefined) await clearHost(lab.host.qemuUri, "foreign");
  await lab?.stop();
});

const foreignMachine = (name: string): string =>
  `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os></domain>`;

const declaration = (): Partial<Declaration> => ({
  pools: { pool: { name: "lab", path: lab.folder("pool") } },
  networks: { network: { name: "lab", mode: "isolated", bridge: "lab0", address: "10.50.0.1/24" } },
  volumes: { image: { name: "image", pool: "lab", source: { path: lab.folder("image.raw"), id: "image" } } },
  domains: {
    machine: machine("lab-machine", {
      rootDisk: { pool: "lab", image: "image", sizeMiB: imageMiB },
      interfaces: [{ network: "lab", mac: "52:54:00:50:00:0b" }],
      guestAgent: true,
    }),
  },
});

/** A stack whose `up` was killed in the very moment; nothing of what it asks after it happens. */
async function killed(what: string, moment: Moment, declared = declaration()): Promise<Stack> {
  const stack = await lab.stack("owner-of-down-after-kill");
  await stack.declare(declared);
  await killAgain(stack, what, moment);
  return stack;
}

async function killAgain(stack: Stack, what: string, moment: Moment): Promise<void> {
  lab.gate.closeAt(moment);
  await stack.killDuringUp(what, () => lab.gate.closed, "killed");
  lab.gate.openForOthers();
}

function down({ project }: Stack, options: Partial<DownOptions> = {}): Promise<number> {
  const { layout, report, root, session } = project;
  const context = { root, cache: cacheFolder(), report, layout, interactive: false, env: process.env };
  return removeStack(context, session, { yes: false, keepProtected: false, ...options });
}

const machineRuns = async () => ((await lab.libvirt.domainLookupByName("lab-machine"))?.id ?? -1) >= 0;

describe("an up that was killed while it created", () => {
  it.each<[what: string, name: string, moment: Moment]>([
    ["a pool that is not started", "pool", calling(poolProcedure.create)],
    ["a pool whose directory is made", "pool", answering(poolProcedure.build)],
    ["a network that is not started", "network", calling(networkProcedure.create)],
    ["a network that runs", "network", answering(networkProcedure.create)],
    [
      "a volume that only its marker is there of",
      "image",
      inOrder(answering(volumeProcedure.createXml), calling(volumeProcedure.createXml)),
    ],
    ["a volume that is half uploaded", "image", halfUploaded()],
    ["a machine that the host was not asked for", "machine", calling(domainProcedure.defineXml)],
    [
      "a machine that has no disk",
      "machine",
      inOrder(calling(domainProcedure.defineXml), calling(volumeProcedure.createXml)),
    ],
    [
      "a machine that runs",
      "machine",
      inOrder(calling(domainProcedure.create), calling(domainProcedure.setMetadata)),
    ],
  ])("%s: down leaves the host as it was", async (what, name, moment) => {
    const stack = await killed(what, moment);
    expect(await machineRuns()).toBe(what === "a machine that runs");
    expect(await down(stack)).toBe(0);
    expect(await lab.inventory()).toEqual(found);
    expect(stack.project.shown()).toMatch(
      new RegExp(`Creations that a killed run left open are removed with the rest: .*\\b${name}\\b`),
    );
    expect(await down(stack)).toBe(0);
  });
});

describe("an up that was killed while it replaced", () => {
  const renamedImage = (): Partial<Declaration> => ({
    ...declaration(),
    volumes: {
      image: { name: "image2", pool: "lab", source: { path: lab.folder("image.raw"), id: "image" } },
    },
  });
  const renamedMachine = (): Partial<Declaration> => ({
    ...declaration(),
    domains: {
      machine: machine("lab-renamed", { rootDisk: { pool: "lab", image: "image", sizeMiB: imageMiB } }),
    },
  });

  it.each<[what: string, moment: Moment, declared: () => Partial<Declaration>]>([
    [
      "a machine that is gone, and whose successor is defined",
      answering(domainProcedure.defineXml),
      renamedMachine,
    ],
    ["a volume that a machine uses still", halfUploaded(), renamedImage],
  ])("%s: down removes the old and the new", async (what, moment, declared) => {
    const stack = await lab.stack("owner-of-down-after-kill");
    await stack.declare(declaration());
    await stack.must("up");
    await stack.declare(declared());
    await killAgain(stack, what, moment);
    expect(await down(stack)).toBe(0);
    expect(await lab.inventory()).toEqual(found);
  });
});

it("a down whose host does not answer says so and forgets nothing: the next up makes the whole lab", async () => {
  const stack = await killed("a volume that is half uploaded", halfUploaded());
  await lab.host.kill();
  expect(await down(stack)).not.toBe(0);
  expect(stack.project.shown()).toContain("Nothing was removed from the state; repair the connection");
  await lab.host.start();

  await stack.settle();
  await stack.must("up");
  expect(await machineRuns()).toBe(true);
  const image = (name: string) => readFileSync(lab.folder(name));
  expect(image("pool/image").equals(image("image.raw"))).toBe(true);
  expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});

  expect(await down(stack)).toBe(0);
  expect(await lab.inventory()).toEqual(found);
});

describe("an up whose connection broke while it created", () => {
  it.each<[what: string, moment: Moment]>([
    ["a pool whose directory is made", answering(poolProcedure.build)],
    ["a network that is to be started", calling(networkProcedure.create)],
    ["a network that runs", answering(networkProcedure.create)],
    ["a volume that is half uploaded", halfUploaded()],
  ])("%s: down leaves the host as it was", async (_what, moment) => {
    const stack = await lab.stack("owner-of-down-after-kill");
    await stack.declare(declaration());
    lab.gate.closeAt(moment);
    const failing = stack.mustFail("up");
    await lab.waitFor("the moment", () => lab.gate.closed);
    lab.gate.openForOthers();
    expect(await failing).toContain("could not be created: ");
    expect(await lab.inventory()).not.toEqual(found);
    expect(await down(stack)).toBe(0);
    expect(await lab.inventory()).toEqual(found);
  });
});
