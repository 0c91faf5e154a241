import type { Unsubscribe } from "../../../client/types.ts";
import type { ProviderContext } from "../../../context.ts";
import type { Clock } from "../clock.ts";

/** Tells those who wait for a domain that something happened to it. One subscription serves all machines of a host. */
class EventHub {
  readonly #waiting = new Map<string, Set<() => void>>();

  async start(provider: ProviderContext): Promise<void> {
    const wakeAll = () => {
      for (const uuid of [...this.#waiting.keys()]) this.#wake(uuid);
    };
    const options = { onResync: wakeAll };
    const subscriptions: Promise<Unsubscribe>[] = [
      provider.client.onDomainLifecycle((event) => this.#wake(event.domain.uuid), options),
      provider.client.onAgentLifecycle((event) => this.#wake(event.domain.uuid), options),
    ];
    // Without events (a driver that has none) the waits poll.
    await Promise.allSettled(subscriptions);
  }

  #wake(uuid: string): void {
    const waiting = this.#waiting.get(uuid);
    this.#waiting.delete(uuid);
    for (const wake of waiting ?? []) wake();
  }

  /** Resolves at the next event of the domain; `cancel` ends the wait. */
  next(uuid: string): { readonly happened: Promise<void>; cancel(): void } {
    let wake = () => {};
    const happened = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const waiting = this.#waiting.get(uuid) ?? new Set();
    waiting.add(wake);
    this.#waiting.set(uuid, waiting);
    return { happened, cancel: () => waiting.delete(wake) };
  }
}

const hubs = new WeakMap<ProviderContext, { hub: EventHub; started: Promise<void> }>();

function hubOf(provider: ProviderContext): { hub: EventHub; started: Promise<void> } {
  const known = hubs.get(provider);
  if (known !== undefined) return known;
  const hub = new EventHub();
  const made = { hub, started: hub.start(provider) };
  hubs.set(provider, made);
  return made;
}

/** A clock whose sleep ends early when something happens to the domain. */
export async function eventClock(provider: ProviderContext, uuid: string, clock: Clock): Promise<Clock> {
  const { hub, started } = hubOf(provider);
  await started;
  return {
    now: () => clock.now(),
    async sleep(milliseconds, signal) {
      const event = hub.next(uuid);
      const over = new AbortController();
      try {
        await Promise.race([
          event.happened,
          clock.sleep(milliseconds, AbortSignal.any([signal, over.signal])),
        ]);
      } finally {
        event.cancel();
        over.abort(new Error("the wait is over"));
      }
      signal.throwIfAborted();
    },
  };
}
