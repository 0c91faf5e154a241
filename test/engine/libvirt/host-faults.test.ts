/** What goes wrong on the host: each time a clear error, nothing lost, and the next `up` succeeds when the cause is gone. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { domain as domainProcedure } from "../../../providers/libvirt/client/procedures/domain.ts";
import type { DomainInputs } from "../../../providers/libvirt/resources/inputs.ts";
import { calling, inOrder, uploaded } from "../../support/libvirt-gate.ts";
import { clearHost } from "../../support/libvirt-provider.ts";
import { startOwnSshHost } from "../../support/ssh-host.ts";
import type { Declaration } from "../support/declaration.ts";
import { machine, writeGuestImage } from "../support/guest.ts";
import { type Inventory, inNamespace } from "../support/inventory.ts";
import { Lab, type Stack } from "../support/lab.ts";

let lab: Lab;
let found: Inventory;
let pool = "";
let count = 0;
beforeAll(async () => {
  lab = await Lab.start();
  writeGuestImage(lab.folder("image.raw"));
  writeGuestImage(lab.folder("deaf.raw"), "deaf");
  writeGuestImage(lab.folder("medium.raw"), "polite", "medium", 16);
});
beforeEach(async () => {
  count += 1;
  pool = lab.folder(`pool-${count}`);
  found = await lab.inventory();
});
afterEach(async () => {
  await lab.dropStacks();
  lab.gate.open();
  await clearHost(lab.host.qemuUri, "lab");
});
afterAll(() => lab?.stop());

const rests = (more: Partial<DomainInputs> = {}): DomainInputs =>
  machine("lab-machine", {
    rootDisk: { pool: "lab", image: "image", sizeMiB: 4 },
    running: false,
    ...more,
  });

function declaration(more: Partial<Declaration> = {}): Partial<Declaration> {
  return {
    pools: { pool: { name: "lab", path: pool } },
    networks: { network: { name: "lab", mode: "isolated", bridge: "lab0", address: "10.50.0.1/24" } },
    volumes: {
      image: { name: "image", pool: "lab", source: { path: lab.folder("image.raw"), id: "image" } },
    },
    domains: { machine: rests() },
    ...more,
  };
}

async function find<T>(lookup: Promise<T | undefined>): Promise<T> {
  const object = await lookup;
  if (object === undefined) throw new Error("the object is not on the host");
  return object;
}
const machineOf = () => find(lab.libvirt.domainLookupByName("lab-machine"));

async function destroyAndCompare(stack: Stack): Promise<void> {
  await stack.must("destroy");
  expect(await lab.inventory()).toEqual(found);
}

describe("libvirtd is killed and started again", () => {
  /** Kills the daemon in the moment at which the gate closes, and starts it again. */
  async function restart(moment: string): Promise<void> {
    await lab.waitFor(moment, () => lab.gate.closed);
    await lab.host.kill();
    await lab.host.start();
    lab.gate.open();
  }

  it("during an upload: the error says so, no half volume is used, the next up makes it", async () => {
    const stack = await lab.stack("owner-of-restarts");
    const medium = { name: "image", pool: "lab", source: { path: lab.folder("medium.raw"), id: "medium" } };
    await stack.declare(declaration({ volumes: { image: medium }, domains: {} }));
    lab.gate.closeAt(uploaded(8 * 1024 * 1024));
    const failing = stack.run("up");
    await restart("the middle of the upload");
    const { code, text } = await failing;
    expect(code).not.toBe(0);
    expect(text).toMatch(
      /Volume "image" could not be created: .*Nothing was removed from the state; repair the connection/,
    );
    expect((await stack.state()).names).toEqual(["network", "pool"]);
    await stack.must("up");
    expect(readFileSync(`${pool}/image`).equals(readFileSync(lab.folder("medium.raw")))).toBe(true);
    await destroyAndCompare(stack);
  });

  it("while a machine shuts down for a restart: the update goes on and succeeds", async () => {
    const stack = await lab.stack("owner-of-restarts");
    const deaf = {
      image: { name: "image", pool: "lab", source: { path: lab.folder("deaf.raw"), id: "deaf" } },
    };
    const deafMachine = (memoryMiB: number) =>
      declaration({
        volumes: deaf,
        domains: {
          machine: rests({ running: true, memoryMiB, stop: { timeoutSeconds: 4, onTimeout: "powerOff" } }),
        },
      });
    await stack.declare(deafMachine(64));
    await stack.must("up");
    await stack.declare(deafMachine(80));
    lab.gate.closeAt(inOrder(calling(domainProcedure.shutdown), calling(domainProcedure.getState)));
    const updating = stack.run("up");
    await restart("the wait for the shutdown");
    const updated = await updating;
    expect(updated.text).not.toContain("error:");
    expect(updated).toMatchObject({ code: 0, ops: { machine: ["update"] } });
    expect((await lab.libvirt.domainGetInfo(await machineOf())).maxMemoryKiB).toBe(80 * 1024);
    expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});
    await destroyAndCompare(stack);
  });
});

describe("a pool without space", () => {
  it("is an error that says how much is free and needed; with space the next up succeeds", async () => {
    await mkdir(pool);
    found = await lab.inventory();
    inNamespace(lab.host, "mount", ["mount", "-t", "tmpfs", "-o", "size=3m", "none", pool]);
    try {
      const stack = await lab.stack("owner-of-full-pool");
      const volumes = {
        image: { name: "image", pool: "lab", source: { path: lab.folder("image.raw"), id: "image" } },
        large: { name: "large", pool: "lab", source: { path: lab.folder("medium.raw"), id: "medium" } },
      };
      await stack.declare(declaration({ volumes }));
      const text = await stack.mustFail("up");
      expect(text).toMatch(
        /the storage pool "lab" on \S+ has no room: .*MiB are free, 16\.0 MiB are needed\. Free some space there/,
      );
      const { volumes: left } = await lab.inventory();
      expect(left.filter((name) => name.startsWith("lab/large"))).toEqual([]);
      expect((await stack.state()).names).toEqual(["image", "network", "pool"]);
      inNamespace(lab.host, "mount", ["mount", "-o", "remount,size=64m", pool]);
      await stack.must("up");
      await stack.must("destroy");
      expect((await lab.inventory()).domains).toEqual(found.domains);
    } finally {
      inNamespace(lab.host, "mount", ["umount", "-l", pool]);
    }
    expect(await lab.inventory()).toEqual(found);
  });
});

describe("an image that is not the declared one", () => {
  it("is an error with both sums, nothing is left of it, and no machine is made from it", async () => {
    const stack = await lab.stack("owner-of-wrong-sum");
    const withSum = (sha256: string) =>
      declaration({
        volumes: { image: { name: "image", pool: "lab", source: { path: lab.folder("image.raw"), sha256 } } },
      });
    await stack.declare(withSum("0".repeat(64)));
    const text = await stack.mustFail("up");
    const actual = /its SHA-256 is ([0-9a-f]{64}), declared is 0{64}\. The partial volume was removed/.exec(
      text,
    )?.[1];
    expect(actual).toBeDefined();
    expect(readdirSync(pool)).toEqual([]);
    expect((await stack.state()).names).toEqual(["network", "pool"]);
    await stack.declare(withSum(actual ?? ""));
    await stack.must("up");
    await destroyAndCompare(stack);
  });
});

describe("names that somebody else has", () => {
  it("a pool and a network: both are named, neither is touched, and the up succeeds when they are gone", async () => {
    const other = lab.folder("other-pool");
    const foreignPool = await lab.libvirt.storagePoolDefineXml(
      `<pool type="dir"><name>lab</name><target><path>${other}</path></target></pool>`,
    );
    const foreignNetwork = await lab.libvirt.networkDefineXml(
      '<network><name>lab</name><bridge name="other0"/><ip address="10.60.0.1" netmask="255.255.255.0"/></network>',
    );
    const stack = await lab.stack("owner-of-taken-names");
    await stack.declare(declaration());
    const before = await lab.inventory();
    const text = await stack.mustFail("up");
    expect(text).toMatch(/a storage pool "lab" exists already on .*adopt: true.*virsh pool-destroy lab/);
    expect(text).toMatch(
      /a network "lab" exists already on .*it was not made by hyperlab.*virsh net-undefine lab/,
    );
    expect(await lab.inventory()).toEqual(before);
    await lab.libvirt.storagePoolUndefine(foreignPool);
    await lab.libvirt.networkUndefine(foreignNetwork);
    await stack.must("up");
    await destroyAndCompare(stack);
  });

  it("a volume, then a domain: named and not touched, and the up succeeds when they are gone", async () => {
    const stack = await lab.stack("owner-of-taken-names");
    await stack.declare({ pools: { pool: { name: "lab", path: pool } } });
    await stack.must("up");
    writeGuestImage(`${pool}/image`, "polite", "of somebody else");
    const foreign = await lab.libvirt.domainDefineXml(
      '<domain type="qemu"><name>lab-machine</name><memory unit="MiB">64</memory><os><type arch="x86_64" machine="q35">hvm</type></os></domain>',
    );
    await stack.declare(declaration());
    const before = await lab.inventory();
    expect(await stack.mustFail("up")).toMatch(
      /the volume "image" in pool "lab" exists already on .*it was not made by hyperlab.*pulumi import.*virsh vol-delete/,
    );
    rmSync(`${pool}/image`);
    expect(await stack.mustFail("up")).toMatch(
      /the domain "lab-machine" exists already on .*it was not made by hyperlab.*Nothing was changed.*pulumi import.*virsh undefine/,
    );
    expect((await lab.inventory()).domains).toEqual(before.domains);
    await lab.libvirt.domainUndefine(foreign);
    await stack.must("up");
    await destroyAndCompare(stack);
  });

  it("those of another stack: everything is refused, and the other stack notices nothing", async () => {
    const first = await lab.stack("owner-of-first-stack");
    await first.declare(declaration());
    await first.must("up");
    const made = await lab.inventory();
    const second = await lab.stack("owner-of-second-stack");
    await second.declare(declaration());
    const text = await second.mustFail("up");
    expect(text).toMatch(/a storage pool "lab" exists already on .*was not made by this resource/);
    expect(text).toMatch(/a network "lab" exists already on .*it belongs to another stack/);
    await second.declare({ domains: { machine: rests() }, volumes: declaration().volumes ?? {} });
    expect(await second.mustFail("up")).toMatch(
      /the volume "image" in pool "lab" exists already on .*it belongs to another stack/,
    );
    await second.declare({ domains: { machine: rests() } });
    expect(await second.mustFail("up")).toMatch(
      /the domain "lab-machine" exists already on .*it belongs to another stack/,
    );
    expect((await second.state()).names).toEqual([]);
    await second.must("destroy");
    expect(await lab.inventory()).toEqual(made);
    expect((await first.must("preview", ["--expect-no-changes"])).ops).toEqual({});
    await destroyAndCompare(first);
  });
});

describe("a host that cannot be reached over ssh", () => {
  it("is an error that names it; nothing is lost; everything goes on when it is back", async () => {
    const ssh = await startOwnSshHost();
    try {
      await ssh.down();
      const uri = `qemu+ssh://${ssh.host}/system?socket=${lab.host.socket}`;
      const stack = await lab.stack("owner-of-remote-host", { env: { PATH: ssh.path } });
      await stack.declare({ ...declaration(), uri });
      expect(await stack.mustFail("up")).toMatch(
        new RegExp(`Pool "pool" could not be created: .*${ssh.host}.*[Cc]onnection refused.*run it again`),
      );
      expect(await lab.inventory()).toEqual(found);
      await ssh.up();
      await stack.must("up");
      const made = await lab.inventory();
      const { names } = await stack.state();
      await ssh.down();
      for (const operation of ["refresh", "destroy"] as const) {
        expect(await stack.mustFail(operation)).toContain("Nothing was removed from the state");
      }
      expect((await stack.state()).names).toEqual(names);
      await ssh.up();
      expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});
      expect(await lab.inventory()).toEqual(made);
      await destroyAndCompare(stack);
    } finally {
      await ssh.stop();
    }
  });
});

describe("a replacement that fails half-way", () => {
  it("and is taken back: the next up makes the machine and the network as they were", async () => {
    const stack = await lab.stack("owner-of-replacement");
    await stack.declare(declaration());
    await stack.must("up");
    await lab.libvirt.domainDefineXml(
      '<domain type="qemu"><name>lab-taken</name><memory unit="MiB">64</memory><os><type arch="x86_64" machine="q35">hvm</type></os></domain>',
    );
    await lab.libvirt.networkDefineXml("<network><name>lab-taken</name></network>");
    await stack.declare(
      declaration({
        networks: {
          network: { name: "lab-taken", mode: "isolated", bridge: "lab0", address: "10.50.0.1/24" },
        },
        domains: { machine: rests({ name: "lab-taken" }) },
      }),
    );
    const text = await stack.mustFail("up");
    expect(text).toMatch(/a network "lab-taken" exists already on .*it was not made by hyperlab/);
    await stack.declare(declaration({ domains: { machine: rests({ name: "lab-taken" }) } }));
    expect(await stack.mustFail("up")).toMatch(
      /the domain "lab-taken" exists already on .*it was not made by hyperlab/,
    );
    await stack.declare(declaration());
    await stack.must("up");
    await machineOf();
    expect(await lab.libvirt.networkIsActive(await find(lab.libvirt.networkLookupByName("lab")))).toBe(true);
    expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});
    await clearHost(lab.host.qemuUri, "lab-taken");
    await destroyAndCompare(stack);
  });
});
