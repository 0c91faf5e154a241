import type { QuiescePolicy } from "../../inputs.ts";
import type { Clock } from "../clock.ts";
import { duration } from "../text.ts";
import type { GuestAgent, ProgramResult } from "./agent.ts";

/** Programs of the guest contract (docs/guest-contract.md). */
export const programs = {
  quiesce: "/usr/lib/hyperlab/quiesce",
  unquiesce: "/usr/lib/hyperlab/unquiesce",
  ready: "/usr/lib/hyperlab/ready",
  identity: "/usr/lib/hyperlab/identity",
} as const;

/** Exit code of a hook that has to be called again. */
const notYet = 75;
/** Exit code of a `quiesce` that did what it was told at the end of the time, and is not empty and will not be soon. */
const workRemains = 76;
/** Tells `quiesce` that the time is over, and what to do with the work that still runs. */
const overdueVariable = "HYPERLAB_OVERDUE";
/**
 * How long a guest may take to end what it was told to end. Work gets a signal and some time to save what it has; a
 * report takes one call.
 */
export const overdueSeconds: Readonly<Record<Exclude<QuiescePolicy, "wait">, number>> = {
  fail: 1,
  requeue: 600,
  kill: 600,
};
const sliceSeconds = 30;
/** A call may take this much longer than its slice before the agent counts as stuck. */
const sliceGraceSeconds = 30;
const pauseMilliseconds = 2000;

/** What the waits need from outside. */
export interface HookContext {
  readonly agent: GuestAgent;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Shows a status line. */
  readonly status: (text: string) => void;
  /** Throws when the guest is in a state in which waiting is of no use (shut off, crashed, paused). */
  readonly checkGuest: () => Promise<void>;
}

export type HookResult =
  | { readonly kind: "done" }
  /** The guest has no such program. */
  | { readonly kind: "missing" }
  | { readonly kind: "unreachable"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "timeout"; readonly reason: string };

function lastLine(text: string): string {
  const line = text.trim().split("\n").at(-1)?.trim() ?? "";
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}

/** What a guest says about the work that is left, in one line. */
function reportText(text: string): string {
  const line = text
    .trim()
    .split(/\s*\n\s*/)
    .join("; ");
  return line.length > 4000 ? `${line.slice(0, 4000)}…` : line;
}

function failedText(result: Extract<ProgramResult, { kind: "exited" }>): string {
  const said = lastLine(result.stderr) || lastLine(result.stdout);
  return said === "" ? `exit code ${result.exitCode}` : `exit code ${result.exitCode}: ${said}`;
}

/** How a guest is emptied. */
export interface QuiesceOrder {
  readonly reason: string;
  readonly timeoutSeconds: number;
  readonly onTimeout: QuiescePolicy;
  readonly agentGraceSeconds: number;
}

/**
 * Calls the guest's `quiesce` in slices until the machine is empty, the program fails, or the time is over. Then the
 * guest is told what to do with the work that still runs. One that does not know what it is told goes on waiting: that
 * ends as if it was told to report.
 */
export async function quiesceGuest(context: HookContext, order: QuiesceOrder): Promise<HookResult> {
  const started = context.clock.now();
  const phases = quiescePhases(started, order);
  let heard = started;
  for (;;) {
    await context.checkGuest();
    const { end, env, overdue } = phases(context.clock.now());
    const slice = remainingSlice(context.clock.now(), end);
    const result = await context.agent.run(programs.quiesce, {
      args: ["--reason", order.reason, "--slice-seconds", String(slice)],
      env,
      timeoutSeconds: slice + sliceGraceSeconds,
      signal: context.signal,
    });
    const now = context.clock.now();
    if (result.kind === "missing") return result;
    if (result.kind === "exited") {
      if (result.exitCode === 0) return { kind: "done" };
      if (overdue && result.exitCode === workRemains) {
        return { kind: "timeout", reason: reportText(result.stdout) || "work still runs" };
      }
      if (result.exitCode !== notYet) return { kind: "failed", reason: failedText(result) };
      const text = lastLine(result.stdout) || "not empty yet";
      if (overdue && now >= end) return { kind: "timeout", reason: text };
      context.status(`quiesce: ${text} (${waitedText(now - started, order)})`);
      heard = now;
      // What follows at the end of the time follows at once.
      if (!overdue && now >= end) continue;
    } else {
      if (now >= Math.min(heard + order.agentGraceSeconds * 1000, end)) return result;
      context.status(
        `quiesce: waits for the guest agent: ${result.reason} (${waitedText(now - started, order)})`,
      );
    }
    await context.clock.sleep(pauseMilliseconds, context.signal);
  }
}

interface QuiescePhase {
  readonly overdue: boolean;
  readonly end: number;
  readonly env: Readonly<Record<string, string>>;
}

/** Which phase a call belongs to that begins now. The second begins with the first call after the time is over. */
function quiescePhases(started: number, order: QuiesceOrder): (now: number) => QuiescePhase {
  const { onTimeout, timeoutSeconds } = order;
  if (onTimeout === "wait") return () => ({ overdue: false, end: Number.POSITIVE_INFINITY, env: {} });
  const end = started + timeoutSeconds * 1000;
  let called = false;
  let overdue: QuiescePhase | undefined;
  return (now) => {
    // However short the time is, the guest is asked to empty itself before it is told that the time is over.
    if (now < end || !called) {
      called = true;
      return { overdue: false, end, env: {} };
    }
    overdue ??= {
      overdue: true,
      end: now + overdueSeconds[onTimeout] * 1000,
      env: { [overdueVariable]: onTimeout },
    };
    return overdue;
  };
}

function waitedText(milliseconds: number, order: QuiesceOrder): string {
  const waited = duration(milliseconds);
  return order.onTimeout === "wait" ? waited : `${waited} of ${duration(order.timeoutSeconds * 1000)}`;
}

/** Takes a `quiesce` back. Best effort: the machine is not stopped after all, and may be half gone. */
export async function unquiesceGuest(agent: GuestAgent, signal: AbortSignal): Promise<HookResult> {
  const result = await agent.run(programs.unquiesce, { timeoutSeconds: 30, signal });
  if (result.kind !== "exited") return result;
  return result.exitCode === 0 ? { kind: "done" } : { kind: "failed", reason: failedText(result) };
}

/** Waits until the agent answers; a timeout is the only way to fail. */
export async function awaitAgent(
  context: HookContext,
  options: { started: number; timeoutSeconds: number },
): Promise<HookResult> {
  const end = options.started + options.timeoutSeconds * 1000;
  for (;;) {
    await context.checkGuest();
    if (await context.agent.answers(context.signal)) return { kind: "done" };
    const now = context.clock.now();
    if (now >= end) return { kind: "timeout", reason: "the guest agent does not answer" };
    context.status(
      `boots, waits for the guest agent (${duration(now - options.started)} of ${duration(options.timeoutSeconds * 1000)})`,
    );
    await context.clock.sleep(pauseMilliseconds, context.signal);
  }
}

/** Calls the guest's `ready` in slices until it says yes. A program that appears late (first boot) is waited for. */
export async function awaitReady(
  context: HookContext,
  options: { started: number; timeoutSeconds: number },
): Promise<HookResult> {
  const end = options.started + options.timeoutSeconds * 1000;
  for (;;) {
    await context.checkGuest();
    const slice = remainingSlice(context.clock.now(), end);
    const result = await context.agent.run(programs.ready, {
      args: ["--slice-seconds", String(slice)],
      timeoutSeconds: slice + sliceGraceSeconds,
      signal: context.signal,
    });
    const now = context.clock.now();
    if (result.kind === "exited" && result.exitCode === 0) return { kind: "done" };
    if (result.kind === "exited" && result.exitCode !== notYet) {
      return { kind: "failed", reason: failedText(result) };
    }
    const missing =
      result.kind === "exited"
        ? lastLine(result.stdout) || "not ready yet"
        : result.kind === "missing"
          ? `the guest has no ${programs.ready}`
          : `the guest agent does not answer: ${result.reason}`;
    if (now >= end) return { kind: "timeout", reason: missing };
    context.status(
      `waits until ready: ${missing} (${duration(now - options.started)} of ${duration(options.timeoutSeconds * 1000)})`,
    );
    await context.clock.sleep(pauseMilliseconds, context.signal);
  }
}

/** What the guest's `identity` program reads: a host key and a machine-id; format 2 where the keys were changed. */
export type Identity =
  | { readonly sshHostEd25519: string; readonly machineId: string }
  | {
      readonly format: 2;
      readonly sshHostKey: string;
      readonly machineId: string;
      /** In place of the one of the seed. */
      readonly loginPublicKey?: string;
    };

/** Hands the machine its identity; secret, so only through standard input. Repeated until the program is there. */
export async function writeIdentity(
  context: HookContext,
  options: {
    identity: Identity;
    started: number;
    timeoutSeconds: number;
  },
): Promise<HookResult> {
  const end = options.started + options.timeoutSeconds * 1000;
  for (;;) {
    await context.checkGuest();
    const result = await context.agent.run(programs.identity, {
      input: JSON.stringify(options.identity),
      timeoutSeconds: 120,
      signal: context.signal,
    });
    if (result.kind === "exited") {
      if (result.exitCode === 0) return { kind: "done" };
      return { kind: "failed", reason: failedText(result) };
    }
    if (context.clock.now() >= end) {
      return result.kind === "missing"
        ? { kind: "timeout", reason: `the guest has no ${programs.identity}` }
        : { kind: "timeout", reason: result.reason };
    }
    context.status(
      result.kind === "missing"
        ? `waits for ${programs.identity} in the guest`
        : `boots, waits for the guest agent (${duration(context.clock.now() - options.started)})`,
    );
    await context.clock.sleep(pauseMilliseconds, context.signal);
  }
}

function remainingSlice(now: number, end: number): number {
  return Math.max(1, Math.min(sliceSeconds, Math.ceil((end - now) / 1000)));
}
