import type { EngineSession } from "../engine/operate.ts";
import { deployment } from "../engine/query.ts";
import { removeLeftBridges } from "../host/left-bridges.ts";
import { recordedOwners } from "../host/recorded.ts";
import { type SettleCreations, settleState } from "../state/settle.ts";
import type { Context } from "./context.ts";

/**
 * Before a change: settles what a killed run left in the state, and what a killed libvirt left on the hosts.
 * @param settleCreations Default: `forgetCreations`, for a run that makes them again.
 * @throws Refusal where somebody holds the stack, or may hold it from another host.
 */
export async function settle(
  { layout, report }: Pick<Context, "layout" | "report">,
  session: EngineSession,
  settleCreations?: SettleCreations,
): Promise<void> {
  // First: while another run holds the stack, its networks may be starting.
  await settleState(session, layout, report, settleCreations);
  await removeLeftBridges(recordedOwners(await deployment(session, layout)), report);
}
