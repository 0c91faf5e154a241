/** Evacuation and return of a host's machines, on libvirt's test driver with scripted guests. */
import { describe, expect, it } from "vitest";
import {
  bringBack,
  evacuate,
  type MachineResult,
  type MaintenanceContext,
  type RecordedMachine,
  surveyHost,
} from "../../../providers/libvirt/maintenance/index.ts";
import { holdKey, holdNamespace, parseHold, renderHold } from "../../../providers/libvirt/ownership/index.ts";
import { realParts } from "../../../providers/libvirt/resources/domain/index.ts";
import { decodeInputs } from "../../../providers/libvirt/schema/index.ts";
import type { PropertyMap } from "../../../providers/plugin/index.ts";
import { exited, Machine, Stack, urnOf } from "../domain/harness.ts";
import { node, TestDriver } from "../domain/test-driver.ts";

const host = new TestDriver();
const order = { by: "ada@admin", since: "2026-01-02T03:04:05.000Z", reason: "new memory" };

/** The lab's three machines, the controller in the tier that the nodes need. */
class Lab {
  readonly trace: string[] = [];
  readonly finished: MachineResult[] = [];
  readonly recorded: RecordedMachine[] = [];
  readonly machines = new Map<string, Machine>();
  readonly stack: Stack;
  /** Machines that do not react to a shutdown. */
  readonly stubborn = new Set<string>();

  constructor(stack: Stack) {
    this.stack = stack;
  }

  async make(): Promise<this> {
    await this.add("controller", 0, 10);
    await this.add("node-1", 1, 11);
    await this.add("node-2", 1, 12);
    return this;
  }

  async add(name: string, tier: number, number: number, over: PropertyMap = {}): Promise<void> {
    const mac = `52:54:00:00:00:${number}`;
    const address = `192.168.122.${number}`;
    const inputs = node({
      name,
      autostart: true,
      interfaces: [{ network: "default", mac, address }],
      ...over,
    });
    const machine = await new Machine(this.stack, name).create(inputs);
    this.machines.set(name, machine);
    const uuid = String(machine.state.uuid);
    const decoded = decodeInputs("Domain", inputs);
    this.recorded.push({ urn: urnOf(name), name, uuid, tier, imported: false, inputs: decoded });
    for (const hook of ["quiesce", "unquiesce", "ready"]) {
      this.stack.agent(name).on(hook, () => {
        this.trace.push(`${name} ${hook}`);
        return exited(0);
      });
    }
  }

  get context(): MaintenanceContext {
    const client = new Proxy(this.stack.provider.client, {
      get: (target, property) => {
        const found: unknown = Reflect.get(target, property);
        if (typeof found !== "function") return found;
        return (...args: unknown[]) => {
          const name = String(property);
          const ref: unknown = args[0];
          const machine = typeof ref === "object" && ref !== null && "name" in ref ? String(ref.name) : "";
          if (["domainShutdown", "domainCreate"].includes(name)) this.trace.push(`${machine} ${name}`);
          if (name === "domainShutdown" && this.stubborn.has(machine)) return Promise.resolve();
          return Reflect.apply(found, target, args);
        };
      },
    });
    return {
      provider: { ...this.stack.provider, client },
      observer: {
        status: () => undefined,
        warning: () => undefined,
        finished: (result) => {
          this.finished.push(result);
        },
      },
      signal: AbortSignal.timeout(60_000),
      parts: { ...realParts, agent: (_client, ref) => this.stack.agent(ref.name) },
    };
  }

  async evacuate(): Promise<Record<string, string>> {
    const { machines } = await surveyHost(this.stack.provider, this.recorded);
    return outcomes(await evacuate(this.context, machines, order));
  }

  async bringBack(): Promise<Record<string, string>> {
    const { machines } = await surveyHost(this.stack.provider, this.recorded);
    return outcomes(await bringBack(this.context, machines));
  }

  async hold(name: string) {
    const text = await host.client.domainGetMetadata(await host.domain(name), holdNamespace);
    return text === undefined ? undefined : parseHold(text);
  }

  async autostart(name: string): Promise<boolean> {
    return host.client.domainGetAutostart(await host.domain(name));
  }

  async power(): Promise<string[]> {
    return Promise.all(this.recorded.map(({ name }) => host.power(name)));
  }
}

const outcomes = (results: readonly MachineResult[]) =>
  Object.fromEntries(results.map(({ name, outcome }) => [name, outcome]));
const lab = () => new Lab(host.stack).make();
/** Position of the first line that has one of the texts. */
const last = (trace: readonly string[], text: string) => trace.findLastIndex((line) => line.includes(text));
const first = (trace: readonly string[], text: string) => trace.findIndex((line) => line.includes(text));

describe("evacuate", () => {
  it("empties all nodes at once, stops them, and the controller after them", async () => {
    const made = await lab();
    expect(await made.evacuate()).toEqual({
      "node-1": "stopped",
      "node-2": "stopped",
      controller: "stopped",
    });
    expect(await made.power()).toEqual(["shutoff", "shutoff", "shutoff"]);
    expect(made.trace.slice(0, 2).sort()).toEqual(["node-1 quiesce", "node-2 quiesce"]);
    expect(first(made.trace, "controller")).toBeGreaterThan(last(made.trace, "node-"));
    // The test driver refuses the ways that it does not know, so that it is asked several times.
    const asked = made.trace.filter((line) => line.startsWith("controller"));
    expect([...new Set(asked)]).toEqual(["controller quiesce", "controller domainShutdown"]);
    expect(made.finished.map(({ name }) => name).at(-1)).toBe("controller");
  });

  it("marks what ran, and keeps it from starting with its host", async () => {
    const made = await lab();
    await made.evacuate();
    expect(await made.hold("node-1")).toEqual({
      power: "off",
      kind: "evacuation",
      autostart: true,
      ...order,
    });
    expect(await made.autostart("node-1")).toBe(false);
    // Nobody changed the declaration.
    const machine = made.machines.get("node-1");
    await machine?.refresh();
    expect(machine?.inputs.autostart).toBe(true);
  });

  it("leaves a machine whose jobs do not end as it is, and the controller that it needs", async () => {
    const made = await lab();
    host.stack.agent("node-2").on("quiesce", () => exited(1, "", "job 7 does not end"));
    expect(await made.evacuate()).toEqual({
      "node-1": "stopped",
      "node-2": "failed",
      controller: "not tried",
    });
    expect(await made.power()).toEqual(["running", "shutoff", "running"]);
    expect(made.finished.find(({ name }) => name === "node-2")?.why).toContain("job 7 does not end");
    expect(await made.hold("node-2")).toBeUndefined();
    expect(await made.autostart("node-2")).toBe(true);
    expect(made.trace).toContain("node-2 unquiesce");

    host.stack.agent("node-2").on("quiesce", () => exited(0));
    expect(await made.evacuate()).toEqual({
      "node-1": "already off",
      "node-2": "stopped",
      controller: "stopped",
    });
    expect(await made.bringBack()).toEqual({
      controller: "returned",
      "node-1": "returned",
      "node-2": "returned",
    });
  });

  it("touches neither machines of others nor what was off before", async () => {
    const made = await lab();
    const foreign = new Stack(host.client, { owner: "another" });
    await new Machine(foreign, "foreign").create(node({ name: "foreign", interfaces: [] }));
    await host.client.domainDestroy(await host.domain("node-1"));
    const survey = await surveyHost(made.stack.provider, made.recorded);
    expect(survey.others).toEqual([{ name: "foreign", whose: "another stack" }]);
    expect(await made.evacuate()).toMatchObject({ "node-1": "left alone", "node-2": "stopped" });
    expect(await host.power("foreign")).toBe("running");
    expect(await made.hold("node-1")).toBeUndefined();
    expect(await made.bringBack()).toMatchObject({ "node-1": "left alone", "node-2": "returned" });
    expect(await host.power("node-1")).toBe("shutoff");
  });

  it("keeps the mark of a machine that was asked and may still go off, and goes on when it did", async () => {
    const made = await lab();
    made.stubborn.add("node-1");
    expect(await made.evacuate()).toEqual({
      "node-1": "failed",
      "node-2": "stopped",
      controller: "not tried",
    });
    expect(made.finished.find(({ name }) => name === "node-1")?.why).toContain(
      "did not shut down within 5 s",
    );
    expect(await made.hold("node-1")).toMatchObject({ kind: "evacuation", autostart: true });
    expect(made.trace).not.toContain("node-1 unquiesce");
    // Late, but it goes.
    await host.client.domainShutdown(await host.domain("node-1"));
    expect(await made.evacuate()).toEqual({
      "node-1": "already off",
      "node-2": "already off",
      controller: "stopped",
    });
    expect(await made.bringBack()).toMatchObject({ "node-1": "returned", controller: "returned" });
    expect(await made.autostart("node-1")).toBe(true);
  });

  it("does not take a machine whose new disk has not proved itself", async () => {
    const made = await lab();
    const { machines } = await surveyHost(made.stack.provider, made.recorded);
    const unproven = machines.map((machine) => ({ ...machine, pending: "boot" as const }));
    const results = await evacuate(made.context, unproven, order);
    expect(results.map(({ outcome }) => outcome)).toEqual(["failed", "failed", "not tried"]);
    expect(await made.power()).toEqual(["running", "running", "running"]);
  });

  it("puts a hold of somebody else back afterwards", async () => {
    const made = await lab();
    const manual = {
      power: "running",
      kind: "manual",
      by: "bob",
      since: order.since,
      reason: "a test",
    } as const;
    const metadata = { uri: holdNamespace, key: holdKey, xml: renderHold(manual) };
    await host.client.domainSetMetadata(await host.domain("node-1"), metadata, { config: true });
    await made.evacuate();
    expect(await made.hold("node-1")).toMatchObject({ kind: "evacuation", replaced: manual });
    await made.bringBack();
    expect(await made.hold("node-1")).toEqual(manual);
  });
});

describe("return", () => {
  it("starts the controller, waits until it is ready, then the nodes, and removes the marks", async () => {
    const made = await lab();
    await made.evacuate();
    made.trace.length = 0;
    expect(await made.bringBack()).toEqual({
      controller: "returned",
      "node-1": "returned",
      "node-2": "returned",
    });
    expect(made.trace.slice(0, 2)).toEqual(["controller domainCreate", "controller ready"]);
    expect(made.trace.slice(2).sort()).toEqual([
      "node-1 domainCreate",
      "node-1 ready",
      "node-2 domainCreate",
      "node-2 ready",
    ]);
    for (const { name } of made.recorded) {
      expect(await made.hold(name)).toBeUndefined();
      expect(await made.autostart(name)).toBe(true);
    }
    expect(await made.bringBack()).toEqual({
      controller: "left alone",
      "node-1": "left alone",
      "node-2": "left alone",
    });
  });

  it("does not wait for a machine whose keys were rotated meanwhile: the next update gives them", async () => {
    const made = await lab();
    await made.evacuate();
    const [machine, recorded] = [made.machines.get("node-1"), made.recorded[1]];
    if (machine === undefined || recorded === undefined) throw new Error("the lab has no node-1");
    const inputs = { ...machine.inputs, sshHostKeyGeneration: 2 };
    await machine.refresh();
    await machine.update(inputs);
    made.recorded[1] = { ...recorded, inputs: { ...recorded.inputs, sshHostKeyGeneration: 2 } };
    made.trace.length = 0;
    await made.bringBack();
    expect(made.trace).not.toContain("node-1 ready");
    expect(made.trace).toContain("node-2 ready");
    expect(made.finished).toContainEqual({
      name: "node-1",
      outcome: "returned",
      why: expect.stringContaining("next hyperlab up"),
    });
    const { calls } = host.stack.agent("node-1");
    calls.length = 0;
    await machine.refresh();
    await machine.update(inputs);
    expect(calls).toEqual(["identity", "ready"]);
  });

  it("waits with the nodes until the controller is ready, and goes on when called again", async () => {
    const made = await lab();
    await made.evacuate();
    host.stack.agent("controller").on("ready", () => exited(1, "", "slurmctld is down"));
    expect(await made.bringBack()).toEqual({
      controller: "failed",
      "node-1": "not tried",
      "node-2": "not tried",
    });
    expect(await made.power()).toEqual(["running", "shutoff", "shutoff"]);
    expect(await made.hold("controller")).toBeDefined();
    host.stack.agent("controller").on("ready", () => exited(0));
    expect(await made.bringBack()).toEqual({
      controller: "returned",
      "node-1": "returned",
      "node-2": "returned",
    });
    expect(await made.hold("controller")).toBeUndefined();
  });
});
