import { ProviderError } from "../../../../plugin/errors.ts";
import { isNotFound, LibvirtError } from "../../../client/errors.ts";
import type { DomainRef } from "../../../client/types.ts";
import type { DomainInputs, QuiescePolicy } from "../../inputs.ts";
import { type HookContext, type HookResult, programs, quiesceGuest, unquiesceGuest } from "../agent/hooks.ts";
import type { Clock } from "../clock.ts";
import { again } from "../host/again.ts";
import { eventClock } from "../host/events.ts";
import { powerOf } from "../host/reader.ts";
import type { Power } from "../plan/facts.ts";
import { type Run, withSignal } from "../run.ts";
import { duration } from "../text.ts";
import { GuestOff, hookContext, ioError, resumeGuest } from "./guest.ts";
import { nextStopStep, type ShutdownWay } from "./stop-plan.ts";

/** What decides about a stop. */
export interface StopOrder {
  readonly inputs: Pick<DomainInputs, "stop" | "quiesce" | "guestAgent">;
  /** For the guest's log and its users. */
  readonly reason: string;
  /** The guest never came up: it holds nothing that could be lost. */
  readonly neverUp: boolean;
  /** Called once when the guest is empty, before it is asked to shut down: until then it was not touched. */
  readonly beforeShutdown?: () => Promise<void>;
}

const pollMilliseconds = 2000;
/** Time for an agent that is just not there to come back, before its absence counts. */
const agentGraceSeconds = { required: 60, ifPresent: 10 } as const;
const unquiesceMilliseconds = 10_000;

/**
 * Empties and stops a guest: quiesce, then a shutdown that is asked for again and again until it is off or the time is
 * over. Does nothing to a guest that is off. Switched off hard only where it has crashed, never came up, or
 * `stop.onTimeout` says so.
 */
export async function stopGuest(run: Run, ref: DomainRef, order: StopOrder): Promise<void> {
  const power = await powerNow(run, ref);
  if (isOff(power)) return;
  if (power === "crashed" || (order.neverUp && !(await answers(run, ref)))) return powerOff(run, ref);
  if (power === "ioerror") throw await ioError(run, ref);
  if (power === "paused") await resumeGuest(run, ref);
  const quiesced = await quiesce(run, ref, order);
  if (quiesced === "off") return;
  const asked = { requests: 0 };
  try {
    await order.beforeShutdown?.();
    await shutDown(run, ref, order, asked);
  } catch (error) {
    // Once it was asked to shut down it may still do so: then it must stay empty.
    if (quiesced === "emptied" && asked.requests === 0) await takeBack(run, await hookContext(run, ref));
    throw error;
  }
}

const isOff = (power: Power) => power === "off" || power === "undefined";

async function powerNow(run: Run, ref: DomainRef): Promise<Power> {
  try {
    const power = await powerOf(run.provider, ref, withSignal(run));
    // Shut off after a crash needs no more stopping; only one that libvirt still holds does.
    if (power !== "crashed") return power;
    const { state } = await run.provider.client.domainGetState(ref, withSignal(run));
    return state === "shutoff" ? "off" : "crashed";
  } catch (error) {
    if (isNotFound(error)) return "undefined";
    throw error;
  }
}

async function answers(run: Run, ref: DomainRef): Promise<boolean> {
  return run.agent(run.provider.client, ref, run.clock).answers(run.call.signal);
}

/** Switches the guest off. */
export async function powerOff(run: Run, ref: DomainRef): Promise<void> {
  try {
    await again(() => run.provider.client.domainDestroy(ref));
  } catch (error) {
    const gone = error instanceof LibvirtError && error.codeName === "VIR_ERR_OPERATION_INVALID";
    if (!gone && !isNotFound(error)) throw error;
  }
}

/** Asks the guest to empty itself. `off`: it went down by itself meanwhile; `skipped`: it was not asked. */
async function quiesce(run: Run, ref: DomainRef, order: StopOrder): Promise<"emptied" | "skipped" | "off"> {
  const hook = order.inputs.quiesce?.hook ?? "required";
  if (hook === "never") return "skipped";
  const timeoutSeconds = order.inputs.quiesce?.timeoutSeconds ?? 3600;
  const onTimeout = order.inputs.quiesce?.onTimeout ?? "fail";
  const context = await hookContext(run, ref);
  let result: HookResult;
  try {
    result = await quiesceGuest(context, {
      reason: order.reason,
      timeoutSeconds,
      onTimeout,
      agentGraceSeconds: agentGraceSeconds[hook],
    });
  } catch (error) {
    if (error instanceof GuestOff) return "off";
    await takeBack(run, context);
    throw error;
  }
  if (result.kind === "done") return "emptied";
  if (hook === "ifPresent" && (result.kind === "missing" || result.kind === "unreachable")) {
    run.call.logger.info(`${run.name}: no hook known: stops without quiesce`);
    return "skipped";
  }
  // After a timeout the machine goes on emptying itself, so that the next update finds it further on.
  if (result.kind === "failed") await takeBack(run, context);
  throw quiesceError(run, result, timeoutSeconds, onTimeout);
}

/** The machine stays up after all. Also after an abort, but then not for long. */
async function takeBack(run: Run, context: HookContext): Promise<void> {
  const signal = AbortSignal.timeout(unquiesceMilliseconds);
  try {
    const result = await unquiesceGuest(context.agent, signal);
    if (result.kind === "failed") {
      run.call.logger.warning(`${run.name}: the quiesce could not be taken back: ${result.reason}`);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    run.call.logger.warning(`${run.name}: the quiesce could not be taken back: ${reason}`);
  }
}

function quiesceError(
  run: Run,
  result: Exclude<HookResult, { kind: "done" }>,
  seconds: number,
  onTimeout: QuiescePolicy,
): ProviderError {
  const untouched = "The machine was not stopped.";
  switch (result.kind) {
    case "missing":
      return new ProviderError(
        `${run.name} has no ${programs.quiesce}, so it is not known how to empty it. ${untouched} ` +
          'Install the program, or set quiesce.hook to "ifPresent" or "never" to stop it without.',
        "failedPrecondition",
      );
    case "unreachable":
      return new ProviderError(
        `the guest agent of ${run.name} does not answer (${result.reason}), so it cannot be emptied. ${untouched} ` +
          'Start qemu-guest-agent in the guest, or set quiesce.hook to "ifPresent" or "never" to stop it without.',
        "failedPrecondition",
      );
    case "failed":
      return new ProviderError(
        `${run.name} could not be emptied: its quiesce program failed with ${result.reason}. ${untouched} ` +
          "Repair the cause in the guest and run the update again.",
        "failedPrecondition",
      );
    case "timeout":
      return new ProviderError(
        `${run.name} was not empty after ${duration(seconds * 1000)}: ${result.reason}. ${untouched} ` +
          `It takes no new work${onTimeout === "fail" ? "" : `, and quiesce.onTimeout "${onTimeout}" did not empty it`}. ` +
          "Run the update again to go on with it as it stands; end what it waits for, or raise quiesce.timeoutSeconds.",
        "deadlineExceeded",
      );
    default:
      return unreachable(result);
  }
}

function unreachable(result: never): never {
  throw new Error(`no text for ${JSON.stringify(result)}`);
}

async function shutDown(
  run: Run,
  ref: DomainRef,
  order: StopOrder,
  asked: { requests: number },
): Promise<void> {
  const clock = await eventClock(run.provider, ref.uuid, run.clock);
  const started = clock.now();
  const timeoutSeconds = order.inputs.stop?.timeoutSeconds ?? 300;
  const onTimeout = order.inputs.stop?.onTimeout ?? "fail";
  let last: number | undefined;
  for (;;) {
    const power = await powerNow(run, ref);
    if (isOff(power)) return;
    if (power === "crashed") return powerOff(run, ref);
    if (power === "ioerror") throw await ioError(run, ref);
    const now = clock.now();
    const step = nextStopStep({
      elapsedMs: now - started,
      requests: asked.requests,
      sinceLastMs: last === undefined ? undefined : now - last,
      agent: order.inputs.guestAgent !== false,
      timeoutSeconds,
      onTimeout,
    });
    if (step.kind === "ask") {
      asked.requests += 1;
      await ask(run, ref, step.way);
      last = clock.now();
    } else if (step.kind === "wait") {
      run.call.logger.status(
        `${run.name}: shuts down (${duration(now - started)} of ${duration(timeoutSeconds * 1000)})`,
      );
      await pause(clock, Math.min(step.milliseconds, pollMilliseconds), run);
    } else if (step.kind === "powerOff") {
      run.call.logger.warning(
        `${run.name} did not shut down within ${timeoutSeconds} s and is switched off, as stop.onTimeout says`,
      );
      return powerOff(run, ref);
    } else throw stillRunning(run, timeoutSeconds);
  }
}

async function pause(clock: Clock, milliseconds: number, run: Run): Promise<void> {
  await clock.sleep(Math.max(1, milliseconds), run.call.signal);
}

/** One request. A way that does not work now (no agent yet) falls back to ACPI; a guest that is just off is fine. */
async function ask(run: Run, ref: DomainRef, way: ShutdownWay): Promise<void> {
  const shutDownBy = (mode?: ShutdownWay) =>
    again(() =>
      run.provider.client.domainShutdown(ref, {
        ...(mode === undefined ? {} : { mode }),
        ...withSignal(run),
      }),
    );
  for (const mode of way === "agent" ? (["agent", "acpi"] as const) : (["acpi"] as const)) {
    try {
      await shutDownBy(mode);
      return;
    } catch (error) {
      if (!(error instanceof LibvirtError)) throw error;
      run.call.logger.debug(`${run.name}: shutdown by ${mode} was refused: ${error.text}`);
    }
  }
  // Drivers that know no ways have one of their own.
  try {
    await shutDownBy();
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    run.call.logger.debug(`${run.name}: shutdown was refused: ${error.text}`);
  }
}

function stillRunning(run: Run, seconds: number): ProviderError {
  return new ProviderError(
    `${run.name} did not shut down within ${seconds} s, although it was asked every 15 s. It is still running, unchanged, ` +
      "and may still go down: it was emptied, and its shutdown may only be slow. " +
      `Look at its console ("virsh console ${run.name}"); when it is off, run the update again. ` +
      'Raise stop.timeoutSeconds if it needs longer. To switch it off hard, losing what it has not written, use "virsh destroy ' +
      `${run.name}" or set stop.onTimeout to "powerOff".`,
    "deadlineExceeded",
  );
}
