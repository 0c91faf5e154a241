import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { run } from "../process/run.ts";
import { plain } from "../report/engine-events.ts";
import {
  type CheckpointSummary,
  checkpointFile,
  parseDeployment,
  readCheckpoint,
} from "../state/checkpoint.ts";
import type { StateLayout } from "../state/layout.ts";
import type { EngineSession } from "./operate.ts";

/** Commands of the engine that run no program and are over in a second; a backend over a network may need longer. */
const QUERY_MS = 120_000;

/**
 * Runs a command of the engine in the state's own project folder, so that nothing is written into the checkout.
 * @param input Its standard input. Default: empty.
 * @throws Error with the engine's words.
 */
export async function engineCommand(
  session: EngineSession,
  args: readonly string[],
  input = "",
): Promise<string> {
  const all = [...args, "--non-interactive", "--color", "never"];
  const result = await run(session.pulumi, all, {
    cwd: dirname(session.stackFile),
    env: session.env,
    input,
    timeoutMs: QUERY_MS,
  });
  if (result.code === 0) return result.stdout;
  const why = result.timedOut
    ? `no answer in ${QUERY_MS / 1000} s`
    : plain(result.stderr || result.stdout).trim();
  throw new Error(`pulumi ${args[0]} ${args[1] ?? ""} failed: ${why}`);
}

/** Creates the stack where it does not exist; its salt goes into the copy of the stack file. */
export async function ensureStack(session: EngineSession, layout: StateLayout): Promise<void> {
  if (readCheckpoint(layout)?.exists === true) return;
  await engineCommand(session, ["stack", "select", "--create", session.stack]);
}

/** Outputs of the stack with their secrets; empty where nothing was deployed. */
export async function stackOutputs(session: EngineSession): Promise<Record<string, unknown>> {
  const text = await engineCommand(session, [
    "stack",
    "output",
    "--stack",
    session.stack,
    "--json",
    "--show-secrets",
  ]);
  const outputs: unknown = JSON.parse(text);
  return typeof outputs === "object" && outputs !== null ? { ...outputs } : {};
}

/** State of the stack, from the file backend or, for another one, from the engine. */
export async function checkpoint(session: EngineSession, layout: StateLayout): Promise<CheckpointSummary> {
  const read = readCheckpoint(layout);
  if (read) return read;
  return { exists: true, ...parseDeployment(await exported(session)) };
}

/** The whole state of a stack as JSON; undefined where the stack does not exist. */
export async function deployment(session: EngineSession, layout: StateLayout): Promise<unknown> {
  const read = readCheckpoint(layout);
  if (read?.exists === false) return undefined;
  const file = checkpointFile(layout);
  if (read !== undefined && file !== undefined) return JSON.parse(readFileSync(file, "utf8"));
  return exported(session);
}

async function exported(session: EngineSession): Promise<unknown> {
  return JSON.parse(await engineCommand(session, ["stack", "export", "--stack", session.stack]));
}
