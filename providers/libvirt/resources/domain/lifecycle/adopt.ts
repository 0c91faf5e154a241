import { ProviderError } from "../../../../plugin/errors.ts";
import { type PropertyMap, reveal } from "../../../../plugin/values.ts";
import { newGeneration } from "../../../ownership/index.ts";
import type { Effect } from "../../../schema/index.ts";
import { parseXml } from "../../../xml/index.ts";
import { adoptionLine } from "../../effects.ts";
import type { DomainInputs } from "../../inputs.ts";
import { compact, definitionOf } from "../definition.ts";
import { entriesOf } from "../entries.ts";
import { addEntries } from "../host/network-entries.ts";
import { type Observation, observe } from "../host/observe.ts";
import type { HostReader, SeenDomain } from "../host/reader.ts";
import { type DomainMark, domainMarkOf } from "../mark.ts";
import { type Action, type DomainPlan, planDomain } from "../plan/plan.ts";
import type { Run } from "../run.ts";
import { type DomainState, healthyFacts } from "../state.ts";
import { bringUp } from "./bring-up.ts";
import { newMark, writeMark } from "./define.ts";
import { type Outcome, partialFailure, powerAfterFailure } from "./result.ts";

/** A complete machine of this very resource that a create finds, because the state was lost. */
export interface Adoption {
  readonly seen: Observation;
  readonly mark: DomainMark;
  /** What an update would do to it. */
  readonly plan: DomainPlan;
  /** What the state will record of it, but for a new generation. */
  readonly state: DomainState;
}

/** Whether the mark is this resource's, on a machine that was ever complete: a first create that was killed left none. */
export function isAdoptable(run: Run, mark: DomainMark): boolean {
  const complete = mark.pending !== "boot" || mark.previous !== undefined;
  return mark.owner === run.provider.config.owner && mark.urn === run.urn && complete;
}

/** Compares a machine that may be adopted with what is declared. */
export async function planAdoption(
  reader: HostReader,
  domain: SeenDomain,
  mark: DomainMark,
  declared: PropertyMap,
): Promise<Adoption> {
  const [disk] = mark.disks ?? [];
  const { generation, bootSeconds = 0 } = mark;
  const { uuid } = domain.ref;
  const state: DomainState = { uuid, generation, rootVolume: disk, bootSeconds, imported: false };
  const inputs = reveal(declared);
  const seen = await observe(reader, domain, { state, inputs, quiesceHook: undefined });
  const plan = planDomain(seen.inputs, declared, seen.facts);
  return { seen, mark, plan, state: { ...state, rootVolume: seen.rootVolume } };
}

/** The machine of this resource on the host, where there is one to be adopted; for a preview. */
export async function findAdoption(
  run: Run,
  reader: HostReader,
  uuid: string,
  declared: PropertyMap,
): Promise<Adoption | undefined> {
  const domain = await reader.byUuid(uuid);
  const mark = domain === undefined ? undefined : domainMarkOf(parseXml(domain.xml));
  if (domain === undefined || mark === undefined || !isAdoptable(run, mark)) return undefined;
  return planAdoption(reader, domain, mark, declared);
}

/** Differences with which a machine is adopted: the next update mends them while it runs. */
const harmless: ReadonlySet<Effect> = new Set(["none", "live"]);

/** @throws ProviderError where the machine is another one than declared: what follows it would be made for that one. */
export function refuseChanged(run: Run, { plan }: Adoption): void {
  if (plan.changes.every(({ effect }) => harmless.has(effect))) return;
  throw new ProviderError(
    `the domain "${run.name}" exists already on ${run.provider.config.uri}: an earlier run of this stack made it from other inputs. ` +
      `With those of now an update would do this: "${plan.line}". Nothing was changed. ` +
      "Declare it as it is, so that it is adopted; make the change with the update after that.",
    "alreadyExists",
  );
}

/** What is done besides recording the machine: every update does it, and it interrupts nothing. */
const mending: ReadonlySet<Action> = new Set(["live", "continue", "start", "resume"]);

/** The line of a machine that is adopted. */
export function machineLine(name: string, { plan }: Adoption): string {
  const said = plan.line.slice(`${name}: `.length);
  const rest = said.replace(/^(nothing|no effect on the machine)(, )?/, "");
  const changed = plan.action === "live" && plan.changes.some(({ effect }) => effect !== "none");
  if (mending.has(plan.action) && !changed) return `${name}: adopt, then ${rest}`;
  const kept = adoptionLine(name);
  if (rest === "") return kept;
  return plan.action === "nothing" || plan.action === "record"
    ? `${kept}, ${rest}`
    : `${kept}; by the next update: ${rest}`;
}

/**
 * Takes a machine into the state as it is: neither its definition nor its disks are written. The mark gets a new
 * generation, so that no older state can delete it. One that should run is started, as by every update; what would
 * interrupt it is left to the next one, which previews it.
 */
export async function adoptDomain(run: Run, inputs: DomainInputs, adoption: Adoption): Promise<Outcome> {
  const { plan, seen } = adoption;
  const { ref } = seen.seen;
  const definition = definitionOf(inputs);
  const { disks, pending, previous, bootSeconds } = adoption.mark;
  const mark = newMark(run, definition, newGeneration(), compact({ disks, pending, previous, bootSeconds }));
  await writeMark(run, ref, mark);
  const state: DomainState = { ...adoption.state, generation: mark.generation };
  const mends = mending.has(plan.action);
  try {
    if (mends) await addEntries(run, entriesOf(definition));
    const facts = mends ? { ...seen.facts, entriesMissing: false } : seen.facts;
    if (!plan.starts || !mends) return { state, facts };
    const booted = await bringUp(run, ref, inputs, mark);
    return {
      state: { ...state, bootSeconds: booted.seconds ?? state.bootSeconds },
      facts: healthyFacts(inputs, booted.quiesceHook),
    };
  } catch (error) {
    const power = await powerAfterFailure(run, ref.uuid, seen.facts.power);
    throw partialFailure(run, inputs, { state, facts: { ...seen.facts, power } }, error);
  }
}
