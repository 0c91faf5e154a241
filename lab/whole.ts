import * as pulumi from "@pulumi/pulumi";
import { exitedAfterLoggingReason } from "./end-run.ts";

/**
 * Runs a program so that it ends well only when everything that it declares is declared. The engine removes what a
 * program that ended well did not declare; and the SDK ends a program without an error where a call of the engine
 * fails as unavailable, since it takes the engine for gone. A busy host would lose machines by one call that failed.
 *
 * @param declare The program.
 * @returns what the program returns.
 */
export async function whole<T>(declare: () => Promise<T>): Promise<T> {
  const waiting = new Set<unknown>([declare]);
  const settled = (what: unknown): void => {
    waiting.delete(what);
    process.exitCode = waiting.size === 0 ? 0 : exitedAfterLoggingReason;
  };
  let failed = false;
  const fails = (): void => {
    failed = true;
  };
  process.once("uncaughtException", fails).once("unhandledRejection", fails);
  process.once("exit", () => {
    if (waiting.size === 0 || failed) return;
    console.error("The program ended before all of the lab was declared. What is missing was not removed.");
  });
  process.exitCode = exitedAfterLoggingReason;
  pulumi.runtime.registerStackTransformation(({ resource }) => {
    waiting.add(resource);
    process.exitCode = exitedAfterLoggingReason;
    // The URN is there only after the transformations.
    setImmediate(() => resource.urn.apply(() => settled(resource)));
    return undefined;
  });
  const declared = await declare();
  settled(declare);
  return declared;
}
