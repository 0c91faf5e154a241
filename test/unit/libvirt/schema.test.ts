import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  changesOf,
  checkInputs,
  effectsOf,
  type ResourceName,
  withDefaults,
  worstEffect,
} from "../../../providers/libvirt/schema/index.ts";
import { pulumiSchema, schemaText } from "../../../providers/libvirt/schema/pulumi-schema.ts";
import { referenceText } from "../../../providers/libvirt/schema/reference.ts";
import { Secret, Unknown } from "../../../providers/plugin/values.ts";

const root = new URL("../../../", import.meta.url);
const resources: readonly ResourceName[] = ["Config", "Pool", "Volume", "Network", "Domain"];

describe("the tables", () => {
  it("are what the checked-in schema and reference say", () => {
    expect(readFileSync(new URL("providers/libvirt/schema.json", root), "utf8")).toBe(schemaText());
    expect(readFileSync(new URL("docs/reference/provider.md", root), "utf8")).toBe(referenceText());
  });

  it.each(resources)(
    "describe every input of %s in whole sentences, numbers with unit or meaning",
    (resource) => {
      for (const row of effectsOf(resource)) {
        expect(row.description, row.path).toMatch(/^(?:[A-Z`]|libvirt ).*\.$/);
        for (const text of Object.values(row.values ?? {})) expect(text, row.path).toMatch(/\.$/);
        if (/MiB|KiB|Seconds/.test(row.path.split(".").pop() ?? "")) expect(row.unit, row.path).toBeDefined();
      }
    },
  );

  it.each(resources)("decide about every change of %s, with a way out where it is forbidden", (resource) => {
    for (const row of effectsOf(resource)) {
      if (typeof row.effect === "string") {
        expect(row.effect, row.path).not.toBe("forbidden");
        continue;
      }
      expect(row.effect.at(-1)?.when, row.path).toBe("otherwise");
      for (const rule of row.effect) {
        if (rule.effect === "forbidden") expect(rule.because, row.path).toContain(";");
      }
    }
  });

  it("give each type of the SDK one meaning", () => {
    expect(() => pulumiSchema()).not.toThrow();
    expect(Object.keys(JSON.parse(schemaText()).types).length).toBeGreaterThan(20);
  });
});

describe("changes", () => {
  const node = { name: "node", vcpus: 2, memoryMiB: 1024 };
  const effect = (olds: object, news: object) =>
    changesOf("Domain", { ...node, ...olds }, { ...node, ...news }).map((change) => [
      change.path,
      change.effect,
    ]);

  it("see no change in defaults that are written out, empty lists and nulls", () => {
    expect(effect({}, { type: "kvm", running: true, disks: [], title: null })).toEqual([]);
    expect(
      effect(
        { cpu: { mode: "custom", topology: { sockets: 1, cores: 2, threads: 1 } } },
        { cpu: { mode: "custom", topology: { sockets: 1, dies: 1, cores: 2, threads: 1 } } },
      ),
    ).toEqual([]);
  });

  it.each([
    [{}, { vcpus: 4 }, "vcpus", "restart"],
    [{ maxVcpus: 4 }, { maxVcpus: 4, vcpus: 4 }, "vcpus", "live"],
    [{ maxVcpus: 4, vcpus: 4 }, { maxVcpus: 4, vcpus: 2 }, "vcpus", "restart"],
    [{}, { memoryMiB: 2048 }, "memoryMiB", "restart"],
    [{}, { memoryMiB: 512 }, "memoryMiB", "live"],
    [{ maxMemoryMiB: 4096 }, { maxMemoryMiB: 4096, memoryMiB: 2048 }, "memoryMiB", "live"],
    [
      { maxMemoryMiB: 4096, hostDevices: [{ address: "0000:41:00.0" }] },
      { maxMemoryMiB: 4096, memoryMiB: 2048, hostDevices: [{ address: "0000:41:00.0" }] },
      "memoryMiB",
      "restart",
    ],
    [{}, { running: false }, "running", "restart"],
    [{ running: false }, { running: true }, "running", "live"],
    [{}, { name: "other" }, "name", "replace"],
    [{}, { title: "A node" }, "title", "live"],
    [{}, { maxUnavailable: 2 }, "maxUnavailable", "none"],
    [{}, { stop: { timeoutSeconds: 10 } }, "stop", "none"],
    [{}, { autostart: true }, "autostart", "live"],
    [{}, { cpuPins: [{ vcpu: 0, cpuset: "1" }] }, "cpuPins[0]", "live"],
    [{}, { rootDisk: { pool: "p", image: "i", sizeMiB: 1 } }, "rootDisk", "forbidden"],
  ])("from %j to %j: %s is %s", (olds, news, path, expected) => {
    expect(effect(olds, news)).toContainEqual([path, expected]);
  });

  it("of the root disk: a new image rebuilds, size grows only, the pool replaces", () => {
    const rootDisk = { pool: "p", image: "a", sizeMiB: 10 };
    const change = (part: object) => effect({ rootDisk }, { rootDisk: { ...rootDisk, ...part } });
    expect(change({ image: "b" })).toEqual([["rootDisk.image", "rebuild"]]);
    expect(change({ sizeMiB: 11 })).toEqual([["rootDisk.sizeMiB", "live"]]);
    expect(change({ sizeMiB: 9 })).toEqual([["rootDisk.sizeMiB", "forbidden"]]);
    expect(change({ pool: "q" })).toEqual([["rootDisk.pool", "replace"]]);
  });

  it.each([
    ["virtio disk", { target: "vdz" }],
    ["cdrom", { target: "sda", device: "cdrom" }],
  ])(
    "of disks are found by target: another seed rebuilds, another disk restarts, an added one is live (%s)",
    (_kind, place) => {
      const rootDisk = { pool: "p", image: "a", sizeMiB: 10 };
      const seed = { pool: "p", volume: "seed-1", seed: true, ...place };
      const data = { pool: "p", volume: "data", target: "vdb" };
      const change = (before: object[], after: object[]) =>
        effect({ rootDisk, disks: before }, { rootDisk, disks: after });
      expect(change([seed, data], [data, { ...seed, volume: "seed-2" }])).toEqual([
        ["disks[1].volume", "rebuild"],
      ]);
      expect(change([seed, data], [data, seed])).toEqual([]);
      expect(change([seed], [seed, data])).toEqual([["disks[1]", "live"]]);
      expect(change([seed, data], [seed])).toEqual([["disks[1]", "restart"]]);
      expect(change([data], [{ ...data, volume: "data-2" }])).toEqual([["disks[0].volume", "restart"]]);
      expect(change([data], [data, seed])).toEqual([["disks[1]", "rebuild"]]);
      expect(effect({ disks: [seed] }, { disks: [{ ...seed, volume: "x" }] })).toEqual([
        ["disks[0].volume", "restart"],
      ]);
      expect(change([seed], [{ ...seed, pool: "q" }])).toEqual([["disks[0].pool", "rebuild"]]);
    },
  );

  it("of disks: calling a read-only disk the seed changes nothing, another volume at the same time rebuilds", () => {
    const rootDisk = { pool: "p", image: "a", sizeMiB: 10 };
    const change = (before: object, after: object) =>
      effect({ rootDisk, disks: [{ ...old, ...before }] }, { rootDisk, disks: [{ ...old, ...after }] });
    const old = { pool: "p", volume: "seed-1", target: "vdz" };
    expect(change({ readOnly: true }, { seed: true })).toEqual([
      ["disks[0].readOnly", "none"],
      ["disks[0].seed", "none"],
    ]);
    expect(change({ readOnly: true }, { seed: true, volume: "seed-2" })).toContainEqual([
      "disks[0].volume",
      "rebuild",
    ]);
    expect(change({}, { seed: true })).toEqual([["disks[0].seed", "restart"]]);
    expect(change({ seed: true }, {})).toEqual([["disks[0].seed", "restart"]]);
    const cdrom = { device: "cdrom", target: "sda" };
    expect(change(cdrom, { ...cdrom, seed: true })).toEqual([["disks[0].seed", "none"]]);
    expect(change(cdrom, { ...cdrom, volume: "other" })).toEqual([["disks[0].volume", "restart"]]);
  });

  it("of the serial: another instance of cloud-init rebuilds a machine that has a root disk", () => {
    const rootDisk = { pool: "p", image: "a", sizeMiB: 10 };
    const change = (before: string, after: string, parts: object = { rootDisk }) =>
      effect({ smbiosSerial: before, ...parts }, { smbiosSerial: after, ...parts }).map(([, what]) => what);
    expect(change("ds=nocloud;h=node;i=1", "ds=nocloud;h=node;i=2")).toEqual(["rebuild"]);
    expect(change("ds=nocloud;i=1;h=node", "ds=nocloud;i=1;h=other")).toEqual(["restart"]);
    expect(change("ds=nocloud;h=node;i=1", "ds=nocloud;h=node;i=2", {})).toEqual(["restart"]);
    expect(change("a", "ds=nocloud;h=node;i=2")).toEqual(["restart"]);
    expect(change("i=1", "i=2")).toEqual(["restart"]);
  });

  it("carry no value where any input is secret", () => {
    const olds = { name: "a", pool: "p", seed: { userData: new Secret("old"), metaData: "{}" } };
    const news = { name: "b", pool: "p", seed: { userData: new Secret("new"), metaData: "{}" } };
    const changes = changesOf("Volume", olds, news);
    expect(changes.map((change) => change.path)).toEqual(["name", "seed.userData"]);
    expect(JSON.stringify(changes)).not.toMatch(/old|new"|"b"/);
  });

  it("of values that are not known yet are changes", () => {
    expect(effect({ title: "a" }, { title: new Unknown() })).toEqual([["title", "live"]]);
  });

  it("are none for equal inputs and symmetric in what they find", () => {
    const inputs = fc.record(
      {
        name: fc.constantFrom("a", "b"),
        vcpus: fc.integer({ min: 1, max: 4 }),
        memoryMiB: fc.integer({ min: 16, max: 64 }),
        running: fc.boolean(),
        title: fc.constantFrom("x", "y"),
        disks: fc.uniqueArray(
          fc.record({
            pool: fc.constant("p"),
            volume: fc.constantFrom("v", "w"),
            target: fc.constantFrom("vdb", "vdc", "sda"),
          }),
          { selector: (disk) => disk.target },
        ),
      },
      { requiredKeys: ["name", "vcpus", "memoryMiB"] },
    );
    fc.assert(
      fc.property(inputs, inputs, (a, b) => {
        expect(changesOf("Domain", a, a)).toEqual([]);
        const strip = (list: ReturnType<typeof changesOf>) => list.length;
        expect(strip(changesOf("Domain", a, b))).toBe(strip(changesOf("Domain", b, a)));
        expect(changesOf("Domain", withDefaults("Domain", a), b)).toEqual(changesOf("Domain", a, b));
      }),
    );
  });

  it("have the most severe effect of all", () => {
    const severe = changesOf("Domain", node, { ...node, title: "x", vcpus: 3, maxUnavailable: 2 });
    expect(worstEffect(severe)).toBe("restart");
    expect(worstEffect([])).toBe("none");
  });
});

describe("checks", () => {
  it("report every problem with its path", () => {
    const failures = checkInputs("Domain", {
      name: "a b",
      vcpus: 0,
      memoryMiB: 1.5,
      running: "yes",
      cpu: { mode: "fast" },
      disks: [
        { pool: "p", volume: "v", target: "vdb", sise: 1 },
        { pool: "p", volume: "v", target: "vdb" },
      ],
      interfaces: "eth0",
      title: "bell \u0007",
    });
    expect(failures.map(({ property, reason }) => `${property}: ${reason}`)).toEqual([
      expect.stringMatching(/^name: "a b" does not have the form .*, for example "lab-compute-01"$/),
      "title: holds control characters",
      'cpu.mode: "fast" is not allowed; allowed are host-passthrough, host-model, maximum, custom',
      "vcpus: 0 must be at least 1",
      "memoryMiB: 1.5 must be a whole number of MiB, for example 4096",
      expect.stringMatching(/^disks\[0\]\.sise: there is no such input; known are pool, volume,/),
      "disks[1].target: is the same as in disks[0]; every item needs its own",
      "interfaces: must be a list",
      'running: "yes" must be true or false',
    ]);
  });

  it("quote no secret and let unknown values pass", () => {
    const failures = checkInputs("Volume", {
      name: "a",
      pool: new Unknown(),
      seed: new Secret({ userData: 5, metaData: "x" }),
    });
    expect(failures).toEqual([{ property: "seed.userData", reason: "the value must be text" }]);
  });
});
