import type { CallContext } from "../../../plugin/types.ts";
import type { LibvirtClient } from "../../client/api.ts";
import type { DomainRef } from "../../client/types.ts";
import type { ProviderContext } from "../../context.ts";
import { type GuestAgent, guestAgent } from "./agent/agent.ts";
import { type Clock, systemClock } from "./clock.ts";

/** What the resource takes from outside besides the host; tests give a scripted agent and a clock of their own. */
export interface DomainParts {
  readonly clock: Clock;
  /** The guest agent of a domain. */
  readonly agent: (client: LibvirtClient, ref: DomainRef, clock: Clock) => GuestAgent;
}

export const realParts: DomainParts = { clock: systemClock, agent: guestAgent };

/** One call of the engine about one domain. */
export interface Run extends DomainParts {
  readonly provider: ProviderContext;
  readonly call: CallContext;
  readonly urn: string;
  /** Name of the domain. */
  readonly name: string;
}

/** The signal as an option of the client's calls. */
export const withSignal = (run: Run): { signal: AbortSignal } => ({ signal: run.call.signal });
