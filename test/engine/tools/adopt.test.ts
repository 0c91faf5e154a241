/** `hyperlab adopt`: a stack whose state was lost, on a host where all of it is. */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdoptedCluster, adoptCluster } from "../../../tools/commands/adopt.ts";
import type { Context } from "../../../tools/commands/context.ts";
import { refuseLostState } from "../../../tools/commands/lost-state.ts";
import { prepareState } from "../../../tools/state/layout.ts";
import type { Declaration } from "../support/declaration.ts";
import { machine, writeGuestImage } from "../support/guest.ts";
import type { Inventory } from "../support/inventory.ts";
import { Lab, type Stack } from "../support/lab.ts";
import { Observer } from "../support/observer.ts";

let lab: Lab;
let stack: Stack;
let found: Inventory;

const root = { pool: "lab", image: "image", sizeMiB: 4 };
const declaration = (memoryMiB = 64): Partial<Declaration> => ({
  pools: { pool: { name: "lab", path: lab.folder("pool") } },
  networks: {
    network: { name: "lab", mode: "nat", bridge: "lab0", address: "10.50.0.1/24" },
  },
  volumes: {
    image: { name: "image", pool: "lab", source: { path: lab.folder("image.raw"), id: "image-1" } },
    state: { name: "state", pool: "lab", sizeMiB: 16 },
  },
  domains: {
    controller: machine("controller", {
      rootDisk: root,
      disks: [{ pool: "lab", volume: "state", target: "vdb", serial: "state" }],
      interfaces: [{ network: "lab", mac: "52:54:00:50:00:0b", address: "10.50.0.11" }],
    }),
    node: machine("node", { rootDisk: root, memoryMiB }),
    rests: machine("rests", { running: false }),
  },
});

beforeAll(async () => {
  lab = await Lab.start();
  writeGuestImage(lab.folder("image.raw"));
  found = await lab.inventory();
  stack = await lab.stack("its own", { program: "test/engine/support/adopt-program.ts" });
  await stack.declare(declaration());
  await stack.must("up");
});
afterAll(() => lab?.stop());

const context = (): Context => {
  const { layout, report, root: checkout } = stack.project;
  return { root: checkout, cache: "", report, layout, interactive: false, env: {} };
};

/** The state folder as after a loss: the passphrase was kept. */
function lose(): void {
  const { layout, root: checkout } = stack.project;
  rmSync(join(layout.folder, "backend"), { recursive: true });
  rmSync(layout.projectFolder, { recursive: true });
  prepareState(layout, checkout);
}

async function adopt(over: Partial<AdoptedCluster> = {}): Promise<{ code: number; shown: string }> {
  const uri = `qemu+unix:///system?socket=${lab.gate.socket}`;
  const machines = ["controller", "node", "rests"];
  const cluster = { lab: "lab", controller: "controller", machines, uri, ...over };
  const before = stack.project.shown().length;
  const code = await adoptCluster(context(), cluster, { yes: true }, async () => stack.project.session);
  return { code, shown: stack.project.shown().slice(before) };
}

/** What `up` says before it begins. */
async function updated(controller = "controller"): Promise<void> {
  const uri = `qemu+unix:///system?socket=${lab.gate.socket}`;
  await refuseLostState(context(), stack.project.session, { controller, uri });
}

/** What is on the host, without the generations that mark who recorded it last; and what runs and lies there. */
async function present() {
  const text = JSON.stringify(await lab.inventory())
    .replaceAll(/( generation=\\?["'])[0-9a-f]{16}/g, "$1")
    .replaceAll(/(\.hyperlab-[0-9a-f]{16}-[0-9a-f]{16}-)[0-9a-f]{16}/g, "$1");
  const runs = await lab.libvirt.domainList();
  const pool = lab.folder("pool");
  const files = readdirSync(pool)
    .filter((name) => !name.includes(".hyperlab-"))
    .map((name) => {
      const { ino, mtimeMs, size } = statSync(join(pool, name));
      return { name, ino, mtimeMs, size };
    });
  return { text, runs: runs.sort((a, b) => (a.name < b.name ? -1 : 1)), files };
}

const passphraseFile = (): string => {
  const { passphraseFile: file } = stack.project.layout;
  if (file === undefined) throw new Error("the stack has no passphrase file");
  return file;
};

describe("adopt", () => {
  it("is refused, with nothing changed, where it cannot be right", async () => {
    const before = await present();
    await expect(adopt()).rejects.toThrow(/stack dev has a state, with \d+ resources that it made/);
    await updated();
    lose();
    await expect(updated()).rejects.toThrow(
      /the state of stack dev has nothing, but .* machines of a stack of this name: controller, node, rests[\s\S]*hyperlab adopt/,
    );
    await updated("other");
    await expect(adopt({ controller: "other" })).rejects.toThrow(
      /has no machine other of stack dev in project hyperlab; it has records of controller \(stack dev, project hyperlab\)/,
    );
    await expect(adopt({ controller: "node" })).rejects.toThrow(
      /node is of stack dev, but keeps no recovery record/,
    );
    await expect(adopt({ machines: ["controller", "rests"] })).rejects.toThrow(
      /node is on the host and of this stack, but the cluster file does not declare it/,
    );
    const right = readFileSync(passphraseFile());
    writeFileSync(passphraseFile(), "another\n");
    await expect(adopt()).rejects.toThrow(
      /the recovery record of controller cannot be opened: the passphrase is not the one[\s\S]*write the passphrase/,
    );
    writeFileSync(passphraseFile(), right);
    const { project } = stack.project.layout;
    writeFileSync(stack.project.layout.stackFile, `config:\n  ${project}:keys:\n    slurm-key: 2\n`);
    await expect(adopt()).rejects.toThrow(/the cluster has slurm-key at generation 1, not 2/);
    writeFileSync(stack.project.layout.stackFile, "config: {}\n");
    expect(await present()).toEqual(before);
    expect(readdirSync(join(stack.project.layout.folder, "backend"))).toEqual([]);
  });

  it("touches nothing where a machine is not as declared, and says what", async () => {
    const before = await present();
    await stack.declare(declaration(80));
    const { code, shown } = await adopt();
    expect(code).not.toBe(0);
    // The stack knows who it is by now, so that both go on.
    await updated();
    expect(shown).toMatch(/node.*made it from other inputs.*node: restart \(memoryMiB 64 → 80/);
    expect(await present()).toEqual(before);
  });

  it("takes over what is there, as it is, and the next update finds nothing to do", async () => {
    const before = await present();
    await stack.declare(declaration());
    const observer = await Observer.start(lab.libvirt);
    const { code, shown } = await adopt();
    // A machine that was never started may be what a killed create left: it is defined again, and nothing is in it.
    expect(observer.events).toEqual(["rests defined"]);
    observer.stop();
    expect({ code, shown }).toMatchObject({ code: 0 });
    for (const name of ["controller", "node"]) expect(shown).toMatch(new RegExp(`^${name} +adopt `, "m"));
    for (const name of ["pool", "network", "image", "state"])
      expect(shown).toMatch(new RegExp(`^${name} .* adopt `, "m"));
    expect(await present()).toEqual(before);
    expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});
    expect((await stack.must("up")).ops).toEqual({});
    expect(await present()).toEqual(before);
  });

  it("keeps the secret encrypted in the new state, and from every other eye", async () => {
    const { secret, owner } = await stack.project.outputs();
    expect(secret).toMatch(/^[0-9a-f]{64}$/);
    const { text } = await stack.state();
    expect(text).toContain(String(owner));
    for (const place of [text, stack.project.shown(), (await present()).text]) {
      expect(place).not.toContain(String(secret));
    }
  });

  it("leaves nothing that its stack could not remove", async () => {
    await stack.must("destroy");
    expect(await lab.inventory()).toEqual(found);
  });
});
