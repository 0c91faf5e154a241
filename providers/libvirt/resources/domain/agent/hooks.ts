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

function failedText(result: Extract<ProgramResult, { kind: "exited" }>): string {
  const said = lastLine(result.stderr) || lastLine(result.stdout);
  return said === "" ? `exit code ${result.exitCode}` : `exit code ${result.exitCode}: ${said}`;
}

/** Calls the guest's `quiesce` in slices until the machine is empty, the program fails, or the time is over. */
export async function quiesceGuest(
  context: HookContext,
  options: { reason: string; timeoutSeconds: number; agentGraceSeconds: number },
): Promise<HookResult> {
  const started = context.clock.now();
  const end = started + options.timeoutSeconds * 1000;
  let heard = started;
  for (;;) {
    await context.checkGuest();
    const slice = remainingSlice(context.clock.now(), end);
    const result = await context.agent.run(programs.quiesce, {
      args: ["--reason", options.reason, "--slice-seconds", String(slice)],
      timeoutSeconds: slice + sliceGraceSeconds,
      signal: context.signal,
    });
    const now = context.clock.now();
    const waited = `${duration(now - started)} of ${duration(options.timeoutSeconds * 1000)}`;
    if (result.kind === "missing") return result;
    if (result.kind === "exited") {
      if (result.exitCode === 0) return { kind: "done" };
      if (result.exitCode !== notYet) return { kind: "failed", reason: failedText(result) };
      const text = lastLine(result.stdout) || "not empty yet";
      if (now >= end) return { kind: "timeout", reason: text };
      context.status(`quiesce: ${text} (${waited})`);
      heard = now;
    } else {
      if (now >= Math.min(heard + options.agentGraceSeconds * 1000, end)) return result;
      context.status(`quiesce: waits for the guest agent: ${result.reason} (${waited})`);
    }
    await context.clock.sleep(pauseMilliseconds, context.signal);
  }
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

/** Hands the machine its identity; secret, so only through standard input. Repeated until the program is there. */
export async function writeIdentity(
  context: HookContext,
  options: {
    identity: { sshHostEd25519: string; machineId: string };
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
