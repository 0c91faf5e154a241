import { describe, expect, it } from "vitest";
import type { PropertyMap } from "../../../providers/plugin/index.ts";
import { Machine, Stack } from "./harness.ts";
import { node, TestDriver } from "./test-driver.ts";

const host = new TestDriver();

const nodeOf = (stack: number, number: number): PropertyMap =>
  node({
    name: `s${stack}-n${number}`,
    interfaces: [
      {
        network: "default",
        mac: `52:54:00:00:0${stack}:1${number}`,
        address: `192.168.122.${stack * 10 + number}`,
      },
    ],
  });

describe("two stacks that run at the same time on one host", () => {
  const stacks = () => [1, 2].map((number) => new Stack(host.client, { owner: `owner-of-stack-${number}` }));

  it("make and remove their own machines in one pool and network", async () => {
    const before = await host.networkXml();
    const machines = stacks().flatMap((stack, index) =>
      Array.from({ length: 8 }, (_, number) => ({
        machine: new Machine(stack, `s${index + 1}-n${number}`),
        inputs: nodeOf(index + 1, number),
      })),
    );
    await Promise.all(machines.map(({ machine, inputs }) => machine.create(inputs)));
    for (const { machine, inputs } of machines) {
      await machine.refresh();
      expect(await machine.diff(inputs)).toMatchObject({ changes: "none" });
    }
    await Promise.all(machines.map(({ machine }) => machine.delete()));
    expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
    expect(await host.networkXml()).toBe(before);
  });

  it("cannot both have one name, nor one address: one of them is told whose it is", async () => {
    const [first, second] = stacks();
    if (first === undefined || second === undefined) throw new Error("two stacks are needed");
    for (const [one, other] of [
      [nodeOf(1, 1), { ...nodeOf(2, 1), name: "s1-n1" }],
      [nodeOf(1, 2), { ...nodeOf(1, 2), name: "s2-n2" }],
    ] as const) {
      const machines = [
        new Machine(first, String(one.name)),
        new Machine(second, String(other.name)),
      ] as const;
      const results = await Promise.allSettled([machines[0].create(one), machines[1].create(other)]);
      expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      const reason = results.flatMap((result) =>
        result.status === "rejected" ? [String(result.reason)] : [],
      );
      expect(reason.join()).toMatch(/exists already|already exists|is reserved for|cannot have the address/);
      // What is removed of the one that was refused is not the other's.
      const [lost, kept] = results[0].status === "rejected" ? machines : machines.toReversed();
      if (lost?.exists) await lost.delete();
      expect(await kept?.refresh()).toBe(true);
      expect(await kept?.diff(kept.inputs)).toMatchObject({ changes: "none" });
      await kept?.delete();
      expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
    }
  });
});
