import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { recordedHosts, tiersOf } from "../../../tools/host/recorded.ts";
import { chooseHost } from "../../../tools/host/stack-hosts.ts";

const urn = (name: string) => `urn:pulumi:dev::hyperlab::${name}`;
const provider = { urn: urn("host"), id: "1", type: "pulumi:providers:libvirt" };
const machine = (name: string, dependencies: string[], over: object = {}) => ({
  urn: urn(name),
  type: "libvirt:index:Domain",
  provider: `${provider.urn}::${provider.id}`,
  dependencies: dependencies.map(urn),
  inputs: { name, vcpus: 1, memoryMiB: 512, quiesce: { timeoutSeconds: 900 } },
  outputs: { uuid: `uuid-${name}` },
  ...over,
});
const deployment = (...resources: object[]) => ({ checkpoint: { latest: { resources } } });

describe("the machines that a state records", () => {
  it("stand in the order in which they need one another, also through commands", () => {
    const [host] = recordedHosts(
      deployment(
        { ...provider, inputs: { uri: "qemu:///system", owner: "o" } },
        machine("controller", []),
        { urn: urn("before"), type: "command:remote:Command", dependencies: [urn("controller")] },
        machine("node-1", ["before"]),
        machine("node-2", ["before"]),
      ),
    );
    expect(host?.uri).toBe("qemu:///system");
    expect(host?.machines.map(({ name, tier, uuid }) => [name, tier, uuid])).toEqual([
      ["controller", 0, "uuid-controller"],
      ["node-1", 1, "uuid-node-1"],
      ["node-2", 1, "uuid-node-2"],
    ]);
    expect(host?.machines[0]?.inputs.quiesce?.timeoutSeconds).toBe(900);
  });

  it("are those of each host, without what a replacement has left to delete", () => {
    const other = { ...provider, urn: urn("other"), inputs: { uri: "qemu+ssh://b/system", owner: "o" } };
    const hosts = recordedHosts(
      deployment(
        { ...provider, inputs: { uri: "qemu:///system", owner: "o" } },
        other,
        machine("old", [], { delete: true }),
        machine("here", []),
        machine("there", [], { provider: `${other.urn}::1` }),
      ),
    );
    expect(hosts.map(({ machines }) => machines.map(({ name }) => name))).toEqual([["here"], ["there"]]);
  });

  it("are none in a state without resources, whatever it holds", () => {
    fc.assert(fc.property(fc.jsonValue(), (content) => Array.isArray(recordedHosts(content))));
  });

  it("have tiers that grow along every dependency, and an end where there is a circle", () => {
    const graph = fc.array(fc.array(fc.nat(11), { maxLength: 4 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(graph, (edges) => {
        // Each needs earlier ones only.
        const resources = edges.map((targets, index) => ({
          urn: urn(String(index)),
          type: index % 2 === 0 ? "libvirt:index:Domain" : "command:remote:Command",
          dependencies: targets.filter((target) => target < index).map((target) => urn(String(target))),
        }));
        const tiers = tiersOf(resources);
        for (const resource of resources) {
          for (const other of resource.dependencies) {
            const needed = resources.find((candidate) => candidate.urn === other);
            const step = needed?.type === "libvirt:index:Domain" ? 1 : 0;
            expect(tiers.get(resource.urn)).toBeGreaterThanOrEqual((tiers.get(other) ?? 0) + step);
          }
        }
      }),
    );
    const circle = [
      { urn: "a", type: "x", dependencies: ["b"] },
      { urn: "b", type: "x", dependencies: ["a"] },
    ];
    expect([...tiersOf(circle).keys()].sort()).toEqual(["a", "b"]);
  });
});

describe("the host that is meant", () => {
  const host = (uri: string) => ({ uri, owner: "o", machines: [] });

  it("is the only one, or the one that is named", () => {
    expect(chooseHost([host("a")], undefined, "dev").uri).toBe("a");
    expect(chooseHost([host("a"), host("b")], "b", "dev").uri).toBe("b");
  });

  it("is asked for where it is not clear", () => {
    expect(() => chooseHost([], undefined, "dev")).toThrow("stack dev has no machines on any host");
    expect(() => chooseHost([host("a"), host("b")], undefined, "dev")).toThrow("name one with --host: a, b");
    expect(() => chooseHost([host("a")], "c", "dev")).toThrow("has no machines on c; its hosts: a");
  });
});
