import { ProviderError } from "../plugin/errors.ts";

/** Leave to take one machine of a group down. Exactly one of the methods ends it; calls after the first do nothing. */
export interface Permit {
  /** The machine is ready again. */
  release(): void;
  /** The machine did not get ready: the rest of the group stays untouched. `reason` is for people. */
  fail(reason: string): void;
}

interface Group {
  readonly held: Set<string>;
  readonly waiting: (() => void)[];
  failure: { machine: string; reason: string } | undefined;
}

/** Permits of one run, by rollout group. */
export class RolloutRegistry {
  readonly #groups = new Map<string, Group>();
  readonly #onGrant: (machine: string) => void;

  /** @param onGrant Told of each permit in the moment in which it is given. */
  constructor(onGrant: (machine: string) => void = () => {}) {
    this.#onGrant = onGrant;
  }

  /**
   * Waits until fewer than `maxUnavailable` machines of the group are down. Rejects when a machine of the group has
   * failed in this run, and with the signal's reason when it is aborted. Without a group there is no limit.
   */
  async acquire(request: {
    group: string | undefined;
    machine: string;
    maxUnavailable: number;
    signal: AbortSignal;
  }): Promise<Permit> {
    if (request.group === undefined) return { release: () => {}, fail: () => {} };
    const group = this.#group(request.group);
    for (;;) {
      request.signal.throwIfAborted();
      if (group.failure !== undefined) throw stopped(request.machine, request.group, group.failure);
      if (group.held.size < request.maxUnavailable) return this.#grant(group, request.machine);
      await nextChange(group, request.signal);
    }
  }

  #group(name: string): Group {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const group: Group = { held: new Set(), waiting: [], failure: undefined };
    this.#groups.set(name, group);
    return group;
  }

  #grant(group: Group, machine: string): Permit {
    group.held.add(machine);
    this.#onGrant(machine);
    let ended = false;
    const end = (failure?: { machine: string; reason: string }) => {
      if (ended) return;
      ended = true;
      group.held.delete(machine);
      group.failure ??= failure;
      for (const wake of group.waiting.splice(0)) wake();
    };
    return { release: () => end(), fail: (reason) => end({ machine, reason }) };
  }
}

function nextChange(group: Group, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done, { once: true });
    group.waiting.push(done);
  });
}

function stopped(
  machine: string,
  group: string,
  failure: { machine: string; reason: string },
): ProviderError {
  return new ProviderError(
    `${machine} was left as it is: ${failure.machine}, of the same rollout group "${group}", did not get ready ` +
      `(${failure.reason}). Repair ${failure.machine} or take back the change, then run the update again.`,
    "failedPrecondition",
  );
}
