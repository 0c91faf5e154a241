import * as pulumi from "@pulumi/pulumi";
import { type Recovery, type StackIdentity, sealRecovery } from "../components/stack-identity/index.ts";

/**
 * The record from which the state of this stack can be rebuilt, sealed with the stack's passphrase. It is no secret:
 * whoever may read machines' definitions gets it, as whoever may read the stack's state gets that.
 *
 * @param passphrase Undefined where the stack's secrets are kept by something else: then there is no record.
 */
export function recoveryRecord(
  identity: StackIdentity,
  kept: Pick<Recovery, "decisions" | "keyGenerations">,
  passphrase: string | undefined,
): pulumi.Output<string> | undefined {
  if (passphrase === undefined) return undefined;
  const sealed = pulumi
    .all([identity.owner, identity.secret])
    .apply(([owner, secret]) => sealRecovery({ owner, secret, ...kept }, passphrase));
  return pulumi.unsecret(sealed);
}
