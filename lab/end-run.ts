import * as pulumi from "@pulumi/pulumi";

/** The engine's agreement with programs: the reason was logged, and needs no stack trace beside it. */
export const exitedAfterLoggingReason = 32;

/**
 * Ends an update for a reason that shows only while it runs. What is under way is finished, nothing else begins. A
 * thrown error would be told once for each resource that waits for this one.
 */
export async function endRun(reason: string): Promise<never> {
  await pulumi.log.error(reason);
  process.exit(exitedAfterLoggingReason);
}
