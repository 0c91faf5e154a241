/** Asks for signs of life while the other side is silent, and reports a side that stays silent. */
export class KeepAlive {
  readonly #options: {
    intervalMs: number;
    count: number;
    ping(): void;
    /** A number that changes whenever bytes move. */
    progress(): number;
    dead(silentMs: number): void;
  };
  #timer: NodeJS.Timeout | undefined;
  #lastHeard = 0;
  #lastProgress = 0;
  #unanswered = 0;
  #suspended = false;

  constructor(options: {
    intervalMs: number;
    count: number;
    ping(): void;
    progress(): number;
    dead(silentMs: number): void;
  }) {
    this.#options = options;
  }

  start(): void {
    this.heard();
    this.#lastProgress = this.#options.progress();
    this.#timer = setInterval(() => this.#check(), this.#options.intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** A message came. */
  heard(): void {
    this.#lastHeard = performance.now();
    this.#unanswered = 0;
  }

  /** While we do not read ourselves, silence means nothing. */
  suspend(suspended: boolean): void {
    this.#suspended = suspended;
    this.heard();
  }

  #check(): void {
    const progress = this.#options.progress();
    // A ping moves bytes as well, so only what moved beyond it counts; it is read again after each ping.
    if (this.#suspended || progress !== this.#lastProgress) {
      this.#lastProgress = progress;
      this.heard();
    } else if (this.#unanswered >= this.#options.count) {
      this.stop();
      this.#options.dead(performance.now() - this.#lastHeard);
    } else {
      this.#unanswered += 1;
      this.#options.ping();
      this.#lastProgress = this.#options.progress();
    }
  }
}
