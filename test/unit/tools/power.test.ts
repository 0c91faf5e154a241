import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { machinesOf } from "../../../tools/power/machines.ts";
import { select } from "../../../tools/power/select.ts";
import {
  changedLines,
  declare,
  declaredOn,
  declaredPower,
  declareRestart,
  withPower,
} from "../../../tools/power/stack-power.ts";
import { config, hpcOf } from "../planning/lab.ts";

const cluster = hpcOf(config());
const [first, second] = ["lab-compute-01", "lab-compute-02"];
const committed = `# The lab of the second floor.
config:
  # Edit this one.
  hyperlab:file: lab.yaml
  hyperlab:power:
    # Its fan is broken.
    compute-2: off
encryptionsalt: v1:abc
`;
const read = (text: string) => declaredPower(text, "Pulumi.dev.yaml", "hyperlab", cluster);
const write = (text: string, wanted: ReturnType<typeof read>) =>
  withPower(text, "Pulumi.dev.yaml", "hyperlab", cluster, wanted);

describe("the stack configuration", () => {
  it("keeps its comments and everything else when a machine is declared off", () => {
    const after = write(committed, declare(cluster, read(committed), [first], "off"));
    expect(after).toContain("# The lab of the second floor.\n");
    expect(after).toContain("# Its fan is broken.");
    expect(changedLines(committed, after)).toEqual([
      "-     compute-2: off",
      "+     lab-compute-02: off",
      "+     lab-compute-01: off",
    ]);
    expect(read(after).power).toEqual({ [first]: "off", [second]: "off" });
  });

  it("loses the key with its last machine", () => {
    const after = write(committed, declare(cluster, read(committed), [second], "on"));
    expect(parse(after)).toEqual({ config: { "hyperlab:file": "lab.yaml" }, encryptionsalt: "v1:abc" });
  });

  it.each(["", "config:\n", "encryptionsalt: v1:abc\n"])(
    "takes declarations where there are none: %j",
    (text) => {
      const after = write(text, declareRestart(read(text), [first], "now"));
      expect(read(after)).toEqual({ power: {}, restarts: { [first]: "now" } });
    },
  );

  it("is not touched by what it says already", () => {
    for (const text of [committed, "", "config: {}\n"]) expect(write(text, read(text))).toBe(text);
  });

  it("says after every change what was declared, and is as before when that is taken back", () => {
    const changes = fc.array(
      fc.record({
        names: fc.subarray([first, second, "lab-controller"]),
        state: fc.constantFrom("on" as const, "off" as const),
      }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(changes, (list) => {
        let text = committed;
        const on = new Map([
          ["lab-controller", true],
          [first, true],
          [second, false],
        ]);
        for (const { names, state } of list) {
          text = write(text, declare(cluster, read(text), names, state));
          for (const name of names) on.set(name, state === "on");
          for (const [name, expected] of on) expect(declaredOn(cluster, read(text), name)).toBe(expected);
        }
        expect(text).toContain("# Edit this one.");
      }),
    );
  });

  it("that is no stack file is named", () => {
    expect(() => write("config: [", read(""))).toThrow("Pulumi.dev.yaml is not valid YAML");
  });
});

describe("changed lines", () => {
  it("lead from one text to the other", () => {
    const texts = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 8 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(texts, texts, (before, after) => {
        const lines = changedLines(before, after);
        if (before === after) expect(lines).toEqual([]);
        const count = (text: string, sign: string) =>
          text.split("\n").length - lines.filter((line) => line.startsWith(sign)).length;
        expect(count(before, "- ")).toBe(count(after, "+ "));
      }),
    );
  });
});

describe("words of a person", () => {
  it("are machines in the order of the cluster, each once", () => {
    expect(select(cluster, ["compute-2", "compute", "controller"])).toEqual({
      names: ["lab-controller", ...cluster.computeNodes.nodes.map(({ number }) => `lab-compute-0${number}`)],
      singled: new Set([second, "lab-controller"]),
    });
  });

  it("that mean nothing are all named, with what may be written", () => {
    expect(() => select(cluster, ["computte", "compute-1", "nix"])).toThrow(
      /has no machine or group computte \(did you mean compute\?\), nix; it has: lab-controller, lab-compute-.*, compute, lab, all/,
    );
  });
});

describe("the machines of a state", () => {
  const resources = [
    {
      urn: "urn:a::dev-host",
      type: "pulumi:providers:libvirt",
      id: "1",
      inputs: { uri: "test:///x", owner: "me" },
    },
    {
      urn: "urn:b::node",
      type: "libvirt:index:Domain",
      id: "node",
      provider: "urn:a::dev-host::1",
      inputs: { name: "node", vcpus: 1, memoryMiB: 64, quiesce: { hook: "never" }, later: [1] },
      outputs: { uuid: "u", generation: "g", power: "off" },
    },
    { urn: "urn:c::net", type: "libvirt:index:Network", id: "net", inputs: {}, outputs: {} },
  ];
  it.each([{ checkpoint: { latest: { resources } } }, { deployment: { resources } }])(
    "are found with their host, however it is stored",
    (state) => {
      expect(machinesOf(state)).toMatchObject([
        {
          name: "node",
          urn: "urn:b::node",
          host: { uri: "test:///x", owner: "me" },
          state: { uuid: "u", generation: "g" },
          inputs: { quiesce: { hook: "never" } },
        },
      ]);
    },
  );

  it("are none where there is no state or nothing in it", () => {
    for (const state of [undefined, { checkpoint: { latest: null } }, { deployment: {} }])
      expect(machinesOf(state)).toEqual([]);
  });
});
