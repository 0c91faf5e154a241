import * as pulumi from "@pulumi/pulumi";

/**
 * Decisions that are made once and kept in state: what the program proposes on a later run is ignored, so that a probe,
 * another person at the keyboard or a new release changes nothing by itself.
 */
export class Decisions {
  readonly #kept = new Map<string, unknown>();

  /**
   * What was decided, or the proposal where nothing was.
   *
   * @param propose What to keep where nothing is kept yet. Plain JSON, no secret.
   * @returns What is kept. Known in a preview as well.
   */
  async held<T>(name: string, propose: T, read: (kept: unknown) => T): Promise<T> {
    const stash = new pulumi.Stash(name, { input: propose }, { ignoreChanges: ["input"] });
    const kept: unknown = await known(stash.output);
    this.#kept.set(name, kept);
    return read(kept);
  }

  /** Everything that this run asked for, as it is kept, by name. */
  get all(): Readonly<Record<string, unknown>> {
    return Object.fromEntries(this.#kept);
  }
}

/** The value of an output that is known even in a preview, as everything that is kept in state is. */
export function known<T>(output: pulumi.Output<T>): Promise<pulumi.Unwrap<T>> {
  return new Promise((resolve) => pulumi.output(output).apply(resolve));
}
