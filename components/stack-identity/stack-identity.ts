import { randomBytes, randomUUID } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

/**
 * What makes a stack itself: an owner id that marks everything it creates on a host, and one secret from which every
 * key of the lab is derived.
 *
 * Both are made at random at the first `up` and kept in state for good. A fresh random input on a later run
 * is ignored, so that previews stay quiet.
 */
export class StackIdentity extends pulumi.ComponentResource {
  /** Random id of the stack. Not a secret. */
  readonly owner: pulumi.Output<string>;
  /** 32 random bytes in hex; secret. */
  readonly secret: pulumi.Output<string>;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("hyperlab:index:StackIdentity", name, {}, opts);
    const kept = { parent: this, ignoreChanges: ["input"] };
    const owner = new pulumi.Stash(`${name}-owner`, { input: randomUUID() }, kept);
    const secret = new pulumi.Stash(
      `${name}-secret`,
      { input: pulumi.secret(randomBytes(32).toString("hex")) },
      kept,
    );
    this.owner = owner.output.apply(text);
    this.secret = pulumi.secret(secret.output.apply(text));
    this.registerOutputs({ owner: this.owner });
  }
}

function text(value: unknown): string {
  if (typeof value !== "string") {
    throw new Error("The stack's identity in state is not text. Restore the state from a backup.");
  }
  return value;
}
