/**
 * A value that is read from the host once and kept until one of our own writes makes it stale. Callers at the same time
 * share one read. A failed read is not kept.
 */
export class Cached<T> {
  readonly #load: () => Promise<T>;
  #current: Promise<T> | undefined;

  constructor(load: () => Promise<T>) {
    this.#load = load;
  }

  /** The value; `signal` ends the wait of this caller only, not the read that others share. */
  get(signal?: AbortSignal): Promise<T> {
    const current = this.#current ?? this.#start();
    return signal === undefined ? current : abortable(current, signal);
  }

  /** The next `get` reads again. A read under way still answers those who asked before. */
  invalidate(): void {
    this.#current = undefined;
  }

  #start(): Promise<T> {
    const started = this.#load();
    this.#current = started;
    started.catch(() => {
      if (this.#current === started) this.#current = undefined;
    });
    return started;
  }
}

/** One cached value per key. */
export class CachedBy<T> {
  readonly #load: (key: string) => Promise<T>;
  readonly #entries = new Map<string, Cached<T>>();

  constructor(load: (key: string) => Promise<T>) {
    this.#load = load;
  }

  get(key: string, signal?: AbortSignal): Promise<T> {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = new Cached(() => this.#load(key));
      this.#entries.set(key, entry);
    }
    return entry.get(signal);
  }

  /** Without a key: all. */
  invalidate(key?: string): void {
    if (key === undefined) this.#entries.clear();
    else this.#entries.delete(key);
  }
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
