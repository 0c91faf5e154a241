import type { HostNeeds, HostState } from "../facts.ts";
import type { HostFinding } from "./finding.ts";
import { checkForwards } from "./forward.ts";
import { checkMachines } from "./machines.ts";
import { checkResources } from "./resources.ts";
import { checkShutdown } from "./shutdown.ts";

export type { HostFinding } from "./finding.ts";

/** All checks of a host. Pure: the facts are gathered elsewhere. */
export function checkHostState(state: HostState, needs: HostNeeds): HostFinding[] {
  return [
    ...checkShutdown(state.system, needs),
    ...checkMachines(state, needs),
    ...checkForwards(state, needs),
    ...checkResources(state, needs),
  ];
}
