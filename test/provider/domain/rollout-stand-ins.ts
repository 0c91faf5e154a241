/**
 * What a rolling update of many machines needs beside the real host: power, guests, SLURM's nodes, and a clock that is a
 * hundred times as fast. Definitions, marks and metadata stay those of the QEMU driver.
 */
import { setTimeout as timer } from "node:timers/promises";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import type { Clock } from "../../../providers/libvirt/resources/domain/clock.ts";
import type { Permit } from "../../../providers/libvirt/rollout.ts";
import { RolloutRegistry } from "../../../providers/libvirt/rollout.ts";
import type { Step, TraceEvent } from "../../support/rollout-trace.ts";
import { exited, type Stack } from "./harness.ts";

const faster = 100;

export const fastClock: Clock = {
  now: () => performance.now() * faster,
  async sleep(milliseconds, signal) {
    await timer(milliseconds / faster, undefined, { signal });
  },
};

/** Collects what happens to the machines, in the order in which it happens. */
export class Trace {
  readonly events: TraceEvent[] = [];

  add(machine: string, step: Step): void {
    this.events.push({ machine, step });
  }

  /** Machines that have taken the step. */
  of(step: Step): string[] {
    return this.events.filter((event) => event.step === step).map(({ machine }) => machine);
  }
}

/** The provider's own permits, traced. */
export class TracedRegistry extends RolloutRegistry {
  readonly #trace: Trace;

  constructor(trace: Trace) {
    super((machine) => trace.add(machine, "granted"));
    this.#trace = trace;
  }

  override async acquire(request: Parameters<RolloutRegistry["acquire"]>[0]): Promise<Permit> {
    const { machine } = request;
    this.#trace.add(machine, "asked");
    const permit = await super.acquire(request).catch((error: unknown) => {
      this.#trace.add(machine, "refused");
      throw error;
    });
    return {
      release: () => {
        this.#trace.add(machine, "released");
        permit.release();
      },
      fail: (reason) => {
        this.#trace.add(machine, "failed");
        permit.fail(reason);
      },
    };
  }
}

/** Stands in for power: the domains of the real host stay off. A guest goes off when it has been asked a second time how it is. */
export class Power {
  readonly #trace: () => Trace;
  readonly #on = new Set<string>();
  readonly #goingOff = new Set<string>();

  constructor(trace: () => Trace) {
    this.#trace = trace;
  }

  isOn(machine: string): boolean {
    return this.#on.has(machine);
  }

  /** The client of the host, with power that is not the host's. */
  client(real: LibvirtClient): LibvirtClient {
    const simulated: Pick<
      LibvirtClient,
      "domainCreate" | "domainDestroy" | "domainGetState" | "domainShutdown"
    > = {
      domainCreate: async (ref) => {
        this.#on.add(ref.name);
        this.#trace().add(ref.name, "up");
        return ref;
      },
      domainShutdown: async (ref) => {
        // A slow update asks again, also a guest that has just gone off.
        if (this.#on.has(ref.name)) this.#goingOff.add(ref.name);
      },
      domainDestroy: async (ref) => this.#off(ref.name),
      domainGetState: async (ref, options) => {
        const off = await real.domainGetState(ref, options);
        if (!this.#on.has(ref.name)) return off;
        if (this.#goingOff.has(ref.name)) this.#off(ref.name);
        return { state: "running", reason: "booted", reasonCode: 1 };
      },
    };
    return new Proxy(real, {
      get: (target, name) => Reflect.get(simulated, name) ?? Reflect.get(target, name),
    });
  }

  #off(machine: string): void {
    this.#goingOff.delete(machine);
    this.#on.delete(machine);
    this.#trace().add(machine, "down");
  }
}

export type NodeState = "idle" | "allocated" | "drained" | "down";

/** Stands in for slurmctld and for the hooks of the guests, which ask it. */
export class SlurmStandIn {
  readonly nodes = new Map<string, NodeState>();
  /** How often the hook of a node is still told that a job runs there. */
  readonly #jobs = new Map<string, number>();
  readonly #broken = new Set<string>();
  readonly #trace: () => Trace;
  readonly #together: number;
  #bootsUntilBroken = Number.POSITIVE_INFINITY;

  /** @param together So many machines have a permit before the first of them is empty: no less are unavailable then. */
  constructor(trace: () => Trace, together: number) {
    this.#trace = trace;
    this.#together = together;
  }

  /** Gives the node a job which ends after so many questions. */
  run(node: string, questions: number): void {
    this.nodes.set(node, "allocated");
    this.#jobs.set(node, questions);
  }

  /** On the node that boots as the so-many-th from now, slurmd does not come up any more. */
  breakBoot(count: number): void {
    this.#bootsUntilBroken = count;
  }

  repair(node: string): void {
    this.#broken.delete(node);
  }

  /** The hooks of the machine's guest. */
  serve(stack: Stack, node: string): void {
    stack.agent(node).on("quiesce", () => this.#quiesce(node));
    stack.agent(node).on("ready", () => this.#ready(node));
  }

  #quiesce(node: string) {
    if (this.nodes.get(node) !== "drained") {
      const left = this.#jobs.get(node) ?? 0;
      if (this.#trace().of("granted").length < this.#together) return exited(75, "waits for the others");
      if (left > 0) {
        this.#jobs.set(node, left - 1);
        return exited(75, "waits for 1 job");
      }
      this.nodes.set(node, "drained");
      this.#trace().add(node, "quiesce");
    }
    return exited(0);
  }

  #ready(node: string) {
    this.#bootsUntilBroken -= 1;
    if (this.#bootsUntilBroken === 0) this.#broken.add(node);
    if (this.#broken.has(node)) {
      this.nodes.set(node, "down");
      return exited(1, "", "slurmd does not register");
    }
    this.nodes.set(node, "idle");
    this.#trace().add(node, "ready");
    return exited(0);
  }
}
