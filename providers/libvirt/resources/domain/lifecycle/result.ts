import { errorText, PartialFailure } from "../../../../plugin/errors.ts";
import { isNotFound } from "../../../client/errors.ts";
import type { DomainInputs } from "../../inputs.ts";
import { powerOf } from "../host/reader.ts";
import type { Facts, Power } from "../plan/facts.ts";
import type { Run } from "../run.ts";
import { type DomainState, encodeState } from "../state.ts";

/** What a step left behind, for the state. */
export interface Outcome {
  readonly state: DomainState;
  readonly facts: Facts;
}

/** Time for a last look at the host after a failure. */
const lastLookMilliseconds = 5_000;

/** The power state after a failure or an abort; what was known where the host cannot be asked. */
export async function powerAfterFailure(run: Run, uuid: string, otherwise: Power): Promise<Power> {
  const signal = AbortSignal.timeout(lastLookMilliseconds);
  try {
    const ref = await run.provider.client.domainLookupByUuid(uuid, { signal });
    return ref === undefined ? "undefined" : await powerOf(run.provider, ref, { signal });
  } catch (error) {
    return isNotFound(error) ? "undefined" : otherwise;
  }
}

/** The error of a step that changed something: what there is goes into the state, and the next run goes on from it. */
export function partialFailure(
  run: Run,
  inputs: DomainInputs,
  outcome: Outcome,
  error: unknown,
): PartialFailure {
  return new PartialFailure(errorText(error), {
    id: run.name,
    outputs: encodeState(run.provider, inputs, outcome.state, outcome.facts),
    reasons: [errorText(error)],
    refreshBeforeUpdate: run.provider.config.refreshBeforeUpdate,
  });
}
