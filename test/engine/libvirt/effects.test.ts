/** The promise: what the preview says about each machine is what then happens to it, and nothing else. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DomainInputs } from "../../../providers/libvirt/resources/inputs.ts";
import type { Declaration } from "../support/declaration.ts";
import { machine, writeGuestImage } from "../support/guest.ts";
import { Lab, type Ran, type Stack } from "../support/lab.ts";
import { diagnosticsOf, type Happened, Observer } from "../support/observer.ts";

let lab: Lab;
let stack: Stack;
beforeAll(async () => {
  lab = await Lab.start();
  writeGuestImage(lab.folder("one.raw"), "polite", "one");
  writeGuestImage(lab.folder("two.raw"), "polite", "two");
  stack = await lab.stack("owner-of-effects");
  await stack.declare(declaration(nothing));
  await stack.must("up");
});
afterAll(() => lab?.stop());

const onDisk = (name: string, more: Partial<DomainInputs> = {}): DomainInputs =>
  machine(name, { rootDisk: { pool: "lab", image: "one", sizeMiB: 4 }, ...more });

const seedDisk = (volume: string) => ({ pool: "lab", volume, target: "vdz", seed: true });
const seedDrive = (volume: string) => ({ ...seedDisk(volume), target: "sda", device: "cdrom" as const });

const nothing = {};

/** Every machine once, before any change. */
const before: Readonly<Record<string, DomainInputs>> = {
  untouched: onDisk("untouched"),
  noted: onDisk("noted"),
  live: onDisk("live", { maxVcpus: 2 }),
  grown: onDisk("grown"),
  restarted: onDisk("restarted"),
  rolled1: onDisk("rolled1", { rolloutGroup: "rolled" }),
  rolled2: onDisk("rolled2", { rolloutGroup: "rolled" }),
  rebuilt: onDisk("rebuilt"),
  reseeded: onDisk("reseeded", { disks: [seedDrive("seed-a")] }),
  "virtio-seed": onDisk("virtio-seed", { disks: [seedDisk("seed-a")] }),
  "called-seed": onDisk("called-seed", {
    disks: [{ pool: "lab", volume: "kept", target: "vdz", readOnly: true }],
  }),
  replaced: onDisk("replaced"),
  stopped: onDisk("stopped"),
  started: onDisk("started", { running: false }),
  resting: onDisk("resting", { running: false }),
  removed: onDisk("removed"),
};

function declaration(
  changes: Readonly<Record<string, DomainInputs | undefined>>,
  seed = changes === nothing ? "a" : "b",
): Partial<Declaration> {
  const domains = { ...before, ...changes };
  return {
    pools: { pool: { name: "lab", path: lab.folder("pool") } },
    volumes: {
      one: { name: "one", pool: "lab", source: { path: lab.folder("one.raw"), id: "one" } },
      two: { name: "two", pool: "lab", source: { path: lab.folder("two.raw"), id: "two" } },
      kept: { name: "kept", pool: "lab", seed: { userData: "#cloud-config\n", metaData: "{}" } },
      seed: {
        name: `seed-${seed}`,
        pool: "lab",
        seed: { userData: `#cloud-config\n# ${seed}`, metaData: "{}" },
      },
    },
    domains: Object.fromEntries(
      Object.entries(domains).flatMap(([name, inputs]) => (inputs === undefined ? [] : [[name, inputs]])),
    ),
  };
}

const two = { pool: "lab", image: "two", sizeMiB: 4 };
const changed: Readonly<Record<string, DomainInputs | undefined>> = {
  noted: onDisk("noted", { stop: { timeoutSeconds: 31, onTimeout: "fail" } }),
  live: onDisk("live", { maxVcpus: 2, title: "a live change", autostart: true }),
  grown: onDisk("grown", { rootDisk: { pool: "lab", image: "one", sizeMiB: 5 } }),
  restarted: onDisk("restarted", { memoryMiB: 80 }),
  rolled1: onDisk("rolled1", { rolloutGroup: "rolled", memoryMiB: 80 }),
  rolled2: onDisk("rolled2", { rolloutGroup: "rolled", memoryMiB: 80 }),
  rebuilt: onDisk("rebuilt", { rootDisk: two }),
  reseeded: onDisk("reseeded", { disks: [seedDrive("seed-b")] }),
  "virtio-seed": onDisk("virtio-seed", { disks: [seedDisk("seed-b")] }),
  "called-seed": onDisk("called-seed", { disks: [seedDisk("kept")] }),
  replaced: onDisk("replaced-anew"),
  stopped: onDisk("stopped", { running: false }),
  started: onDisk("started"),
  resting: onDisk("resting", { running: false, memoryMiB: 80 }),
  removed: undefined,
  added: onDisk("added"),
};

/** The lines of a preview, by logical name. */
function linesOf(ran: Ran): Record<string, readonly string[]> {
  const lines = diagnosticsOf(ran);
  // The engine has each of them with its URN as well.
  for (const [name, texts] of Object.entries(lines)) {
    const reported = ran.events.flatMap((event) =>
      event.kind === "message" && event.urn.endsWith(`::libvirt:index:Domain::${name}`)
        ? event.text.trim().split("\n")
        : [],
    );
    expect(reported).toEqual(expect.arrayContaining([...texts]));
  }
  return lines;
}

describe("one change of each class, all in one update", () => {
  let previewed: Readonly<Record<string, readonly string[]>> = {};
  let happened: Readonly<Record<string, Happened>> = {};
  let events: readonly string[] = [];

  beforeAll(async () => {
    await stack.declare(declaration(changed));
    previewed = linesOf(await stack.must("preview"));
    const observer = await Observer.start(lab.libvirt);
    try {
      await stack.must("up");
      happened = await observer.result();
      events = observer.events;
    } finally {
      observer.stop();
    }
  });

  it.each<[machine: string, line: RegExp | undefined, happened: Happened]>([
    ["untouched", undefined, "nothing"],
    ["noted", undefined, "nothing"],
    ["live", /^live: live \(title set to a live change, autostart false → true\)$/, "live"],
    ["grown", /^grown: live \(rootDisk.sizeMiB 4 → 5\)$/, "live"],
    ["restarted", /^restarted: restart \(memoryMiB 64 → 80\), stop without quiesce$/, "restarted"],
    ["rolled1", /^rolled1: restart \(memoryMiB 64 → 80\), stop without quiesce$/, "restarted"],
    ["rolled2", /^rolled2: restart \(memoryMiB 64 → 80\), stop without quiesce$/, "restarted"],
    [
      "rebuilt",
      /^rebuilt: rebuild \(rootDisk.image one → two\), stop without quiesce, new root disk, the old one is kept until the machine is ready$/,
      "rebuilt",
    ],
    [
      "reseeded",
      /^reseeded: rebuild \(disks\[sda\]\.volume seed-a → seed-b\), stop without quiesce, new root disk/,
      "rebuilt",
    ],
    [
      "virtio-seed",
      /^virtio-seed: rebuild \(disks\[vdz\]\.volume seed-a → seed-b\), stop without quiesce, new root disk/,
      "rebuilt",
    ],
    ["called-seed", undefined, "nothing"],
    ["stopped", /^stopped: stop, stop without quiesce$/, "stopped"],
    ["started", /^started: start/, "started"],
    ["resting", /^resting: change while it is off \(memoryMiB 64 → 80\)$/, "changed while off"],
    ["added", /^added: create$/, "created"],
  ])("%s: the preview's line and what happened agree", (name, line, expected) => {
    expect(previewed[name] ?? []).toEqual(line === undefined ? [] : [expect.stringMatching(line)]);
    expect(happened[name]).toBe(expected);
  });

  it("a replaced machine has one line, which says that it is deleted first and how it is emptied", () => {
    expect(previewed.replaced).toEqual([
      expect.stringMatching(
        /^replaced-anew: replace \(name replaced → replaced-anew\).*stop without quiesce/,
      ),
    ]);
    expect(happened).toMatchObject({ replaced: "deleted", "replaced-anew": "created" });
    expect(events.indexOf("replaced undefined")).toBeLessThan(events.indexOf("replaced-anew defined"));
  });

  it("a machine that is no longer declared is removed, and only that one", () => {
    expect(happened.removed).toBe("deleted");
    expect(Object.entries(happened).filter(([, what]) => what === "deleted")).toHaveLength(2);
  });

  it("a seed that is replaced is made before, and removed after the machine that uses it", async () => {
    const { volumes } = await lab.inventory();
    const seeds = volumes.filter((name) => name.includes("/seed-") && !name.includes("-root-"));
    expect(seeds).toEqual(["lab/seed-b", expect.stringMatching(/^lab\/seed-b\.hyperlab-/)]);
  });

  it("of a rollout group one machine is down at a time", () => {
    const order = events.filter((event) => /^rolled\d (stopped|started)$/.test(event));
    expect(order).toHaveLength(4);
    const [first = "", second = "", third = "", fourth = ""] = order;
    expect([second, fourth]).toEqual([first, third].map((event) => event.replace("stopped", "started")));
  });

  it("afterwards nothing is left to do, and no old disk is left", async () => {
    expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});
    const { volumes } = await lab.inventory();
    const roots = volumes
      .filter((name) => name.includes("-root-"))
      .map((name) => name.replace(/-root-.*/, ""));
    const machines = Object.keys({ ...before, added: 1 }).filter((name) => name !== "removed");
    expect(roots).toEqual(
      machines.map((name) => `lab/${name === "replaced" ? "replaced-anew" : name}`).sort(),
    );
  });
});

describe("a change that is not possible", () => {
  it("is refused in the preview with the way out, and the machine stays as it is", async () => {
    const smaller = { pool: "lab", image: "two", sizeMiB: 3 };
    await stack.declare(declaration({ ...changed, rebuilt: onDisk("rebuilt", { rootDisk: smaller }) }));
    const observer = await Observer.start(lab.libvirt);
    try {
      for (const operation of ["preview", "up"] as const) {
        const text = await stack.mustFail(operation);
        expect(text).toMatch(
          /libvirt:index:Domain \(rebuilt\):[\s\S]*a root disk cannot shrink; keep the size/,
        );
      }
      expect(observer.events).toEqual([]);
      expect(new Set(Object.values(await observer.result()))).toEqual(new Set(["nothing"]));
    } finally {
      observer.stop();
    }
    await stack.declare(declaration(changed));
    expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});
  });
});
