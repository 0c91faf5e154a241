/**
 * The engine, or the provider with it, dies in the middle of an update. The next run settles what was open and comes to
 * the same result as if nothing had happened.
 */
import { rmSync, statSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { domain as domainProcedure } from "../../../providers/libvirt/client/procedures/domain.ts";
import { network as networkProcedure } from "../../../providers/libvirt/client/procedures/network.ts";
import { storageVol as volumeProcedure } from "../../../providers/libvirt/client/procedures/storage.ts";
import type { DomainInputs } from "../../../providers/libvirt/resources/inputs.ts";
import { calling, inOrder, type Moment, uploaded } from "../../support/libvirt-gate.ts";
import { clearHost } from "../../support/libvirt-provider.ts";
import { comparableDefinition } from "../support/comparable.ts";
import type { Declaration } from "../support/declaration.ts";
import { machine, writeGuestImage } from "../support/guest.ts";
import type { Inventory } from "../support/inventory.ts";
import { Lab, type Stack } from "../support/lab.ts";
import { diagnosticsOf } from "../support/observer.ts";
import { endProcesses } from "../support/processes.ts";

const imageMiB = 16;

let lab: Lab;
let found: Inventory;
/** What an undisturbed `up` makes. */
let wanted: unknown;
beforeAll(async () => {
  lab = await Lab.start();
  writeGuestImage(lab.folder("image.raw"), "polite", "", imageMiB);
  writeGuestImage(lab.folder("other.raw"), "polite", "other");
  found = await lab.inventory();
  const undisturbed = await lab.stack("owner-of-killed-runs");
  await undisturbed.declare(declaration());
  await undisturbed.must("up");
  wanted = comparable(await lab.inventory());
  await undisturbed.must("destroy");
  expect(await lab.inventory()).toEqual(found);
});
afterEach(async () => {
  await lab.dropStacks();
  lab.gate.open();
  await clearHost(lab.host.qemuUri, "lab");
  rmSync(lab.folder("pool"), { recursive: true, force: true });
});
afterAll(() => lab?.stop());

const declaration = (more: Partial<DomainInputs> = {}): Partial<Declaration> => ({
  pools: { pool: { name: "lab", path: lab.folder("pool") } },
  networks: { network: { name: "lab", mode: "isolated", bridge: "lab0", address: "10.50.0.1/24" } },
  volumes: {
    image: { name: "image", pool: "lab", source: { path: lab.folder("image.raw"), id: "image" } },
    other: { name: "other", pool: "lab", source: { path: lab.folder("other.raw"), id: "other" } },
  },
  domains: {
    machine: machine("lab-machine", {
      rootDisk: { pool: "lab", image: "image", sizeMiB: imageMiB },
      interfaces: [{ network: "lab", mac: "52:54:00:50:00:0b" }],
      guestAgent: true,
      ...more,
    }),
  },
});

/** libvirt may write the devices of a domain in another order. */
function comparable(inventory: Inventory): unknown {
  const plain = (text: string) => comparableDefinition(text, "52:54:00:50:00");
  const lines = (definitions: Readonly<Record<string, string>>) =>
    Object.entries(definitions).map(([name, xml]) => [name, plain(xml).split("\n").sort()]);
  const { domains, networks, pools, ...rest } = inventory;
  return [[domains, networks, pools].map(lines), JSON.parse(plain(JSON.stringify(rest)))];
}

/** Kills engine and provider in the very moment; nothing of what they ask after it happens. */
async function killAt(stack: Stack, what: string, moment: Moment): Promise<void> {
  lab.gate.closeAt(moment);
  await stack.killDuringUp(what, () => lab.gate.closed, "killed");
  lab.gate.openForOthers();
}

const machineOf = () => lab.libvirt.domainLookupByName("lab-machine");
const running = async () => ((await machineOf())?.id ?? -1) >= 0;

/** Settles, brings the stack up, and proves that everything is as after an undisturbed run. */
async function finish(stack: Stack): Promise<void> {
  await stack.settle();
  await stack.must("up");
  expect(comparable(await lab.inventory())).toEqual(wanted);
  expect(await running()).toBe(true);
  expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});
  await stack.must("destroy");
  expect(await lab.inventory()).toEqual(found);
}

describe("an engine that is killed with its provider while it creates", () => {
  const half = uploaded((imageMiB / 2) * 1024 * 1024);
  it.each<[what: string, moment: Moment, there: () => Promise<boolean>]>([
    [
      "a network that is defined and not started",
      calling(networkProcedure.create),
      async () => {
        const network = await lab.libvirt.networkLookupByName("lab");
        return network !== undefined && !(await lab.libvirt.networkIsActive(network));
      },
    ],
    ["a volume that is half uploaded", half, async () => statSync(`${lab.folder("pool")}/image`).blocks > 0],
    [
      "a machine that is defined and has no disk",
      inOrder(calling(domainProcedure.defineXml), calling(volumeProcedure.createXml)),
      async () => !(await running()),
    ],
    ["a machine that is to be started", calling(domainProcedure.create), async () => !(await running())],
    [
      "a machine that runs and is not recorded as ready",
      inOrder(calling(domainProcedure.create), calling(domainProcedure.setMetadata)),
      running,
    ],
  ])("%s: the next up comes to the same result, and nothing is left over", async (what, moment, there) => {
    const stack = await lab.stack("owner-of-killed-runs");
    await stack.declare(declaration());
    await killAt(stack, what, moment);
    expect(await there()).toBe(true);
    await finish(stack);
  });
});

describe("an engine that is killed alone", () => {
  it("while a machine is waited for: the provider ends by itself, and the next up goes on", async () => {
    const stack = await lab.stack("owner-of-killed-runs");
    await stack.declare(declaration({ ready: { wait: "agent", timeoutSeconds: 600 } }));
    await stack.killDuringUp("the machine to run", running, "orphaned");
    const { id } = (await machineOf()) ?? {};
    await stack.declare(declaration());
    expect((await stack.state()).text).toMatch(/"type": ?"creating"/);
    await stack.settle();
    expect(stack.project.shown()).toContain("Creations that a killed run left open are settled: machine");
    await stack.must("up");
    expect((await machineOf())?.id).toBe(id);
    await finish(stack);
  });
});

describe("a provider that is killed alone", () => {
  it("while a machine is waited for: an error that names it, nothing is lost, the next up goes on", async () => {
    const stack = await lab.stack("owner-of-killed-runs");
    await stack.declare(declaration({ ready: { wait: "agent", timeoutSeconds: 600 } }));
    const failing = stack.run("up");
    await lab.waitFor("the machine to run", running);
    // It is made beside the machine.
    await lab.waitFor("the other volume to be recorded", () => stack.recorded("other"));
    endProcesses(await lab.providers());
    const failed = await failing;
    expect(failed.code).not.toBe(0);
    expect(failed.text).toMatch(/libvirt:index:Domain \(machine\):\n\s+error:/);
    expect((await stack.state()).names).toEqual(
      expect.arrayContaining(["image", "network", "other", "pool"]),
    );
    await stack.declare(declaration());
    await finish(stack);
  });
});

describe("an engine that is killed while it changes a machine", () => {
  /** A machine that runs, and whose memory is to be changed. */
  async function restarting(): Promise<{ stack: Stack; id: number }> {
    const stack = await lab.stack("owner-of-killed-runs");
    await stack.declare(declaration());
    await stack.must("up");
    const { id = 0 } = (await machineOf()) ?? {};
    await stack.declare(declaration({ memoryMiB: 80 }));
    return { stack, id };
  }

  it.each<[what: string, moment: Moment, line: string]>([
    [
      "which is shut down for a restart and not changed",
      calling(domainProcedure.defineXml),
      "lab-machine: change while it is off (memoryMiB 64 → 80), then start",
    ],
    [
      "which is shut down and changed, and not started",
      calling(domainProcedure.create),
      "lab-machine: start: should run and is shut off",
    ],
  ])("%s: the next up restarts it once", async (what, moment, line) => {
    const { stack, id } = await restarting();
    await killAt(stack, what, moment);
    expect(await running()).toBe(false);
    await stack.settle();
    expect(diagnosticsOf(await stack.must("preview")).machine).toEqual([line]);
    await stack.must("up");
    expect(await running()).toBe(true);
    expect((await machineOf())?.id).toBe(id + 1);
    await stack.declare(declaration());
    await finish(stack);
  });

  it("which is asked to shut down, and goes off without them: the next up restarts it once", async () => {
    const { stack, id } = await restarting();
    // The question after the request is the first that does not come through.
    await killAt(
      stack,
      "the machine to shut down",
      inOrder(calling(domainProcedure.shutdown), calling(domainProcedure.getState)),
    );
    await lab.waitFor("the machine to be off", async () => {
      const ref = await machineOf();
      if (ref === undefined || ref.id < 0) return true;
      // A button that is pressed before the guest looks at it is lost.
      await lab.libvirt.domainShutdown(ref, { mode: "acpi" }).catch(() => undefined);
      return false;
    });
    await stack.settle();
    await stack.must("up");
    expect((await machineOf())?.id).toBe(id + 1);
    await stack.declare(declaration());
    await finish(stack);
  });

  it("whose new root disk has not proved itself: the next up waits for it, and goes back to the old one", async () => {
    const stack = await lab.stack("owner-of-killed-runs");
    await stack.declare(declaration());
    await stack.must("up");
    const before = await lab.inventory();
    const rebuilt = (timeoutSeconds: number) =>
      declaration({
        rootDisk: { pool: "lab", image: "other", sizeMiB: imageMiB },
        ready: { wait: "agent", timeoutSeconds },
      });
    await stack.declare(rebuilt(600));
    const { id = 0 } = (await machineOf()) ?? {};
    const newGuest = async () => ((await machineOf())?.id ?? -1) > id;
    await stack.killDuringUp("the new guest to run", newGuest, "killed");
    await stack.settle();
    await stack.declare(rebuilt(1));
    const text = await stack.mustFail("up");
    expect(text).toContain(
      "It runs on its old root disk and definition again, and the new disk was removed.",
    );
    expect((await lab.inventory()).volumes).toEqual(before.volumes);
    expect(await running()).toBe(true);
    await stack.declare(declaration());
    await finish(stack);
  });
});
