import { LibvirtConnectionError } from "../../providers/libvirt/client/errors.ts";
import { madeBy } from "../adopt/identity-state.ts";
import { readMarks } from "../adopt/records.ts";
import { selectRecord } from "../adopt/select.ts";
import type { EngineSession } from "../engine/operate.ts";
import { checkpoint, deployment } from "../engine/query.ts";
import { refuse } from "../preflight/refusal.ts";
import type { AdoptedCluster } from "./adopt.ts";
import type { Context } from "./context.ts";

/**
 * Before a first update: a stack that made nothing, as its state says, on a host that has its machines, lost its state.
 * An update would build images and then be refused for what is there, or begin the stack anew beside it.
 *
 * @throws Refusal that names the machines and the ways out.
 */
export async function refuseLostState(
  { layout }: Pick<Context, "layout">,
  session: EngineSession,
  { controller, uri }: Pick<AdoptedCluster, "controller" | "uri">,
): Promise<void> {
  const { project, stack } = layout;
  if (madeBy((await checkpoint(session, layout)).resources).length > 0) return;
  const marks = await readMarks(uri).catch((error: unknown) => {
    // The engine says what is wrong with the host.
    if (error instanceof LibvirtConnectionError) return [];
    throw error;
  });
  const selected = selectRecord(marks, { project, stack, controller }, uri);
  if (selected.kind === "none") return;
  // An adoption that was interrupted is gone on with by an update.
  const state = JSON.stringify([await deployment(session, layout)]);
  if (state.includes(selected.owner)) return;
  refuse(
    "state",
    `the state of stack ${stack} has nothing, but on ${uri} there are machines of a stack of this name: ${selected.machines.toSorted().join(", ")}`,
    "if the state was lost, hyperlab adopt takes them over as they are, or hyperlab restore FILE --state brings it back from a backup; if they are another person's, choose another stack with --stack and another name in the cluster file",
  );
}
