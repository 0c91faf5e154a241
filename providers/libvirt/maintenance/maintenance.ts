import type { CallContext, Logger } from "../../plugin/types.ts";
import type { ProviderContext } from "../context.ts";
import { type Hold, holdKey, holdNamespace, renderHold } from "../ownership/index.ts";
import { again } from "../resources/domain/host/again.ts";
import { awaitBoot, keysChanged, startGuest } from "../resources/domain/lifecycle/boot.ts";
import { stopGuest } from "../resources/domain/lifecycle/stop.ts";
import { type DomainParts, type Run, realParts } from "../resources/domain/run.ts";
import {
  byTier,
  evacuationHold,
  evacuationStep,
  type HostMachine,
  type HostSurvey,
  isEvacuated,
  type RecordedMachine,
  surveyOf,
} from "./machines.ts";

/** How a machine ended. */
export interface MachineResult {
  readonly name: string;
  readonly outcome: "stopped" | "returned" | "already off" | "left alone" | "failed" | "not tried";
  /** Why, where it failed or was not tried, or what is left to do. */
  readonly why?: string;
}

/** Told while machines are worked on. */
export interface MaintenanceObserver {
  /** What a machine is doing now; replaces its last status. */
  status(text: string): void;
  warning(text: string): void;
  /** A machine is finished with. */
  finished(result: MachineResult): void;
}

/** Who evacuates a host, and why. */
export interface MaintenanceOrder {
  readonly by: string;
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly reason: string;
}

/** What the work needs from outside. */
export interface MaintenanceContext {
  readonly provider: ProviderContext;
  readonly observer: MaintenanceObserver;
  readonly signal: AbortSignal;
  /** Tests give a scripted agent and a clock of their own. */
  readonly parts?: DomainParts;
}

/** Guests that boot at the same time: more of them boot no faster, and each has its deadline. */
const PARALLEL_BOOTS = 16;

/** Looks at the host anew. */
export async function surveyHost(
  provider: ProviderContext,
  recorded: readonly RecordedMachine[],
): Promise<HostSurvey> {
  provider.cache.domains.invalidate();
  return surveyOf(await provider.cache.domains.get(), recorded, provider.config.owner);
}

/**
 * Empties and stops the machines, those that need others first, all of one tier at the same time so that none gets new
 * work while another waits. A tier that others still need is not touched. Each machine that ran is marked.
 */
export async function evacuate(
  context: MaintenanceContext,
  machines: readonly HostMachine[],
  order: MaintenanceOrder,
): Promise<MachineResult[]> {
  const work = (machine: HostMachine) => evacuateMachine(context, machine, order);
  return inOrder(
    context,
    byTier(machines).reverse(),
    machines.length,
    work,
    "machines that need it still run",
  );
}

/** Starts what an evacuation stopped, those that others need first, and waits until they are ready. */
export async function bringBack(
  context: MaintenanceContext,
  machines: readonly HostMachine[],
): Promise<MachineResult[]> {
  const work = (machine: HostMachine) => bringBackMachine(context, machine);
  return inOrder(context, byTier(machines), PARALLEL_BOOTS, work, "a machine that it needs is not ready");
}

async function inOrder(
  context: MaintenanceContext,
  tiers: readonly (readonly HostMachine[])[],
  parallel: number,
  work: (machine: HostMachine) => Promise<MachineResult>,
  blocked: string,
): Promise<MachineResult[]> {
  const results: MachineResult[] = [];
  for (const tier of tiers) {
    const failed = results.some(({ outcome }) => outcome === "failed" || outcome === "not tried");
    const attempt = (machine: HostMachine): Promise<MachineResult> =>
      failed
        ? Promise.resolve({ name: machine.name, outcome: "not tried", why: blocked })
        : attempted(machine, work);
    const tell = async (machine: HostMachine): Promise<void> => {
      const result = await attempt(machine);
      results.push(result);
      context.observer.finished(result);
    };
    await inParallel(tier, parallel, tell);
  }
  return results;
}

/** Another machine's failure is none of this one's. */
async function attempted(
  machine: HostMachine,
  work: (machine: HostMachine) => Promise<MachineResult>,
): Promise<MachineResult> {
  try {
    return await work(machine);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { name: machine.name, outcome: "failed", why };
  }
}

async function inParallel<Item>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}

async function evacuateMachine(
  context: MaintenanceContext,
  machine: HostMachine,
  order: MaintenanceOrder,
): Promise<MachineResult> {
  const { name } = machine;
  const step = evacuationStep(machine);
  if (step.kind === "held") return { name, outcome: "already off" };
  if (step.kind === "off") return { name, outcome: "left alone" };
  if (step.kind === "refuse") return { name, outcome: "failed", why: step.why };
  const run = runOf(context, machine);
  const hold = evacuationHold(machine, order);
  let held = false;
  const beforeShutdown = async (): Promise<void> => {
    await holdMachine(run, machine, hold);
    held = true;
  };
  // The guest puts `hyperlab:` before it.
  const reason = `host maintenance: ${order.reason}`;
  await stopGuest(run, machine.ref, { inputs: machine.inputs, reason, neverUp: false, beforeShutdown });
  // It went off by itself or had crashed: it is to come back all the same.
  if (!held) await holdMachine(run, machine, hold);
  return { name, outcome: "stopped" };
}

async function bringBackMachine(context: MaintenanceContext, machine: HostMachine): Promise<MachineResult> {
  const { name, hold } = machine;
  if (!isEvacuated(machine) || hold === undefined) return { name, outcome: "left alone" };
  const run = runOf(context, machine);
  await startGuest(run, machine.ref);
  // Keys that were rotated meanwhile only an update can give; a node does not get ready without them.
  const owesKeys = machine.pending !== undefined && keysChanged(machine.inputs);
  if (!owesKeys) await awaitBoot(run, machine.ref, machine.inputs, false);
  if (hold.autostart === true) await setAutostart(run, machine, true);
  await writeHold(run, machine, hold.replaced);
  const why = "serves after the next hyperlab up, which gives it the keys that were rotated meanwhile";
  return { name, outcome: "returned", ...(owesKeys ? { why } : {}) };
}

/** Marks the machine and keeps it from starting with its host, which may be booted several times meanwhile. */
async function holdMachine(run: Run, machine: HostMachine, hold: Hold): Promise<void> {
  await writeHold(run, machine, hold);
  if (hold.autostart === true) await setAutostart(run, machine, false);
}

async function writeHold(run: Run, machine: HostMachine, hold: Hold | undefined): Promise<void> {
  const { client, cache } = run.provider;
  const xml = hold === undefined ? undefined : renderHold(hold);
  try {
    // Also after an abort: it says what has happened.
    await again(() =>
      client.domainSetMetadata(machine.ref, { uri: holdNamespace, key: holdKey, xml }, { config: true }),
    );
  } finally {
    cache.domains.invalidate();
  }
}

async function setAutostart(run: Run, machine: HostMachine, autostart: boolean): Promise<void> {
  await again(() => run.provider.client.domainSetAutostart(machine.ref, autostart));
}

function runOf(context: MaintenanceContext, machine: HostMachine): Run {
  const { observer, parts = realParts, provider, signal } = context;
  const logger: Logger = {
    debug: () => undefined,
    output: () => undefined,
    info: (text) => observer.warning(text),
    warning: (text) => observer.warning(text),
    error: (text) => observer.warning(text),
    status: (text) => observer.status(text),
  };
  const call: CallContext = { logger, signal, preview: false, deadline: undefined };
  return { ...parts, provider, call, urn: machine.urn, name: machine.name };
}
