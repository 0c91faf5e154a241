import { type EngineSession, operate } from "../engine/operate.ts";
import { checkpoint, engineCommand } from "../engine/query.ts";
import { refuse } from "../preflight/refusal.ts";
import { shellWord } from "../process/shell-word.ts";
import type { Reporter } from "../report/progress.ts";
import type { StateLayout } from "./layout.ts";
import { describeLock, inUse, lockState } from "./lock.ts";

/** What becomes of creations that were under way when a run was killed; does nothing where there are none. */
export type SettleCreations = typeof forgetCreations;

/**
 * Makes the state usable after a run that was killed: removes a lock whose process on this host is gone, and settles
 * creations that were under way.
 * @throws Refusal where somebody holds the stack, or may hold it from another host.
 */
export async function settleState(
  session: EngineSession,
  layout: StateLayout,
  report: Reporter,
  settleCreations: SettleCreations = forgetCreations,
): Promise<void> {
  const lock = lockState(layout);
  const why = inUse(layout, lock);
  if (why !== undefined) {
    const cancel = `PULUMI_BACKEND_URL=${shellWord(layout.backendUrl)} ${shellWord(session.pulumi)} cancel ${layout.stack} --yes -C ${shellWord(layout.projectFolder)}`;
    const isKnown = lock.kind === "held";
    refuse(
      "lock",
      why,
      isKnown ? "wait until it ends" : `make sure that nobody works on it, then: ${cancel}`,
    );
  }
  if (lock.kind === "stale") {
    for (const stale of lock.locks) report.line(`Removing the lock of ${describeLock(stale)}, which is gone`);
    await engineCommand(session, ["cancel", layout.stack, "--yes"]);
  }
  await settleCreations(session, layout, report);
}

/** Takes open creations out of the state. What they made on the host is found again by its mark when the program runs. */
export async function forgetCreations(
  session: EngineSession,
  layout: StateLayout,
  report: Reporter,
): Promise<void> {
  const { pending } = await checkpoint(session, layout);
  const creating = pending.filter((operation) => operation.type === "creating");
  if (creating.length === 0) return;
  const names = creating.map((operation) => operation.urn.split("::").at(-1)).join(", ");
  report.line(`Creations that a killed run left open are settled: ${names}`);
  const result = await operate(session, "refresh", report, {
    args: ["--clear-pending-creates"],
    label: "Comparing the state with the host",
  });
  if (result.code !== 0) {
    throw new Error(
      `the state could not be settled after a killed run; the engine's output is in ${result.log}`,
    );
  }
}
